// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is given back stays what it was for those who read under RCU.
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "test.h"

#define BLOCKS	256

/**
 * struct grace - blocks of some arenas
 * @arena_bytes: how large those are
 * @kept: the first block that was got of each arena; they are live
 * @freed: the others
 * @nkept: how many
 * @nfreed: how many
 */
struct grace {
	uintptr_t arena_bytes;
	void *kept[BLOCKS];
	void *freed[BLOCKS];
	unsigned int nkept;
	unsigned int nfreed;
};

static void *arena_of(const struct grace *g, const void *p)
{
	return (void *)((uintptr_t)p & ~(g->arena_bytes - 1));
}

static void get_blocks(struct grace *g)
{
	unsigned int i;

	for (i = 0; i < BLOCKS; i++) {
		void *p = poolalloc_alloc(POOLALLOC_MAX_SIZE, GFP_KERNEL);

		if (!test_check(p))
			return;
		if (!g->nkept || arena_of(g, g->kept[g->nkept - 1]) != arena_of(g, p))
			g->kept[g->nkept++] = p;
		else
			g->freed[g->nfreed++] = p;
	}
}

/* A page of an arena of which pools have gone is one for itself, with a count of its own. */
static unsigned int pages_gone(const struct grace *g)
{
	unsigned int i, n = 0;

	for (i = 0; i < g->nfreed; i++)
		n += !page_count(virt_to_page(g->freed[i]));
	return n;
}

/* The first page of an arena stands for all of them, or has a count of its own. */
static unsigned int arenas_gone(const struct grace *g)
{
	unsigned int i, n = 0;

	for (i = 0; i < g->nkept; i++)
		n += !page_count(virt_to_page(arena_of(g, g->kept[i])));
	return n;
}

/*
 * Gives @n blocks back, and all memory that becomes free by that. @gone counts
 * what the page allocator has got: nothing while somebody reads; afterwards
 * most, since some of it may have got a new owner, and one block in the span of
 * a live one.
 */
static void give_back(const struct grace *g, const char *what, void *const *blocks,
		      unsigned int n, unsigned int (*gone)(const struct grace *g))
{
	unsigned int early, late, i;
	size_t bytes;

	rcu_read_lock();
	for (i = 0; i < n; i++)
		poolalloc_free(blocks[i]);
	bytes = poolalloc_trim();
	early = gone(g);
	rcu_read_unlock();
	rcu_barrier();
	late = gone(g);
	test_ok(bytes && !early && late > n / 4,
		"of %u %s %u had gone while they were read, then %u", n, what, early, late);
}

/*
 * Arenas have @arena_bytes. A block is as large as can be, so that it has pages
 * for itself. On PREEMPT_RT this trim lets no pools go alone.
 */
void test_grace(unsigned long arena_bytes)
{
	struct grace *g = kzalloc(sizeof(*g), GFP_KERNEL);

	if (!test_check(g))
		return;
	g->arena_bytes = arena_bytes;
	get_blocks(g);
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		poolalloc_free_bulk(g->nfreed, g->freed);
	else
		give_back(g, "blocks' pages", g->freed, g->nfreed, pages_gone);
	give_back(g, "arenas", g->kept, g->nkept, arenas_gone);
	kfree(g);
}
