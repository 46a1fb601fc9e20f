// SPDX-License-Identifier: GPL-2.0-only OR MIT
#include "pa_hole.h"
#include "pa_stats.h"

/* More blocks than any bin can hold. */
#define PA_BIN_MOST	(PA_POOL_SIZE / PA_SMALL_STEP + 128)

/*
 * True if @p is a block of class @cls of a pool that @slot owns, as far as can
 * be told. @p may be anything: the bin it was read from may be changing, and a
 * block that has just left it holds its new user's bytes where the link was.
 */
static __pa_racy struct pa_pool *pa_bin_check(struct pa_slot *slot, unsigned int cls,
					      void *p, void **next)
{
	struct pa_arena *arena = pa_arena_of(p);
	struct pa_pool *pool;
	void *word;

	if ((uintptr_t)p & (PA_SMALL_STEP - 1) || !pa_peek(p, next) ||
	    !pa_peek(&arena->magic, &word) || (u32)(uintptr_t)word != PA_MAGIC_ARENA)
		return NULL;
	pool = pa_pool_head(pa_desc_of(p));
	if ((void *)pool <= (void *)arena || pa_pool_owner(pool) != slot ||
	    READ_ONCE(pool->cls) != cls || !pa_pool_holds(pool, p))
		return NULL;
	return pool;
}

/*
 * Counts the blocks in a bin of a slot whose memory is @node's, or everybody's.
 * What was seen in a bin was out at that time, so under RCU its arena stays
 * mapped. The worst that a change meanwhile does is a wrong number.
 */
static __pa_racy u32 pa_bin_count(struct pa_slot *slot, unsigned int cls,
				  const struct pa_node *node)
{
	u32 steps, n = 0;
	void *p, *next;

	rcu_read_lock();
	p = READ_ONCE(*pa_slot_bin(slot, cls));
	for (steps = 0; p && steps < PA_BIN_MOST; steps++, p = next) {
		if (!pa_bin_check(slot, cls, p, &next))
			break;
		n += !node || pa_nodes[pa_arena_of(p)->nid] == node;
	}
	rcu_read_unlock();
	return n;
}

/*
 * Every number is clamped to what the ones before leave, so that the parts of
 * a pool always add up to the pool, even while it changes.
 */
static __pa_racy void pa_count_pool(struct pa_pool *pool, unsigned int state,
				    struct pa_count *c)
{
	size_t size = pa_class_size(READ_ONCE(pool->cls));
	u32 carved = READ_ONCE(pool->carved);
	u32 out = pa_pool_out(pool, state);
	u32 pending = pa_remote_count(READ_ONCE(pool->remote));
	u32 holes = pa_hole_blocks(pool, READ_ONCE(pool->holes));

	carved -= holes < carved ? holes : carved;
	if (out > carved)
		out = carved;
	if (pending > out)
		pending = out;

	c->pools += READ_ONCE(pool->npools);
	c->live += out - pending;
	c->free += carved - out;
	c->pending += pending;
	c->live_bytes += (out - pending) * size;
	c->free_bytes += (carved - out + pending) * size;
	c->uncarved_bytes += READ_ONCE(pool->npools) * PA_POOL_SIZE - carved * size;
}

static void pa_count_add(struct pa_count *sum, const struct pa_count *c)
{
	sum->pools += c->pools;
	sum->live += c->live;
	sum->free += c->free;
	sum->pending += c->pending;
	sum->live_bytes += c->live_bytes;
	sum->free_bytes += c->free_bytes;
	sum->uncarved_bytes += c->uncarved_bytes;
}

/* Steps over the pools of a pinned arena: *@index is advanced past the run. */
static struct pa_pool *pa_next_pool(struct pa_arena *arena, unsigned int *index,
				    unsigned int *state)
{
	while (*index < PA_POOLS_PER_ARENA) {
		struct pa_pool *pool = pa_arena_desc(arena, *index);
		unsigned int npools;

		/* The class and size of what it says. Pairs with pa_pool_new(). */
		*state = smp_load_acquire(&pool->state);
		npools = READ_ONCE(pool->npools);
		if (*state != PA_POOL_FREE && npools &&
		    *index + npools <= PA_POOLS_PER_ARENA) {
			*index += npools;
			return pool;
		}
		++*index;
	}
	return NULL;
}

