// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * constant: what a program gains by linking with the library and telling it
 * what it knows: blocks whose size is a compile-time constant, freed with that
 * size. batched=0: pairs; batched=1: 1 000 at a time, in order.
 */
#ifdef BENCH_NATIVE
#include "bench.h"

enum { BATCHED, OPS };

#define SIZE	64
#define LIVE	1000

static void constant_pairs(long ops)
{
	long i;

	for (i = 0; i < ops; i++) {
		char *p = poolalloc_alloc(SIZE);

		*(volatile char *)p = 1;
		poolalloc_free_sized(p, SIZE);
	}
}

static void constant_batches(long ops)
{
	static void *block[LIVE];
	long i, pass;

	for (pass = 0; pass < ops / LIVE; pass++) {
		for (i = 0; i < LIVE; i++) {
			block[i] = poolalloc_alloc(SIZE);
			bench_stamp(block[i], i);
		}
		for (i = 0; i < LIVE; i++) {
			bench_check(block[i], i);
			poolalloc_free_sized(block[i], SIZE);
		}
	}
}

static void constant_run(const long *v)
{
	void (*loop)(long) = v[BATCHED] ? constant_batches : constant_pairs;

	loop(LIVE);
	bench_start();
	loop(v[OPS]);
	bench_stop(v[OPS]);
}

const struct workload constant_workload = {
	.name = "constant",
	.help = "64-byte blocks of compile-time size, freed with that size",
	.params = { { "batched", 0 }, { "ops", 10000000 } },
	.run = constant_run,
};
#endif
