// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * large: blocks that an allocator gets from the system one by one or in whole
 * pages. cycle=1 allocates `live` of them, frees them all and begins again, as
 * a program does that works on one image or matrix after the other; cycle=0
 * replaces one of them chosen at random. Each page is written to: page faults
 * are most of what a large block costs, unless its memory was kept.
 */
#include "bench.h"

enum { LIVE, MIN, MAX, CYCLE, OPS };

#define LARGE_PAGE	4096

static void *large_block(uint64_t r, const long *v)
{
	size_t size = v[MIN] + bench_below(r, v[MAX] - v[MIN] + 1), i;
	char *p = bench_malloc(size);

	for (i = 0; i < size; i += LARGE_PAGE)
		p[i] = 1;
	return p;
}

static void large_free(void **block, long n)
{
	if (block[n])
		bench_check(block[n], n);
	bench_free(block[n]);
	block[n] = NULL;
}

static void large_free_all(void **block, long live)
{
	while (live--)
		large_free(block, live);
}

static void large_run(const long *v)
{
	void **block = bench_memory(v[LIVE] * sizeof(*block));
	uint64_t state = 1;
	long i;

	if (!v[LIVE] || v[MIN] < 8 || v[MAX] < v[MIN] || v[MAX] - v[MIN] >= UINT32_MAX)
		bench_die("large needs live >= 1 and 8 <= min <= max, less than 4 GiB apart");
	bench_start();
	for (i = 0; i < v[OPS]; i++) {
		uint64_t r = bench_random(&state);
		long n = v[CYCLE] ? i % v[LIVE] : (long)bench_below(r, v[LIVE]);

		if (v[CYCLE] && !n)
			large_free_all(block, v[LIVE]);
		large_free(block, n);
		block[n] = large_block(bench_random(&state), v);
		bench_stamp(block[n], n);
	}
	large_free_all(block, v[LIVE]);
	bench_stop(v[OPS]);
}

const struct workload large_workload = {
	.name = "large",
	.help = "replace blocks of 1 to 8 MiB, or free them all and begin again",
	.params = { { "live", 40 }, { "min", 1 << 20 }, { "max", 8 << 20 }, { "cycle", 0 },
		    { "ops", 400 } },
	.run = large_run,
};
