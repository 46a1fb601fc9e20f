// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fill: a young heap. Allocate `live` blocks, stamp each, then free them in
 * order, once, from a fresh process: page faults and getting memory from the
 * system are most of the time, and what stays resident at the end is what the
 * allocator keeps for itself.
 */
#include "bench.h"

enum { LIVE, SIZE };

static void fill_run(const long *v)
{
	void **block = bench_memory(v[LIVE] * sizeof(*block));
	long i;

	if (v[SIZE] < (long)sizeof(uintptr_t))
		bench_die("fill needs size >= 8");
	bench_start();
	for (i = 0; i < v[LIVE]; i++) {
		block[i] = bench_malloc(v[SIZE]);
		bench_stamp(block[i], i);
	}
	for (i = 0; i < v[LIVE]; i++) {
		bench_check(block[i], i);
		bench_free(block[i]);
	}
	bench_stop(v[LIVE]);
}

const struct workload fill_workload = {
	.name = "fill",
	.help = "allocate many blocks in a fresh process, then free them",
	.params = { { "live", 1000000 }, { "size", 64 } },
	.run = fill_run,
};
