// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * append: a buffer grows by pieces of `step` bytes on the average with realloc,
 * as text does that is read or put together, until it has `max`; then it is
 * freed and the next one begins. With `live` more than 1 so many of them grow in
 * turn: then none can be the last block of a heap, with room behind it. One
 * operation is one piece. What was written before is checked at both ends after
 * each step.
 */
#include "bench.h"

#include <string.h>

enum { MAX, STEP, LIVE, OPS };

struct text {
	char *p;
	size_t size;
};

static void text_append(struct text *t, size_t bytes, char tag)
{
	char first = t->size ? t->p[0] : 0, last = t->size ? t->p[t->size - 1] : 0;

	t->p = bench_realloc(t->p, t->size + bytes);
	if (t->size && (t->p[0] != first || t->p[t->size - 1] != last))
		bench_die("a block lost its contents");
	memset(t->p + t->size, tag, bytes);
	t->size += bytes;
}

static void text_done(struct text *t)
{
	bench_free(t->p);
	*t = (struct text){ NULL, 0 };
}

static void append_run(const long *v)
{
	struct text *texts = bench_memory(v[LIVE] * sizeof(*texts));
	uint64_t state = 0xa9;
	long i;

	if (v[MAX] < 1 || v[STEP] < 1 || v[LIVE] < 1)
		bench_die("append needs max, step and live of 1 or more");
	bench_start();
	for (i = 0; i < v[OPS]; i++) {
		struct text *t = &texts[i % v[LIVE]];

		text_append(t, 1 + bench_below(bench_random(&state), 2 * v[STEP] - 1), i);
		if (t->size >= (size_t)v[MAX])
			text_done(t);
	}
	for (i = 0; i < v[LIVE]; i++)
		text_done(&texts[i]);
	bench_stop(v[OPS]);
}

const struct workload append_workload = {
	.name = "append",
	.help = "buffers that grow by small pieces with realloc",
	.params = { { "max", 200000 }, { "step", 300 }, { "live", 1 }, { "ops", 300000 } },
	.run = append_run,
};
