/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What the process has resident, for the tests of memory. */
#ifndef RESIDENT_H
#define RESIDENT_H

#include "tap.h"

#include <string.h>
#include <sys/resource.h>

/* Resident and mapped bytes of anonymous memory in the heap. */
static size_t resident, mapped;

static void look(const char *when)
{
	static char line[256];
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	unsigned long pages = 0, kib;

	resident = 0;
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Anonymous: %lu kB", &kib) == 1)
			resident = kib << 10;
	if (f)
		fclose(f);
	f = fopen("/proc/self/statm", "r");
	if (!f || fscanf(f, "%lu", &pages) != 1)
		tap_bail_out("no /proc/self/statm");
	fclose(f);
	mapped = pages * (size_t)sysconf(_SC_PAGESIZE);
	tap_diag("%-28s resident %7.1f MiB, mapped %7.1f MiB", when,
		 (double)resident / (1 << 20), (double)mapped / (1 << 20));
}

/* Thousandths of what was resident at @peak on top of @base. */
static inline size_t share(size_t now, size_t base, size_t peak)
{
	return now <= base ? 0 : (now - base) * 1000 / (peak - base);
}

/* Small work, as a program that goes on does: idle memory is looked after meanwhile. */
static inline void go_on(unsigned int seconds)
{
	time_t end = time(NULL) + seconds;
	int i;

	while (time(NULL) < end) {
		void *p[400];

		for (i = 0; i < 400; i++)
			p[i] = malloc((size_t)i % 50 * 10 + 1);
		for (i = 0; i < 400; i++)
			free(p[i]);
		usleep(1000);
	}
}

static inline long page_faults(void)
{
	struct rusage now;

	getrusage(RUSAGE_SELF, &now);
	return now.ru_minflt;
}

/* Does the system make huge pages of whatever it can, asked or not? */
static inline bool all_huge(void)
{
	FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
	char line[64] = "";
	bool all = f && fgets(line, sizeof(line), f) && strstr(line, "[always]");

	if (f)
		fclose(f);
	return all;
}

#endif