static void pa_count_arena(struct pa_arena *arena, struct pa_node_count *sum,
			   struct pa_count *by_class)
{
	/* First: pools may go meanwhile, but none comes back. */
	u64 pools = pa_arena_pools(arena), used = 0;
	unsigned int index = 1, state;
	struct pa_pool *pool;

	while ((pool = pa_next_pool(arena, &index, &state))) {
		struct pa_count c = { 0 };

		pa_count_pool(pool, state, &c);
		used += c.pools;
		pa_count_add(&sum->count, &c);
		if (by_class)
			pa_count_add(&by_class[READ_ONCE(pool->cls)], &c);
	}
	sum->walked++;
	sum->empty += !used;
	sum->descriptor_bytes += PA_POOL_SIZE;
	sum->free_pool_bytes += (pools - used) * PA_POOL_SIZE;
}

static void pa_count_move(struct pa_count *c, u64 n, size_t size)
{
	if (n > c->live)
		n = c->live;
	c->live -= n;
	c->live_bytes -= n * size;
	c->free += n;
	c->free_bytes += n * size;
}

/* Blocks in bins are out, but nobody has them. */
static void pa_count_bins(struct pa_slot *slot, const struct pa_node *node,
			  struct pa_node_count *sum, struct pa_count *by_class)
{
	unsigned int cls;

	pa_bins_lock();
	for (cls = 1; cls < PA_CLASSES && READ_ONCE(slot->bins); cls++) {
		u32 n = pa_bin_count(slot, cls, node);

		if (!n)
			continue;
		pa_count_move(&sum->count, n, pa_class_size(cls));
		if (by_class)
			pa_count_move(&by_class[cls], n, pa_class_size(cls));
	}
	pa_bins_unlock();
}

/**
 * pa_stats_node() - count a node's memory
 * @node: the node
 * @sum: gets added to
 * @by_class: array of PA_CLASSES that gets added to, or NULL
 *
 * Context: any; nothing is held between two arenas. Allocates nothing.
 */
void pa_stats_node(struct pa_node *node, struct pa_node_count *sum,
		   struct pa_count *by_class)
{
	struct pa_arena *arena = NULL;
	struct pa_slot *slot;

	pa_lock(&node->lock);
	sum->arenas += node->arenas;
	sum->arenas_peak += node->arenas_peak;
	sum->bytes += node->bytes;
	sum->bytes_peak += node->bytes_peak;
	sum->mapped += node->mapped;
	sum->unmapped += node->unmapped;
	sum->pools += node->pools;
	sum->pools_peak += node->pools_peak;
	pa_unlock(&node->lock);

	while ((arena = pa_arenas_next(node, arena))) {
		pa_count_arena(arena, sum, by_class);
		pa_breathe();
	}
	/* Pairs with the cmpxchg in pa_slot_register(). */
	for (slot = smp_load_acquire(&pa_slots); slot; slot = slot->next_slot)
		pa_count_bins(slot, node, sum, by_class);
}

/**
 * pa_stats_collect() - count the memory of the heap
 * @stats: is overwritten
 *
 * Context: as pa_stats_node().
 */
void pa_stats_collect(struct pa_stats *stats)
{
	unsigned int nid;

	memset(stats, 0, sizeof(*stats));
	for (nid = 0; nid < PA_MAX_NODES; nid++)
		if (pa_nodes[nid])
			pa_stats_node(pa_nodes[nid], &stats->total, stats->cls);
}

/**
 * pa_stats_identity() - do the parts add up to the whole?
 * @n: a count
 *
 * Return: true if arenas x arena size = live + free + descriptors + uncarved,
 * where the arenas (short ones with what they have) are those that the node
 * has, and the parts what the walk over their descriptors found.
 */
bool pa_stats_identity(const struct pa_node_count *n)
{
	return n->bytes ==
	       n->count.live_bytes + n->count.free_bytes + n->descriptor_bytes +
	       n->count.uncarved_bytes + n->free_pool_bytes;
}

/**
 * pa_stats_cached() - blocks that wait in a slot's bins
 * @slot: the slot
 *
 * Context: any in which RCU may be read.
 */
u64 pa_stats_cached(struct pa_slot *slot)
{
	unsigned int cls;
	u64 n = 0;

	pa_bins_lock();
	for (cls = 1; cls < PA_CLASSES && READ_ONCE(slot->bins); cls++)
		n += pa_bin_count(slot, cls, NULL);
	pa_bins_unlock();
	return n;
}

