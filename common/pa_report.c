// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The statistics as text: the contents of /proc/poolalloc, and what
 * poolalloc_stats_write() gives. Columns are documented in common/README.md.
 */
#include "pa_stats.h"

struct pa_out {
	pa_writer writer;
	void *ctx;
	size_t len;
	char line[240];
};

static void pa_put_char(struct pa_out *o, char c)
{
	if (o->len < sizeof(o->line))
		o->line[o->len++] = c;
}

static void pa_put(struct pa_out *o, const char *s)
{
	while (*s)
		pa_put_char(o, *s++);
}

/* A number, right-aligned in @width columns, after a space. */
static void pa_put_num(struct pa_out *o, u64 n, unsigned int width)
{
	char digits[20];
	unsigned int len = 0;

	do {
		digits[len++] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	pa_put_char(o, ' ');
	while (width-- > len)
		pa_put_char(o, ' ');
	while (len)
		pa_put_char(o, digits[--len]);
}

static void pa_end_line(struct pa_out *o)
{
	pa_put_char(o, '\n');
	o->writer(o->ctx, o->line, o->len);
	o->len = 0;
}

static void pa_put_pair(struct pa_out *o, const char *name, u64 value)
{
	pa_put(o, name);
	pa_put_num(o, value, 0);
	pa_end_line(o);
}

static void pa_put_peak(struct pa_out *o, const char *name, u64 value, u64 peak)
{
	pa_put(o, name);
	pa_put_num(o, value, 0);
	pa_put(o, " peak");
	pa_put_num(o, peak, 0);
	pa_end_line(o);
}

/* Of the memory cut into blocks, how many percent are free, rounded down. */
static u64 pa_fragmentation(const struct pa_count *c)
{
	u64 cut = c->live_bytes + c->free_bytes;

	return cut ? c->free_bytes * 100 / cut : 0;
}

static void pa_report_totals(struct pa_out *o, const struct pa_node_count *n)
{
	pa_put(o, "poolalloc - version: 1");
	pa_end_line(o);
	pa_put(o, "geometry " PA_GEOMETRY);
	pa_end_line(o);
	pa_put_pair(o, "arena_bytes", PA_ARENA_SIZE);
	pa_put_pair(o, "pool_bytes", PA_POOL_SIZE);
	pa_put_peak(o, "arenas", n->arenas, n->arenas_peak);
	pa_put_peak(o, "mapped_bytes", n->bytes, n->bytes_peak);
	pa_put_peak(o, "pools", n->pools, n->pools_peak);
	pa_put_pair(o, "empty_arenas", n->empty);
	pa_put_pair(o, "arenas_mapped", n->mapped);
	pa_put_pair(o, "arenas_unmapped", n->unmapped);
	pa_put_pair(o, "live_blocks", n->count.live);
	pa_put_pair(o, "live_bytes", n->count.live_bytes);
	pa_put_pair(o, "fragmentation", pa_fragmentation(&n->count));
}

static void pa_report_class(struct pa_out *o, unsigned int cls, const struct pa_count *c)
{
	pa_put(o, "class");
	pa_put_num(o, pa_class_size(cls), 5);
	pa_put_num(o, c->pools, 8);
	pa_put_num(o, c->live, 10);
	pa_put_num(o, c->free, 10);
	pa_put_num(o, c->pending, 8);
	pa_put_num(o, c->live_bytes, 12);
	pa_put_num(o, c->free_bytes, 12);
	pa_put_num(o, c->uncarved_bytes, 12);
	pa_put_num(o, pa_fragmentation(c), 3);
	pa_end_line(o);
}

static void pa_report_classes(struct pa_out *o, const struct pa_stats *stats)
{
	unsigned int cls;

	pa_put(o, "# class size pools live free pending live_bytes free_bytes uncarved_bytes frag");
	pa_end_line(o);
	for (cls = 1; cls < PA_CLASSES; cls++)
		if (stats->cls[cls].pools)
			pa_report_class(o, cls, &stats->cls[cls]);
}

static void pa_report_slot(struct pa_out *o, struct pa_slot *slot)
{
	u64 cached = pa_stats_cached(slot);
	u32 dead = READ_ONCE(slot->dead);

	pa_put(o, "slot");
	pa_put_num(o, slot->id, 5);
	pa_put_num(o, READ_ONCE(slot->pools), 8);
	pa_put_num(o, cached, 8);
	pa_put_num(o, READ_ONCE(slot->refills), 10);
	pa_put_num(o, READ_ONCE(slot->carves), 10);
	pa_put_num(o, READ_ONCE(slot->drains), 10);
	pa_put_num(o, READ_ONCE(slot->adoptions), 10);
	pa_put_char(o, ' ');
	pa_put(o, pa_slot_name(slot));
	if (dead)
		pa_put(o, dead == PA_SLOT_STOPPED ? " stopped" : " abandoned");
	else if (READ_ONCE(slot->parked))
		pa_put(o, " parked");
	pa_end_line(o);
}

static void pa_report_slots(struct pa_out *o)
{
	struct pa_slot *slot;

	pa_put(o, "# slot id pools cached refills carves drains adoptions owner");
	pa_end_line(o);
	/* Pairs with the cmpxchg in pa_slot_register(). */
	for (slot = smp_load_acquire(&pa_slots); slot; slot = slot->next_slot)
		if (!READ_ONCE(slot->dead) || READ_ONCE(slot->refills))
			pa_report_slot(o, slot);
}

static void pa_report_node(struct pa_out *o, unsigned int nid)
{
	struct pa_node_count n = { 0 };

	pa_stats_node(pa_nodes[nid], &n, NULL);
	pa_put(o, "node");
	pa_put_num(o, nid, 3);
	pa_put_num(o, n.arenas, 8);
	pa_put_num(o, n.arenas_peak, 8);
	pa_put_num(o, n.pools, 9);
	pa_put_num(o, n.count.live, 10);
	pa_put_num(o, n.count.live_bytes, 12);
	pa_put_num(o, n.pools_peak, 9);
	pa_put_num(o, pa_fragmentation(&n.count), 3);
	pa_end_line(o);
}

static void pa_report_identity(struct pa_out *o, const struct pa_node_count *n)
{
	pa_put(o, "identity");
	pa_put_num(o, n->bytes, 0);
	pa_put(o, " = live");
	pa_put_num(o, n->count.live_bytes, 0);
	pa_put(o, " + free");
	pa_put_num(o, n->count.free_bytes, 0);
	pa_put(o, " + descriptors");
	pa_put_num(o, n->descriptor_bytes, 0);
	pa_put(o, " + uncarved");
	pa_put_num(o, n->count.uncarved_bytes + n->free_pool_bytes, 0);
	pa_put(o, pa_stats_identity(n) ? " ok" : " changing");
	pa_end_line(o);
}

/**
 * pa_report() - write the statistics of the heap as text
 * @scratch: room to count in
 * @writer: takes the text, a line at a time
 * @ctx: for the writer
 *
 * Context: as pa_stats_collect(), and that of the writer. Allocates nothing.
 */
void pa_report(struct pa_stats *scratch, pa_writer writer, void *ctx)
{
	struct pa_out o = { .writer = writer, .ctx = ctx };
	unsigned int nid;

	pa_stats_collect(scratch);
	pa_report_totals(&o, &scratch->total);
	pa_report_classes(&o, scratch);
	pa_report_slots(&o);
	pa_put(&o, "# node id arenas arenas_peak pools live live_bytes pools_peak frag");
	pa_end_line(&o);
	for (nid = 0; nid < PA_MAX_NODES; nid++)
		if (pa_nodes[nid])
			pa_report_node(&o, nid);
	pa_report_identity(&o, &scratch->total);
}
