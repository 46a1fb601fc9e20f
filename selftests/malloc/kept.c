// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * What is kept of freed blocks for the next ones, and when it goes: kept large|swing|share|limit.
 */
#include "resident.h"

#include <malloc.h>
#include <string.h>
#include <sys/resource.h>

/*
 * Large blocks, 24 MB of them, all freed and allocated again: after some rounds their mappings are kept.
 * Idle, they go: at once by malloc_trim().
 */
static void case_large(uint64_t *seed)
{
	size_t base, size = 100000, i;
	struct rusage before, after;
	char *p[120];
	int round;

	look("at the start");
	base = resident;
	for (round = 0; round < 24; round++) {
		getrusage(RUSAGE_SELF, &before);
		for (i = 0; i < 120; i++) {
			p[i] = malloc(size + tap_random(seed) % size * 2);
			if (!p[i])
				tap_bail_out("no memory");
			memset(p[i], round, size);
		}
		for (i = 0; i < 120; i++)
			free(p[i]);
		getrusage(RUSAGE_SELF, &after);
	}
	tap_diag("%ld page faults in the last round", after.ru_minflt - before.ru_minflt);
	TAP_CHECK(after.ru_minflt - before.ru_minflt < 1000);
	look("all freed");
	malloc_trim(0);
	look("malloc_trim");
	TAP_CHECK(resident < base + (1 << 20));
}

/*
 * 96 MB of large blocks, freed all at once and allocated again: what was kept serves the next round, and
 * there is no more than before, but for what is too large. Freed once and not asked for again, nothing stays;
 * nor when they have not been needed for a second, and the program does something else.
 */
static void swing_round(uint64_t seed, long *faults)
{
	struct rusage before, after;
	size_t size = 2 << 20, i;
	char *p[32];

	getrusage(RUSAGE_SELF, &before);
	for (i = 0; i < 32; i++) {
		size_t bytes = size + tap_random(&seed) % size;

		p[i] = malloc(bytes);
		if (!p[i])
			tap_bail_out("no memory");
		memset(p[i], (int)i, bytes);
	}
	getrusage(RUSAGE_SELF, &after);
	*faults = after.ru_minflt - before.ru_minflt;
	look("32 blocks of 2 to 4 MiB");
	for (i = 0; i < 32; i++)
		free(p[i]);
}

static void case_swing(uint64_t *seed)
{
	long first, last = 0;
	size_t base, peak;
	time_t start;
	int round;

	look("at the start");
	base = resident;
	swing_round(*seed, &first);
	peak = resident;
	look("all freed");
	TAP_CHECK(resident < base + (1 << 20));
	start = time(NULL);
	for (round = 0; round < 5; round++) {
		swing_round(*seed, &last);
		TAP_CHECK(resident < peak + peak / 8);
	}
	tap_diag("%ld page faults in the first round, %ld in the last", first, last);
	/* What comes again within a second is kept. */
	if (time(NULL) - start <= 2)
		TAP_CHECK(last < first / 4);
	else
		tap_diag("this machine is too slow to keep it");
	look("all freed");
	/* A slow machine gives less back in the time. */
	for (round = 0; round < 8 && resident >= base + (2 << 20); round++) {
		go_on(4);
		look("4 s later");
	}
	TAP_CHECK(resident < base + (2 << 20));
}

/*
 * Large blocks, one replaced by another all the time: some are kept, in proportion to those in use. When
 * all are freed, no more stays than 32 MiB, without any call that looks for idle memory.
 */
static void case_share(uint64_t *seed)
{
	size_t base, size = 4 << 20, i;
	char *p[48] = { NULL };

	look("at the start");
	base = resident;
	for (i = 0; i < 600; i++) {
		size_t at = tap_random(seed) % 48, bytes = size + tap_random(seed) % size;

		free(p[at]);
		p[at] = malloc(bytes);
		if (!p[at])
			tap_bail_out("no memory");
		memset(p[at], (int)i, bytes);
	}
	look("600 blocks of 4 to 8 MiB");
	/* Of 48 blocks twice as much at the most is mapped, and a quarter of it kept. */
	TAP_CHECK(resident < base + 48 * size * 2 * 5 / 4);
	for (i = 0; i < 48; i++)
		free(p[i]);
	look("all freed");
	TAP_CHECK(resident < base + (33 << 20));
	malloc_trim(0);
	look("malloc_trim");
	TAP_CHECK(resident < base + (1 << 20));
}

/*
 * Run with limit=32M: 14 MB of small blocks are freed, then a large block gets nearly all of the limit,
 * what the thread has kept of empty pools included.
 */
static void case_limit(void)
{
	static char *block[700];
	size_t i, large = 29 << 20;
	char *p;

	for (i = 0; i < 700; i++) {
		block[i] = malloc(20000);
		if (!block[i])
			tap_bail_out("no memory");
		memset(block[i], 1, 20000);
	}
	TAP_CHECK(!malloc(large));
	while (i)
		free(block[--i]);
	p = malloc(large);
	if (TAP_CHECK(p))
		memset(p, 1, large);
	free(p);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	uint64_t seed;

	tap_start(1);
	seed = tap_seed();
	if (!strcmp(name, "large"))
		case_large(&seed);
	else if (!strcmp(name, "swing"))
		case_swing(&seed);
	else if (!strcmp(name, "share"))
		case_share(&seed);
	else if (!strcmp(name, "limit"))
		case_limit();
	else
		tap_bail_out("usage: kept large|swing|share|limit");
	tap_ok(!tap.broken_checks, "%s", name);
	return tap_finish();
}
