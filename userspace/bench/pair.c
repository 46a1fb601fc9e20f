// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * pair: allocate a block, write its first byte, free it. Nothing else is live,
 * so this is the length of the two fast paths and nothing more.
 *
 * calls=0 runs the same loop without allocator calls: what to subtract when
 * instructions are counted.
 */
#include "bench.h"

enum { SIZE, OPS, CALLS };

static void pair_loop(size_t size, long ops, bool calls)
{
	static char nothing[64];
	long i;

	for (i = 0; i < ops; i++) {
		char *p = calls ? bench_malloc(size) : bench_nothing(nothing);

		bench_use(p);
		*(volatile char *)p = 1;
		if (calls)
			bench_free(p);
		else
			bench_nothing(p);
	}
}

static void pair_run(const long *v)
{
	pair_loop(v[SIZE], 1000, v[CALLS]);
	bench_start();
	pair_loop(v[SIZE], v[OPS], v[CALLS]);
	bench_stop(v[OPS]);
}

const struct workload pair_workload = {
	.name = "pair",
	.help = "malloc and free of one block at a time",
	.params = { { "size", 64 }, { "ops", 10000000 }, { "calls", 1 } },
	.run = pair_run,
};
