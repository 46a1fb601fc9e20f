// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * replay: a real program's allocations, recorded by poolalloc-trace, made again
 * in its order by one thread: trace=FILE. The file is decoded before the clock
 * starts. Each block's first word is written when it is allocated and checked
 * when it ends, as its program would have used it. `times` replays the trace
 * several times; what its program never freed is freed at the end of each.
 */
#include <stdio.h>

#include "bench.h"
#include "trace_decode.h"

enum { TIMES };

struct event {
	uint64_t size;
	uint32_t slot;
	uint8_t op, align_log2;
};

struct replay {
	struct event *event;
	void **block;
	size_t *size;
	uint64_t nr_events;
	uint32_t nr_slots;
};

static u32 *replay_header(void *ctx, const struct pa_trace_header *h)
{
	struct replay *r = ctx;

	r->event = bench_memory(h->records * sizeof(*r->event));
	r->block = bench_memory(h->slots * sizeof(*r->block));
	r->size = bench_memory(h->slots * sizeof(*r->size));
	r->nr_slots = h->slots;
	return bench_memory(h->slots * sizeof(u32));
}

static int replay_record(void *ctx, const struct pa_trace_record *rec)
{
	struct replay *r = ctx;

	r->event[r->nr_events++] =
		(struct event){ rec->size, rec->slot, rec->op, rec->align_log2 };
	return 0;
}

static void replay_read(struct replay *r, const char *path)
{
	struct pa_trace_sink sink = { replay_header, replay_record, r };
	FILE *f = path ? fopen(path, "rb") : NULL;
	struct pa_trace_decoder d;
	static char buf[1 << 16];
	size_t n;

	if (!f)
		bench_die("replay needs trace=FILE, a readable file");
	pa_trace_decode_init(&d, &sink);
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		pa_trace_decode(&d, buf, n);
	if (pa_trace_decode_finish(&d))
		bench_die(pa_trace_strerror(d.error));
}

static void replay_end(struct replay *r, uint32_t slot)
{
	if (r->block[slot] && r->size[slot] >= sizeof(uintptr_t))
		bench_check(r->block[slot], slot);
}

static void *replay_aligned(const struct event *e)
{
	void *p = NULL;
	size_t align = 1UL << e->align_log2;

	if (posix_memalign(&p, align < sizeof(p) ? sizeof(p) : align, e->size))
		return NULL;
	return p;
}

static void replay_event(struct replay *r, const struct event *e)
{
	void **b = &r->block[e->slot];

	switch (e->op) {
	case PA_TRACE_FREE:
	case PA_TRACE_REALLOC_FREE:
		replay_end(r, e->slot);
		bench_free(*b);
		*b = NULL;
		return;
	case PA_TRACE_REALLOC:
		replay_end(r, e->slot);
		*b = bench_realloc(*b, e->size);
		break;
	case PA_TRACE_CALLOC:
		*b = bench_calloc(e->size);
		break;
	case PA_TRACE_ALIGNED:
		*b = replay_aligned(e);
		break;
	default:
		*b = bench_malloc(e->size);
	}
	r->size[e->slot] = e->size;
	if (e->size >= sizeof(uintptr_t)) {
		if (!*b)
			bench_die("out of memory");
		bench_stamp(*b, e->slot);
	}
}

static void replay_pass(struct replay *r)
{
	uint64_t i;

	for (i = 0; i < r->nr_events; i++)
		replay_event(r, &r->event[i]);
	for (i = 0; i < r->nr_slots; i++) {
		bench_free(r->block[i]);
		r->block[i] = NULL;
	}
}

static void replay_run(const long *v)
{
	struct replay r = { 0 };
	long i;

	replay_read(&r, bench_text("trace"));
	if (!r.nr_events || !v[TIMES])
		bench_die("replay needs a trace with records, and times >= 1");
	bench_start();
	for (i = 0; i < v[TIMES]; i++)
		replay_pass(&r);
	bench_stop(v[TIMES] * r.nr_events);
}

const struct workload replay_workload = {
	.name = "replay",
	.help = "replay a recorded trace (trace=FILE); one operation is one record",
	.params = { { "times", 3 } },
	.run = replay_run,
};
