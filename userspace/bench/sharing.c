// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * sharing: does the allocator put two threads' blocks into one cache line?
 *
 * passive=0 (active sharing): each thread allocates an 8-byte block, writes it
 * `writes` times, frees it, again and again. passive=1: the main thread first
 * allocates the blocks side by side and gives one to each thread, which frees
 * it and goes on as above: an allocator that reuses remotely freed memory for
 * the freeing thread then shares lines for ever.
 *
 * One operation is one write; a shared line makes it some ten times slower.
 */
#include "bench.h"

enum { THREADS, PASSIVE, WRITES, OPS };

struct sharing_thread {
	void *given;
	long writes, ops;
};

static void *sharing_worker(void *arg)
{
	struct sharing_thread *t = arg;
	long i, j;

	bench_free(t->given);
	for (i = 0; i < t->ops / t->writes; i++) {
		volatile char *p = bench_malloc(8);

		for (j = 0; j < t->writes; j++)
			p[j & 7]++;
		bench_free((void *)p);
	}
	return NULL;
}

static void sharing_run(const long *v)
{
	struct sharing_thread *t = bench_memory(v[THREADS] * sizeof(*t));
	long i;

	if (!v[THREADS] || !v[WRITES])
		bench_die("sharing needs threads >= 1 and writes >= 1");
	for (i = 0; i < v[THREADS]; i++) {
		t[i].given = v[PASSIVE] ? bench_malloc(8) : NULL;
		t[i].writes = v[WRITES];
		t[i].ops = v[OPS];
	}
	bench_start();
	bench_threads(v[THREADS], sharing_worker, t, sizeof(*t));
	bench_stop(v[OPS] * v[THREADS]);
}

const struct workload sharing_workload = {
	.name = "sharing",
	.help = "threads that write small blocks: are cache lines shared?",
	.params = { { "threads", 2 }, { "passive", 0 }, { "writes", 2000 }, { "ops", 40000000 } },
	.run = sharing_run,
};
