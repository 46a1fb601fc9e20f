// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Slow paths of the public functions: entering slots, growing nodes.
 */
#include "pa_heap.h"

/* Blocks that a bulk call handles before it leaves the slot for a moment. */
#define PA_BULK_STEP	32

struct pa_node *pa_nodes[PA_MAX_NODES];
unsigned int pa_reserve = 1;

/**
 * pa_node_init() - make a node of zeroed memory
 * @node: the node
 * @nid: its number; pa_nodes[@nid] is set by this
 */
void pa_node_init(struct pa_node *node, unsigned int nid)
{
	pa_lock_init(&node->lock);
	pa_lock_init(&node->fallback_lock);
	node->nid = nid;
	pa_slot_init(&node->fallback, node, &node->fallback_bins);
	pa_slot_register(&node->fallback);
	WRITE_ONCE(pa_nodes[nid], node);
}

static void *pa_fallback_alloc(struct pa_node *node, unsigned int cls)
{
	void *p;

	if (!pa_fallback_enter(node))
		return NULL;
	p = pa_slot_alloc(&node->fallback, cls);
	pa_fallback_leave(node);
	return p;
}

/* One try, without growing. Sets *@node to the one that would have to grow. */
static void *pa_alloc_try(unsigned int cls, int nid, struct pa_node **node)
{
	struct pa_bins *bins = pa_slot_enter();
	void *p = NULL;

	*node = pa_nodes[nid == PA_ANY_NODE ? pa_this_node() : (unsigned int)nid];
	if (bins) {
		bool here = nid == PA_ANY_NODE || bins->slot->node == *node;

		if (here) {
			*node = bins->slot->node;
			p = pa_slot_alloc(bins->slot, cls);
		}
		pa_slot_leave(bins);
		if (here)
			return p;
	}
	return pa_fallback_alloc(*node, cls);
}

/**
 * pa_alloc_slow() - allocate when the fast path could not
 * @cls: class
 * @nid: node to allocate from, or PA_ANY_NODE
 * @gfp: what growing the node may do
 *
 * Arenas are mapped with nothing held, so that it may sleep if @gfp lets it;
 * meanwhile others may take what it brings, hence the loop. And others may give
 * something back, since a platform without memory asks them to, hence the last
 * try.
 *
 * Return: a block, or NULL if the system has no memory or a limit is reached.
 */
void *pa_alloc_slow(unsigned int cls, int nid, pa_gfp_t gfp)
{
	struct pa_node *node;
	bool more;
	void *p;

	do {
		p = pa_alloc_try(cls, nid, &node);
		if (likely(p))
			return p;
		more = pa_reclaim() ||
		       (pa_may_grow() && pa_arenas_grow(node, gfp, pa_class[cls].npools));
	} while (more);
	p = pa_alloc_try(cls, nid, &node);
	if (!p)
		p = pa_alloc_last_resort(pa_class_size(cls), gfp);
	if (!p)
		pa_trace_failure(cls);
	return p;
}

/* What is wrong with a pointer, or NULL, and then *@pool is its pool. */
static const char *pa_pointer_wrong(const void *p, struct pa_pool **pool)
{
	struct pa_arena *arena = pa_arena_of(p);

	if (!pa_plausible(arena) || READ_ONCE(arena->magic) != PA_MAGIC_ARENA)
		return "pointer was not allocated here";
	*pool = pa_pool_head(pa_desc_of(p));
	if ((void *)*pool <= (void *)arena || READ_ONCE((*pool)->state) == PA_POOL_FREE)
		return "pointer into memory that holds no blocks (freed already?)";
	if (!pa_pool_holds(*pool, p))
		return "pointer into the middle of a block";
	return NULL;
}

/**
 * pa_pool_of() - find and check the pool of a pointer given by the caller
 * @p: supposed to be a live block
 *
 * Return: the pool; NULL after a report if @p cannot be a block.
 */
struct pa_pool *pa_pool_of(const void *p)
{
	struct pa_pool *pool;
	const char *why = pa_pointer_wrong(p, &pool);

	if (unlikely(why)) {
		pa_corrupt(why, p);
		return NULL;
	}
	return pool;
}

static void pa_free_checked(struct pa_bins *bins, void *p)
{
	struct pa_slot *slot = bins ? bins->slot : NULL;
	struct pa_pool *pool = pa_pool_of(p);

	if (!pool)
		return;
	if (slot && pa_pool_owner(pool) == slot)
		pa_slot_free(slot, pool, p);
	else
		pa_free_remote(slot, pool, p);
}

/**
 * pa_free_slow() - free a block that is not simply the caller's own
 * @p: a block: of somebody else's pool, of a span, or of the caller's own
 *	while its slot cannot be entered
 *
 * Context: any.
 */
