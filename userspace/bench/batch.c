// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * batch: allocate `live` blocks of one size and stamp each, then free them all
 * in order (order=0), in reverse (order=1) or at random (order=2); repeat. One
 * pass is run before the clock starts, so the heap is reused, not grown.
 *
 * In order and reverse are what a parser or a list does. Random order is what
 * a hash table's end does, and it shows how the allocator hands out memory the
 * next time: scrambled addresses cost the *next* pass its locality.
 */
#include "bench.h"

enum { SIZE, LIVE, ORDER, OPS };

static uint32_t *batch_order(long live, long order)
{
	uint32_t *next = bench_memory(live * sizeof(*next));
	uint64_t r = 0xba7c4;
	long i;

	for (i = 0; i < live; i++)
		next[i] = order == 1 ? live - 1 - i : i;
	for (i = live - 1; order == 2 && i > 0; i--) {
		uint32_t j = bench_below(bench_random(&r), i + 1);
		uint32_t t = next[i];

		next[i] = next[j];
		next[j] = t;
	}
	return next;
}

static void batch_pass(void **block, const uint32_t *next, long live, size_t size)
{
	long i;

	for (i = 0; i < live; i++) {
		block[i] = bench_malloc(size);
		bench_stamp(block[i], i);
	}
	for (i = 0; i < live; i++) {
		bench_check(block[next[i]], next[i]);
		bench_free(block[next[i]]);
	}
}

static void batch_run(const long *v)
{
	uint32_t *next;
	void **block;
	long i, passes;

	if (!v[LIVE] || v[ORDER] > 2 || v[SIZE] < (long)sizeof(uintptr_t))
		bench_die("batch needs live >= 1, size >= 8 and order 0, 1 or 2");
	next = batch_order(v[LIVE], v[ORDER]);
	block = bench_memory(v[LIVE] * sizeof(*block));
	passes = v[OPS] / v[LIVE] + !(v[OPS] / v[LIVE]);
	batch_pass(block, next, v[LIVE], v[SIZE]);
	bench_start();
	for (i = 0; i < passes; i++)
		batch_pass(block, next, v[LIVE], v[SIZE]);
	bench_stop(passes * v[LIVE]);
}

const struct workload batch_workload = {
	.name = "batch",
	.help = "allocate many of one size, free in order (0), reverse (1) or at random (2)",
	.params = { { "size", 64 }, { "live", 1000 }, { "order", 0 }, { "ops", 3000000 } },
	.run = batch_run,
};
