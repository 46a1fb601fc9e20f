// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * shape: what a program does with its blocks, drawn from `seed`: their sizes (a range,
 * evenly, by logarithm, a few sizes, or mostly small ones with some large), how long
 * they live, how many there are, how much of them is written to, one thread or two,
 * whether blocks are freed by the other one, whether some are reallocated. Nobody has
 * chosen these workloads: where an allocator is slow or fat it comes out, and the next
 * hundred seeds tell whether a change was one for the better. shapes.py runs many and
 * groups them. describe=1 prints what a seed stands for.
 */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SEED, DESCRIBE };
enum sizes { EVEN, LOG, FEW, MIXED };
enum life { RANDOM, FIFO, LIFO, ORDER, REVERSE, SHUFFLED, YOUNG, DRIFT };
enum touch { NONE, FIRST, ALL };

static const char *const sizes_name[] = { "even", "log", "few", "mixed" };
static const char *const life_name[] = { "random", "fifo", "lifo", "order", "reverse", "shuffled",
					 "young", "drift" };
static const char *const touch_name[] = { "none", "first", "all" };
static const size_t ranges[][2] = { { 8, 64 }, { 16, 256 }, { 8, 512 }, { 16, 4096 }, { 64, 32768 },
				    { 1024, 65536 }, { 4096, 1 << 20 }, { 32768, 4 << 20 } };

/* The range in so many steps, each larger than the one before by the same factor. */
#define STEPS	1024

/* Blocks handed to whoever comes to the same place next. */
#define HANDED	1024

static struct shape {
	enum sizes sizes;
	enum life life;
	enum touch touch;
	long threads, few, live, ops;
	bool hand, change;
	size_t low, high, size[6], step[STEPS];
	uint64_t seed;
	void **handed;
} shape;

/* @tag: no other block has it, so that one that is handed out twice is found out. */
struct live {
	void *p;
	uintptr_t tag;
};

static __thread uintptr_t next_tag;

static double part(uint64_t *r)
{
	return (bench_random(r) >> 11) * 0x1p-53;
}

/* A number between, each doubling as likely as the next. */
static double between(uint64_t *r, double low, double high)
{
	return exp(log(low) + part(r) * (log(high) - log(low)));
}

/* @done: what part of the work is done */
static size_t draw_size(uint64_t *r, double done)
{
	if (shape.life == DRIFT)
		return shape.step[(long)(STEPS / 4 * 3 * done) +
				  bench_below(bench_random(r), STEPS / 4)];
	if (shape.sizes == EVEN)
		return shape.low + part(r) * (shape.high - shape.low);
	if (shape.sizes == LOG)
		return shape.step[bench_below(bench_random(r), STEPS)];
	if (shape.sizes == FEW)
		return shape.size[bench_below(bench_random(r), shape.few)];
	return bench_below(bench_random(r), 20) ? shape.low * (1 + 3 * part(r)) :
						  shape.high * (1 - part(r) / 4);
}

/* Frees a block, or leaves that to the other thread. */
static void done_with(struct live *b, uint64_t *r)
{
	if (b->p && shape.touch)
		bench_check(b->p, b->tag);
	if (b->p && shape.hand && bench_random(r) >> 63) {
		void **place = &shape.handed[bench_below(bench_random(r), HANDED)];

		b->p = __atomic_exchange_n(place, b->p, __ATOMIC_ACQ_REL);
	}
	bench_free(b->p);
	b->p = NULL;
}

/* A new block in the place of an old one. */
static void renew(struct live *b, uint64_t *r, double done)
{
	size_t size = draw_size(r, done);
	unsigned int how = shape.change ? bench_below(bench_random(r), 8) : 8;

	if (!how && b->p) {
		b->p = bench_realloc(b->p, size);
		if (b->p && shape.touch)
			bench_check(b->p, b->tag);
	} else {
		done_with(b, r);
		b->p = how == 1 ? bench_calloc(size) : bench_malloc(size);
	}
	if (!b->p)
		bench_die("no memory");
	if (shape.touch == ALL)
		memset(b->p, 1, size);
	if (shape.touch)
		bench_stamp(b->p, b->tag = next_tag++);
}

static void phase(struct live *b, long n, uint64_t *r, double done)
{
	long i;

	for (i = 0; i < n; i++)
		renew(&b[i], r, done);
	for (i = n - 1; i > 0 && shape.life == SHUFFLED; i--) {
		long k = bench_below(bench_random(r), i + 1);
		struct live t = b[i];

		b[i] = b[k];
		b[k] = t;
	}
	/* One in 64 stays. */
	for (i = 0; i < n; i++)
		if (bench_random(r) >> 58)
			done_with(&b[shape.life == REVERSE ? n - 1 - i : i], r);
}

