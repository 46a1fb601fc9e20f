// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/poolalloc, read again and again.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "test.h"

#define REPORT_ROOM	65536
#define ROUND		1000

/* The whole of it, with a NUL. Returns its length. */
static ssize_t read_report(struct file *file, char *buf)
{
	loff_t pos = 0;
	ssize_t len = 0, n;

	do {
		n = kernel_read(file, buf + len, REPORT_ROOM - 1 - len, &pos);
		len += n > 0 ? n : 0;
	} while (n > 0);
	buf[len] = '\0';
	return n < 0 ? n : len;
}

static bool report_whole(const char *buf)
{
	static const char head[] = "poolalloc - version: 1\n";
	const char *last = strstr(buf, "\nidentity ");

	return !strncmp(buf, head, strlen(head)) && last && !strstr(last + 1, "\nidentity ") &&
	       (strstr(last, " ok\n") || strstr(last, " changing\n"));
}

/* A round of reads. Returns the longest of them. */
static u64 read_round(struct file *file, char *buf)
{
	u64 longest = 0;
	unsigned int i;

	for (i = 0; i < ROUND; i++) {
		u64 start = ktime_get_ns();

		test_check(read_report(file, buf) > 0 && report_whole(buf));
		longest = max(longest, ktime_get_ns() - start);
		cond_resched();
	}
	return longest;
}

static void read_rounds(struct file *file, char *buf, unsigned long n)
{
	u64 longest = 0, start = ktime_get_ns();
	unsigned long i, steps, least = ULONG_MAX;

	for (i = 0; i < n; i += ROUND) {
		steps = test_threads_steps();
		longest = max(longest, read_round(file, buf));
		/* Who reads all the time keeps nobody from anything. */
		synchronize_rcu();
		least = min(least, test_threads_steps() - steps);
	}
	test_note("%lu reads of %zu bytes, %llu us each, the longest %llu us", n, strlen(buf),
		  (ktime_get_ns() - start) / n / 1000, longest / 1000);
	test_ok(least > 0, "meanwhile others went on: %lu steps a round at least", least);
}

/* Beside test_threads_start(). */
void test_proc_reads(unsigned long n)
{
	struct file *file = filp_open("/proc/poolalloc", O_RDONLY, 0);
	char *buf = kvmalloc(REPORT_ROOM, GFP_KERNEL);

	if (test_check(!IS_ERR(file)) && test_check(buf))
		read_rounds(file, buf, n);
	if (!IS_ERR(file))
		filp_close(file, NULL);
	kvfree(buf);
}
