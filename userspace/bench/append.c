// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * append: a buffer grows by pieces of `step` bytes on the average with realloc,
 * as text does that is read or put together, until it has `max`; then it is
 * freed and the next one begins. One operation is one piece. What was written
 * before is checked at both ends after each step.
 */
#include "bench.h"

#include <string.h>

enum { MAX, STEP, OPS };

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

static void append_run(const long *v)
{
	struct text t = { NULL, 0 };
	uint64_t state = 0xa9;
	long i;

	if (v[MAX] < 1 || v[STEP] < 1)
		bench_die("append needs max >= 1 and step >= 1");
	bench_start();
	for (i = 0; i < v[OPS]; i++) {
		text_append(&t, 1 + bench_below(bench_random(&state), 2 * v[STEP] - 1), i);
		if (t.size >= (size_t)v[MAX]) {
			bench_free(t.p);
			t = (struct text){ NULL, 0 };
		}
	}
	bench_free(t.p);
	bench_stop(v[OPS]);
}

const struct workload append_workload = {
	.name = "append",
	.help = "buffers that grow by small pieces with realloc",
	.params = { { "max", 200000 }, { "step", 300 }, { "ops", 300000 } },
	.run = append_run,
};
