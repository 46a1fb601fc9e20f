// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * From raw events to a trace: addresses become slots.
 *
 * What the events may hold besides the regular: holes (the process died
 * between a ticket and its event), frees of blocks from before the recording,
 * and an address given out twice, when a free was not seen (made inside a
 * signal handler that interrupted the recorder): the older object ends there.
 */
#include "merge.h"

#include <stdlib.h>

#define EMPTY	0
#define NO_SLOT	0xffffffffu

struct entry {
	u64 ptr;	/* EMPTY or an address */
	u32 slot;
};

/* Open addressing with linear probing and backward-shift deletion. */
struct map {
	struct entry *entry;
	u64 mask;
	u64 used;
};

/* Between the two events of a realloc, the object belongs to its thread. */
struct pending {
	u64 ptr;	/* the old address */
	u32 slot;	/* NO_SLOT: there was none, or it was not recorded */
};

struct merge {
	struct pa_trace_encoder *e;
	struct map map;
	struct pending *pending;	/* per thread */
	u32 threads;
};

static u64 map_home(const struct map *m, u64 ptr)
{
	return (ptr >> 4) * 0x9e3779b97f4a7c15ull >> 20 & m->mask;
}

static struct entry *map_find(const struct map *m, u64 ptr)
{
	u64 i = map_home(m, ptr);

	while (m->entry[i].ptr != EMPTY && m->entry[i].ptr != ptr)
		i = (i + 1) & m->mask;
	return &m->entry[i];
}

static int map_grow(struct map *m)
{
	struct map bigger = { .mask = m->entry ? m->mask * 2 + 1 : 4095, .used = m->used };

	bigger.entry = calloc(bigger.mask + 1, sizeof(*bigger.entry));
	if (!bigger.entry)
		return -1;
	for (u64 i = 0; m->entry && i <= m->mask; i++)
		if (m->entry[i].ptr != EMPTY)
			*map_find(&bigger, m->entry[i].ptr) = m->entry[i];
	free(m->entry);
	*m = bigger;
	return 0;
}

static int map_put(struct map *m, u64 ptr, u32 slot)
{
	if ((!m->entry || m->used * 2 > m->mask) && map_grow(m))
		return -1;
	*map_find(m, ptr) = (struct entry){ ptr, slot };
	m->used++;
	return 0;
}

static u32 map_take(struct map *m, u64 ptr)
{
	struct entry *entry;
	u64 hole, i;
	u32 slot;

	if (!m->entry || ptr == EMPTY)
		return NO_SLOT;
	entry = map_find(m, ptr);
	if (entry->ptr == EMPTY)
		return NO_SLOT;
	slot = entry->slot;
	for (i = hole = entry - m->entry;;) {
		i = (i + 1) & m->mask;
		if (m->entry[i].ptr == EMPTY)
			break;
		if (((i - map_home(m, m->entry[i].ptr)) & m->mask) >= ((i - hole) & m->mask)) {
			m->entry[hole] = m->entry[i];
			hole = i;
		}
	}
	m->entry[hole].ptr = EMPTY;
	m->used--;
	return slot;
}

static int attach(struct merge *g, u32 thread, u64 ptr, u32 slot)
{
	u32 stale = map_take(&g->map, ptr);

	if (stale != NO_SLOT)
		pa_trace_encode_end(g->e, thread, PA_TRACE_FREE, stale);
	return map_put(&g->map, ptr, slot);
}

static int merge_new(struct merge *g, const struct trace_raw_event *v, u8 op)
{
	u32 stale = map_take(&g->map, v->ptr);

	if (stale != NO_SLOT)
		pa_trace_encode_end(g->e, v->thread, PA_TRACE_FREE, stale);
	return map_put(&g->map, v->ptr, pa_trace_encode_create(g->e, v->thread, op, v->size,
							      v->align_log2));
}

static void merge_free(struct merge *g, const struct trace_raw_event *v)
{
	u32 slot = map_take(&g->map, v->ptr);

	if (slot == NO_SLOT)
		g->e->trailer.foreign++;
	else
		pa_trace_encode_end(g->e, v->thread, PA_TRACE_FREE, slot);
}

static int merge_realloc_end(struct merge *g, const struct trace_raw_event *v)
{
	struct pending old = g->pending[v->thread];

	g->pending[v->thread] = (struct pending){ 0, NO_SLOT };
	if (!v->ptr && v->size) {
		g->e->trailer.failed++;
		return old.slot == NO_SLOT ? 0 : attach(g, v->thread, old.ptr, old.slot);
	}
	if (!v->ptr) {
		if (old.slot != NO_SLOT)
			pa_trace_encode_end(g->e, v->thread, PA_TRACE_REALLOC_FREE, old.slot);
		return 0;
	}
	if (old.slot == NO_SLOT)
		return merge_new(g, v, PA_TRACE_REALLOC_NEW);
	pa_trace_encode_resize(g->e, v->thread, old.slot, v->size);
	return attach(g, v->thread, v->ptr, old.slot);
}

static int merge_event(struct merge *g, struct trace_raw_event *v)
{
	u16 op = atomic_load_explicit(&v->op, memory_order_relaxed);

	if (op != TRACE_RAW_HOLE && v->thread >= g->threads)
		return 0;
	switch (op) {
	case TRACE_RAW_MALLOC:
		return merge_new(g, v, PA_TRACE_MALLOC);
	case TRACE_RAW_CALLOC:
		return merge_new(g, v, PA_TRACE_CALLOC);
	case TRACE_RAW_ALIGNED:
		return merge_new(g, v, PA_TRACE_ALIGNED);
	case TRACE_RAW_FREE:
		merge_free(g, v);
		return 0;
	case TRACE_RAW_REALLOC_BEGIN:
		g->pending[v->thread] = (struct pending){ v->ptr, map_take(&g->map, v->ptr) };
		return 0;
	case TRACE_RAW_REALLOC_END:
		return merge_realloc_end(g, v);
	}
	return 0;
}

int merge_events(struct pa_trace_encoder *e, struct trace_raw_event *event, u64 count, u32 threads)
{
	struct merge g = { .e = e, .threads = threads };
	int err = 0;

	g.pending = calloc(threads ? threads : 1, sizeof(*g.pending));
	if (!g.pending)
		return -1;
	for (u32 i = 0; i < threads; i++)
		g.pending[i].slot = NO_SLOT;
	for (u64 i = 0; i < count && !err; i++)
		err = merge_event(&g, event + i);
	free(g.pending);
	free(g.map.entry);
	return err;
}
