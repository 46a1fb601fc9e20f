// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * queue: `live` blocks of `kinds` sizes between `min` and `max`; each operation frees
 * the oldest one and allocates another, as queues do, and caches that drop what is
 * oldest. Which size comes next is random, so what is freed is not what is wanted: does
 * the allocator keep together what is used together? touch=1: the first word of each
 * block is written and read again, 2: each cache line.
 */
#include "bench.h"

enum { LIVE, MIN, MAX, KINDS, TOUCH, OPS };

#define LINE	64

struct queued {
	char *p;
	size_t size;
};

static void queue_write(struct queued *q, uintptr_t tag, bool all)
{
	size_t at;

	for (at = LINE; all && at + sizeof(tag) <= q->size; at += LINE)
		bench_stamp(q->p + at, tag);
	bench_stamp(q->p, tag);
}

static void queue_read(struct queued *q, uintptr_t tag, bool all)
{
	size_t at;

	for (at = LINE; all && at + sizeof(tag) <= q->size; at += LINE)
		bench_check(q->p + at, tag);
	bench_check(q->p, tag);
}

static void queue_run(const long *v)
{
	long i, k = 0, all = v[TOUCH] > 1, step;
	uint64_t r = 0x9e3779b97f4a7c15ULL;
	struct queued *queue;

	if (v[LIVE] < 1 || v[MIN] < (long)sizeof(uintptr_t) || v[MAX] < v[MIN] || v[KINDS] < 1)
		bench_die("queue needs live >= 1, kinds >= 1, 8 <= min <= max");
	queue = bench_memory(v[LIVE] * sizeof(*queue));
	step = v[KINDS] > 1 ? (v[MAX] - v[MIN]) / (v[KINDS] - 1) : 0;
	bench_start();
	for (i = 0; i < v[OPS]; i++) {
		struct queued *q = &queue[k];

		if (q->p && v[TOUCH])
			queue_read(q, k, all);
		bench_free(q->p);
		q->size = v[MIN] + step * bench_below(bench_random(&r), v[KINDS]);
		q->p = bench_malloc(q->size);
		if (!q->p)
			bench_die("no memory");
		if (v[TOUCH])
			queue_write(q, k, all);
		k = k + 1 < v[LIVE] ? k + 1 : 0;
	}
	bench_stop(v[OPS]);
}

const struct workload queue_workload = {
	.name = "queue",
	.help = "free the oldest block, allocate one of another size",
	.params = { { "live", 70000 }, { "min", 16 }, { "max", 256 }, { "kinds", 4 },
		    { "touch", 1 }, { "ops", 2000000 } },
	.run = queue_run,
};
