// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * random: `live` blocks of mixed sizes; each operation frees one of them chosen
 * at random and allocates another in its place. touch=1 writes the new block's
 * first word and reads it back before the block is freed, as a program that
 * uses its memory does; touch=0 leaves the blocks to the allocator alone.
 *
 * With threads > 1 each thread has `live` blocks of its own: what sharing the
 * process costs an allocator when nothing is shared. `ops` is per thread.
 */
#include "bench.h"

enum { LIVE, MIN, MAX, SHAPE, TOUCH, OPS, THREADS, CALLS };

struct random_heap {
	void **block;
	const long *v;
	uint64_t state;
};

static struct bench_sizes sizes;

static void random_fill(struct random_heap *h)
{
	bool calls = h->v[CALLS];
	long i;

	for (i = 0; i < h->v[LIVE]; i++) {
		h->block[i] = calls ? bench_malloc(bench_size(&sizes, bench_random(&h->state))) :
				      bench_memory(0);
		if (h->v[TOUCH])
			bench_stamp(h->block[i], i);
	}
}

static void *random_replace(void *arg)
{
	struct random_heap *h = arg;
	uint64_t state = h->state;
	void **block = h->block;
	uint32_t live = h->v[LIVE];
	bool touch = h->v[TOUCH], calls = h->v[CALLS];
	long i, ops = h->v[OPS];

	for (i = 0; i < ops; i++) {
		uint64_t r = bench_random(&state);
		uint32_t n = bench_below(r, live);
		void *p = block[n];
		size_t size = bench_size(&sizes, r);

		if (touch)
			bench_check(p, n);
		if (calls) {
			bench_free(p);
			p = bench_malloc(size);
		} else {
			bench_nothing(p);
			p = bench_nothing(p);
		}
		bench_use((void *)size);
		if (touch)
			bench_stamp(p, n);
		block[n] = p;
	}
	h->state = state;
	return NULL;
}

static void *random_thread(void *arg)
{
	random_fill(arg);
	return random_replace(arg);
}

static void random_run(const long *v)
{
	struct random_heap *heap = bench_memory(v[THREADS] * sizeof(*heap));
	long i;

	if (!v[LIVE] || !v[THREADS])
		bench_die("random needs live >= 1 and threads >= 1");
	bench_sizes_init(&sizes, v[SHAPE], v[MIN], v[MAX]);
	for (i = 0; i < v[THREADS]; i++) {
		heap[i].block = bench_memory(v[LIVE] * sizeof(void *));
		heap[i].v = v;
		heap[i].state = 0x9e3779b97f4a7c15ULL * (i + 1);
	}
	if (v[THREADS] > 1) {
		bench_start();
		bench_threads(v[THREADS], random_thread, heap, sizeof(*heap));
		bench_stop(v[OPS] * v[THREADS]);
		return;
	}
	random_fill(heap);
	random_replace(heap);
	bench_start();
	random_replace(heap);
	bench_stop(v[OPS]);
}

const struct workload random_workload = {
	.name = "random",
	.help = "replace random blocks of mixed sizes, in one or more threads",
	.params = { { "live", 20000 }, { "min", 8 }, { "max", 512 }, { "shape", 0 },
		    { "touch", 1 }, { "ops", 1000000 }, { "threads", 1 }, { "calls", 1 } },
	.run = random_run,
};