#define PA_MOST_BLOCKS	(PA_POOL_SIZE / PA_SMALL_STEP)

static __pa_racy void pa_mark_block(struct pa_pool *pool, const void *p, u64 *bitmap)
{
	u32 i = pa_class_index(READ_ONCE(pool->cls),
			       (size_t)((const char *)p - pa_pool_base(pool)));

	bitmap[i / 64] |= 1ULL << (i % 64);
}

static __pa_racy void pa_mark_list(struct pa_pool *pool, void *p, u32 most, u64 *bitmap)
{
	for (; p && most && pa_pool_holds(pool, p); most--) {
		pa_mark_block(pool, p, bitmap);
		p = pa_peek_link(p);
	}
}

/* Marks the blocks of the pool that wait in the bin of its owner. */
static __pa_racy void pa_mark_owners_bin(struct pa_pool *pool, struct pa_slot *owner,
					 u64 *bitmap)
{
	unsigned int cls = READ_ONCE(pool->cls);
	void *p = READ_ONCE(*pa_slot_bin(owner, cls)), *next;
	u32 steps;

	for (steps = 0; p && steps < PA_BIN_MOST; steps++, p = next) {
		struct pa_pool *of = pa_bin_check(owner, cls, p, &next);

		if (!of)
			break;
		if (of == pool)
			pa_mark_block(pool, p, bitmap);
	}
}

static __pa_racy void pa_mark_bin(struct pa_pool *pool, u64 *bitmap)
{
	struct pa_slot *owner = pa_pool_owner(pool);

	if (!owner)
		return;
	pa_bins_lock();
	rcu_read_lock();
	if (READ_ONCE(owner->bins))
		pa_mark_owners_bin(pool, owner, bitmap);
	rcu_read_unlock();
	pa_bins_unlock();
}

static __pa_racy int pa_walk_pool(struct pa_pool *pool, unsigned int state,
				  pa_visitor visitor, void *ctx)
{
	u64 bitmap[PA_MOST_BLOCKS / 64] = { 0 };
	size_t size = pa_class_size(READ_ONCE(pool->cls));
	u64 word = READ_ONCE(pool->remote);
	u32 i, carved = READ_ONCE(pool->carved);
	unsigned int holes = READ_ONCE(pool->holes);
	int ret;

	pa_mark_list(pool, READ_ONCE(pool->free), READ_ONCE(pool->capacity), bitmap);
	if (state != PA_POOL_LOOSE)
		pa_mark_bin(pool, bitmap);
	if (pa_remote_count(word))
		pa_mark_list(pool, pa_remote_head(pool, word),
			     pa_remote_count(word), bitmap);

	for (i = 0; i < carved; i++) {
		if (bitmap[i / 64] >> (i % 64) & 1 || pa_in_hole(pool, i, holes))
			continue;
		ret = visitor(ctx, pa_pool_base(pool) + i * size, size);
		if (ret)
			return ret;
	}
	return 0;
}

static int pa_walk_node(struct pa_node *node, pa_visitor visitor, void *ctx)
{
	struct pa_arena *arena = NULL;
	int ret;

	while ((arena = pa_arenas_next(node, arena))) {
		unsigned int index = 1, state;
		struct pa_pool *pool;

		while ((pool = pa_next_pool(arena, &index, &state))) {
			ret = pa_walk_pool(pool, state, visitor, ctx);
			if (ret) {
				pa_arena_unpin(arena);
				return ret;
			}
		}
		pa_breathe();
	}
	return 0;
}

/**
 * pa_walk() - visit every live block
 * @visitor: called for each; may allocate and free
 * @ctx: for the visitor
 *
 * Goes by the lists, not by the counters: what is neither on its pool's list
 * nor in a bin nor on @remote is live. Exact for what nobody allocates or
 * frees during the walk.
 *
 * Context: that of the visitor; nothing is held while it runs.
 * Return: 0, or the first other value that the visitor returned.
 */
int pa_walk(pa_visitor visitor, void *ctx)
{
	unsigned int nid;
	int ret = 0;

	for (nid = 0; nid < PA_MAX_NODES && !ret; nid++)
		if (pa_nodes[nid])
			ret = pa_walk_node(pa_nodes[nid], visitor, ctx);
	return ret;
}
