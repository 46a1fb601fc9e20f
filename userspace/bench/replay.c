// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * replay: runs a recorded trace of a real program's allocations: trace=FILE,
 * or standard input. A line is one event, block ids are small numbers:
 *
 *	m ID SIZE	malloc		c ID SIZE	calloc
 *	r ID SIZE	realloc		f ID		free
 *	a ID SIZE ALIGN	aligned allocation
 *
 * The trace is read before the clock starts. Every block's first word is
 * written, as its program would have. `times` replays it several times; blocks
 * still live at the end of a pass are freed then.
 */
#include <stdio.h>
#include <string.h>

#include "bench.h"

enum { TIMES };

struct event {
	uint32_t id;
	uint32_t kind;
	size_t size;
};

static struct event *event;
static void **block;
static size_t nr_events, nr_blocks;

static void replay_read(FILE *f)
{
	size_t room = 1 << 20;
	unsigned long id, size, align;
	struct event *more;
	char line[128], kind;

	event = bench_memory(room * sizeof(*event));
	while (fgets(line, sizeof(line), f)) {
		size = 0;
		if (line[0] == '#')
			continue;
		if (sscanf(line, "%c %lu %lu %lu", &kind, &id, &size, &align) < 2 ||
		    !strchr("mcraf", kind))
			bench_die("the trace has a line that is not 'm|c|r|a|f ID [SIZE]'");
		if (nr_events == room) {
			more = bench_memory(2 * room * sizeof(*event));
			memcpy(more, event, room * sizeof(*event));
			event = more;
			room *= 2;
		}
		event[nr_events++] = (struct event){ id, kind, size };
		if (id >= nr_blocks)
			nr_blocks = id + 1;
	}
}

static void replay_event(const struct event *e)
{
	void **b = &block[e->id];

	switch (e->kind) {
	case 'f':
		bench_free(*b);
		*b = NULL;
		return;
	case 'c':
		*b = bench_calloc(e->size);
		break;
	case 'r':
		*b = bench_realloc(*b, e->size);
		break;
	default:
		*b = bench_malloc(e->size);
	}
	if (e->size >= sizeof(uintptr_t))
		bench_stamp(*b, e->id);
}

static uint64_t replay_pass(void)
{
	size_t i;

	for (i = 0; i < nr_events; i++)
		replay_event(&event[i]);
	for (i = 0; i < nr_blocks; i++) {
		bench_free(block[i]);
		block[i] = NULL;
	}
	return nr_events;
}

static void replay_run(const long *v)
{
	const char *path = bench_text("trace");
	FILE *f = path ? fopen(path, "r") : stdin;
	uint64_t ops = 0;
	long i;

	if (!f)
		bench_die("cannot open the trace");
	replay_read(f);
	block = bench_memory(nr_blocks * sizeof(*block));
	bench_start();
	for (i = 0; i < v[TIMES]; i++)
		ops += replay_pass();
	bench_stop(ops / 2);
}

const struct workload replay_workload = {
	.name = "replay",
	.help = "replay a recorded trace (trace=FILE)",
	.params = { { "times", 3 } },
	.run = replay_run,
};
