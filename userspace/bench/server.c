// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * server: threads that come and go over blocks that stay (the pattern of a
 * server whose sessions outlive its workers). In each generation `threads` new
 * threads start; each replaces random blocks of 1 to 1000 bytes in a table,
 * then exits and leaves its table to *another* chain's next thread. So most
 * blocks are freed by a thread that did not allocate them, often after their
 * allocating thread has gone.
 */
#include "bench.h"

enum { THREADS, LIVE, OPS, GENERATIONS };

struct server_table {
	void **block;
	long live, ops;
	uint64_t state;
};

static void *server_worker(void *arg)
{
	struct server_table *t = arg;
	long i;

	for (i = 0; i < t->ops; i++) {
		uint64_t r = bench_random(&t->state);
		uint32_t n = bench_below(r, t->live);
		unsigned char *p = t->block[n];

		if (p && *p != (unsigned char)n)
			bench_die("a block was overwritten while it was live");
		bench_free(p);
		p = bench_malloc(1 + (r & 0xffff) % 1000);
		*p = n;
		t->block[n] = p;
	}
	return NULL;
}

/* Rotates the tables by one, so the next generation works on a stranger's. */
static void server_rotate(struct server_table *t, long threads)
{
	void **first = t[0].block;
	long i;

	for (i = 0; i + 1 < threads; i++)
		t[i].block = t[i + 1].block;
	t[threads - 1].block = first;
}

static void server_run(const long *v)
{
	struct server_table *t = bench_memory(v[THREADS] * sizeof(*t));
	long i, g;

	if (!v[THREADS] || !v[LIVE] || !v[GENERATIONS])
		bench_die("server needs threads, live and generations >= 1");
	for (i = 0; i < v[THREADS]; i++) {
		t[i].block = bench_memory(v[LIVE] * sizeof(void *));
		t[i].live = v[LIVE];
		t[i].ops = v[OPS] / v[GENERATIONS];
		t[i].state = 0x5e4 + i;
	}
	bench_start();
	for (g = 0; g < v[GENERATIONS]; g++) {
		bench_threads(v[THREADS], server_worker, t, sizeof(*t));
		server_rotate(t, v[THREADS]);
	}
	bench_stop(v[GENERATIONS] * t[0].ops * v[THREADS]);
}

const struct workload server_workload = {
	.name = "server",
	.help = "blocks of 1..1000 bytes handed between threads that come and go",
	.params = { { "threads", 2 }, { "live", 5000 }, { "ops", 1000000 }, { "generations", 20 } },
	.run = server_run,
};
