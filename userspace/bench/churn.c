// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * churn: many short threads. Each frees what the thread before it left behind,
 * allocates `blocks` of mixed sizes, frees every second one and ends. What an
 * allocator does at a thread's first allocation and at its end is most of the
 * time here; one operation is one block.
 */
#include "bench.h"

enum { THREADS, BLOCKS };

static struct bench_sizes sizes;
static void **left;
static long blocks;
static uint64_t state = 0xc4;

static void *churn_thread(void *arg)
{
	long i;

	(void)arg;
	for (i = 0; i < blocks; i++) {
		bench_free(left[i]);
		left[i] = NULL;
	}
	for (i = 0; i < blocks; i++) {
		left[i] = bench_malloc(bench_size(&sizes, bench_random(&state)));
		bench_stamp(left[i], i);
	}
	for (i = 0; i < blocks; i += 2) {
		bench_check(left[i], i);
		bench_free(left[i]);
		left[i] = NULL;
	}
	return NULL;
}

static void churn_run(const long *v)
{
	long i;

	blocks = v[BLOCKS];
	left = bench_memory(blocks * sizeof(*left));
	bench_sizes_init(&sizes, 1, 8, 1024);
	bench_start();
	for (i = 0; i < v[THREADS]; i++)
		bench_threads(1, churn_thread, NULL, 0);
	bench_stop(v[THREADS] * blocks);
}

const struct workload churn_workload = {
	.name = "churn",
	.help = "many short threads, each freeing what the one before left",
	.params = { { "threads", 2000 }, { "blocks", 200 } },
	.run = churn_run,
};