static long up_and_down(struct live *b, long n, long *top, uint64_t *r)
{
	long run = 1 + bench_below(bench_random(r), n / 2), end = *top + run, i = *top;

	if (bench_random(r) >> 63) {
		for (; i < end && i < n; i++)
			renew(&b[i], r, 0);
		run = i - *top;
		*top = i;
		return run;
	}
	for (; *top && run; run--)
		done_with(&b[--*top], r);
	return 1;
}

static void *shape_thread(void *arg)
{
	uint64_t r = shape.seed + *(long *)arg;
	long n = shape.live / shape.threads, ops = shape.ops / shape.threads, i = 0, top = 0;
	struct live *b = bench_memory(n * sizeof(*b)), young[64] = { { NULL, 0 } };

	next_tag = (uintptr_t)*(long *)arg << 48;
	while (i < ops) {
		double done = (double)i / ops;

		switch (shape.life) {
		case LIFO:
			i += up_and_down(b, n, &top, &r);
			continue;
		case ORDER:
		case REVERSE:
		case SHUFFLED:
			phase(b, n, &r, done);
			i += n;
			continue;
		case YOUNG:
			renew(&young[i % 64], &r, done);
			if (!bench_below(bench_random(&r), 10)) {
				struct live *old = &b[bench_below(bench_random(&r), n)];

				done_with(old, &r);
				*old = young[i % 64];
				young[i % 64].p = NULL;
			}
			break;
		case FIFO:
			renew(&b[i % n], &r, done);
			break;
		default:
			renew(&b[bench_below(bench_random(&r), n)], &r, done);
		}
		i++;
	}
	for (i = 0; i < n; i++)
		done_with(&b[i], &r);
	for (i = 0; i < 64; i++)
		done_with(&young[i], &r);
	return NULL;
}

static void shape_draw(uint64_t seed)
{
	uint64_t r = (seed + 1) * 0x9e3779b97f4a7c15ULL, other = 1;
	double mean = 0, cost;
	unsigned int range, i;

	for (i = 0; i < 8; i++)
		bench_random(&r);
	range = bench_below(bench_random(&r), sizeof(ranges) / sizeof(ranges[0]));
	shape.low = ranges[range][0];
	shape.high = ranges[range][1];
	shape.sizes = bench_below(bench_random(&r), 4);
	shape.life = bench_below(bench_random(&r), 8);
	/* Few programs do not write to what they allocate. */
	shape.touch = (bench_below(bench_random(&r), 8) + 3) / 4;
	shape.threads = bench_below(bench_random(&r), 3) ? 1 : 2;
	shape.hand = bench_random(&r) >> 63 && shape.threads > 1;
	shape.change = !bench_below(bench_random(&r), 3);
	shape.few = 1 + bench_below(bench_random(&r), 6);
	for (i = 0; i < 6; i++)
		shape.size[i] = between(&r, shape.low, shape.high);
	for (i = 0; i < STEPS; i++)
		shape.step[i] = shape.low * pow((double)shape.high / shape.low, (double)i / STEPS);
	for (i = 0; i < 1000; i++)
		mean += draw_size(&other, part(&other)) / 1000.0;
	/* From 256 KiB to 100 MiB, a tenth of a second or so. */
	shape.live = between(&r, 256 << 10, 100 << 20) / mean;
	shape.live = shape.live < 32 ? 32 : shape.live > 1000000 ? 1000000 : shape.live;
	cost = 40 + (shape.touch == ALL ? mean * 0.15 : 0) + (mean > 30000 ? 3000 : 0);
	shape.ops = 80e6 / cost;
	if (shape.ops < 3 * shape.live)
		shape.ops = 3 * shape.live;
	shape.seed = bench_random(&r);
}

static void shape_run(const long *v)
{
	long number[2] = { 0, 1 };

	shape_draw(v[SEED]);
	if (v[DESCRIBE])
		fprintf(stderr, "%s-%zu-%zu life-%s touch-%s threads-%ld%s%s live=%ld ops=%ld\n",
			sizes_name[shape.sizes], shape.low, shape.high, life_name[shape.life],
			touch_name[shape.touch], shape.threads, shape.hand ? " handed" : "",
			shape.change ? " realloc" : "", shape.live, shape.ops);
	shape.handed = bench_memory(HANDED * sizeof(*shape.handed));
	bench_start();
	bench_threads(shape.threads, shape_thread, number, sizeof(number[0]));
	bench_stop(shape.ops);
}

const struct workload shape_workload = {
	.name = "shape",
	.help = "sizes, lifetimes, threads, all drawn from a seed",
	.params = { { "seed", 1 }, { "describe", 0 } },
	.run = shape_run,
};