void pa_free_slow(void *p)
{
	struct pa_bins *bins = pa_slot_enter();

	pa_free_checked(bins, p);
	if (bins)
		pa_slot_leave(bins);
}

/**
 * pa_alloc_bulk() - allocate several blocks of one class
 * @cls: class
 * @gfp: as in pa_alloc()
 * @n: how many
 * @out: array of @n pointers
 *
 * Return: how many there were; the first entries of @out are set.
 */
unsigned int pa_alloc_bulk(unsigned int cls, pa_gfp_t gfp, unsigned int n, void **out)
{
	unsigned int done = 0;

	while (done < n) {
		struct pa_bins *bins = pa_slot_enter();

		if (bins) {
			unsigned int stop = done + PA_BULK_STEP < n ? done + PA_BULK_STEP : n;

			while (done < stop) {
				out[done] = pa_slot_alloc(bins->slot, cls);
				if (!out[done])
					break;
				done++;
			}
			pa_slot_leave(bins);
			if (done == stop)
				continue;
		}
		out[done] = pa_alloc_slow(cls, PA_ANY_NODE, gfp);
		if (!out[done])
			break;
		done++;
	}
	return done;
}

/**
 * pa_free_bulk() - free several blocks
 * @n: how many
 * @ptrs: blocks of any class; NULL entries are skipped
 */
void pa_free_bulk(size_t n, void **ptrs)
{
	while (n) {
		size_t step = n < PA_BULK_STEP ? n : PA_BULK_STEP;
		struct pa_bins *bins = pa_slot_enter();
		size_t i;

		for (i = 0; i < step; i++) {
			struct pa_pool *pool;

			if (!ptrs[i])
				continue;
			pool = pa_desc_of(ptrs[i]);
			if (bins && READ_ONCE(pool->owner) == bins->slot)
				pa_slot_free(bins->slot, PA_HOT_SPANS ? pa_pool_head(pool) : pool,
					     ptrs[i]);
			else
				pa_free_checked(bins, ptrs[i]);
		}
		if (bins)
			pa_slot_leave(bins);
		ptrs += step;
		n -= step;
	}
}

/**
 * pa_trim_slot() - put back what the caller's slot keeps at hand
 *
 * In steps, with the slot left in between: a heap of any size keeps nobody from
 * the CPU for long. Who is moved to another CPU goes on with that one's slot.
 * Arenas that this empties go back beyond the reserve.
 *
 * Context: any in which memory may be freed.
 */
void pa_trim_slot(void)
{
	unsigned int step = 0;
	bool more = true;

	while (more) {
		struct pa_bins *bins = pa_slot_enter();

		if (!bins)
			return;
		more = pa_slot_flush_step(bins->slot, &step);
		pa_slot_leave(bins);
	}
}

/* Puts pools in hand back where others find them. */
static void pa_trim_give_up(struct pa_qnode *q)
{
	while (q) {
		struct pa_qnode *next = q->next;

		pa_pool_enqueue(container_of(q, struct pa_pool, qlink));
		q = next;
	}
}

static void pa_trim_shared(struct pa_node *node)
{
	unsigned int cls;

	for (cls = 1; cls < PA_CLASSES; cls++) {
		struct pa_qnode *q = pa_stack_take(&node->shared[cls]);

		while (q) {
			struct pa_bins *bins = pa_slot_enter();

			if (!bins) {
				pa_trim_give_up(q);
				return;
			}
			q = pa_shared_sweep_some(bins->slot, q);
			pa_slot_leave(bins);
		}
	}
}

static void pa_trim_fallback(struct pa_node *node)
{
	unsigned int step = 0;
	bool more = true;

	while (more && pa_fallback_enter(node)) {
		more = pa_slot_flush_step(&node->fallback, &step);
		pa_fallback_leave(node);
	}
}

/**
 * pa_trim() - give back all memory that holds no live block
 *
 * Flushes the caller's slot and the fallback slots, sweeps the shared lists
 * and gives every wholly empty arena back. Other slots keep what they cache.
 *
 * Context: any in which memory may be freed.
 * Return: bytes given back.
 */
size_t pa_trim(void)
{
	size_t bytes = 0;
	unsigned int nid;

	pa_trim_slot();
	while (pa_reclaim())
		;
	for (nid = 0; nid < PA_MAX_NODES; nid++) {
		struct pa_node *node = READ_ONCE(pa_nodes[nid]);

		if (!node)
			continue;
		pa_trim_shared(node);
		pa_trim_fallback(node);
		bytes += pa_arenas_release(node, 0);
	}
	return bytes;
}
