// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * bursty: sizes from 8 bytes to 32 KiB, every doubling as likely as the next.
 * A burst fills a table, half by malloc and half by calloc; then a quarter of
 * the blocks grow by half with realloc, as buffers do; then seven of eight are
 * freed at random. calloc's zeroes and realloc's copy are checked at both ends.
 */
#include "bench.h"

enum { LIVE, OPS };

struct burst {
	char *p;
	size_t size;
};

static struct bench_sizes sizes;

static void burst_stamp(struct burst *b, char tag)
{
	b->p[0] = tag;
	b->p[b->size - 1] = tag;
}

static void burst_check(const struct burst *b, char first, char last)
{
	if (b->p[0] != first || b->p[b->size - 1] != last)
		bench_die("a block lost its contents");
}

static void burst_new(struct burst *b, uint64_t r, char tag)
{
	b->size = bench_size(&sizes, r);
	if (r & 1) {
		b->p = bench_calloc(b->size);
		burst_check(b, 0, 0);
	} else {
		b->p = bench_malloc(b->size);
	}
	burst_stamp(b, tag);
}

static void burst_grow(struct burst *b, char tag)
{
	size_t old = b->size;

	b->p = bench_realloc(b->p, old + old / 2);
	burst_check(b, tag, tag);
	b->size = old + old / 2;
	burst_stamp(b, tag);
}

/* One burst; returns the number of allocator operations divided by two. */
static long burst_run(struct burst *b, long live, uint64_t *state)
{
	long i, ops = 0;

	for (i = 0; i < live; i++) {
		if (!b[i].p) {
			burst_new(&b[i], bench_random(state), i);
			ops += 2;
		}
	}
	for (i = 0; i < live; i++) {
		uint64_t r = bench_random(state);

		if (r >> 62 == 0 && b[i].size < 32768) {
			burst_grow(&b[i], i);
			ops++;
		}
		if (r >> 32 & 7) {
			burst_check(&b[i], i, i);
			bench_free(b[i].p);
			b[i].p = NULL;
		}
	}
	return ops / 2;
}

static void bursty_run(const long *v)
{
	struct burst *b = bench_memory(v[LIVE] * sizeof(*b));
	uint64_t state = 0xb5;
	long ops = 0;

	if (!v[LIVE])
		bench_die("bursty needs live >= 1");
	bench_sizes_init(&sizes, 1, 8, 32768);
	bench_start();
	while (ops < v[OPS])
		ops += burst_run(b, v[LIVE], &state);
	bench_stop(ops);
}

const struct workload bursty_workload = {
	.name = "bursty",
	.help = "bursts of 8 B to 32 KiB with calloc and realloc",
	.params = { { "live", 2000 }, { "ops", 300000 } },
	.run = bursty_run,
};
