/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Holes: pages of a pool whose memory went back to the system although the
 * pool still holds live blocks.
 *
 * A page is punched when every block that touches it is free. These blocks
 * leave the free list and are not counted as carved until the hole is filled
 * again. Only usable pools are punched, by their owner, and a full pool has no
 * holes. Pools of one page, and spans, never have any.
 */
#ifndef PA_HOLE_H
#define PA_HOLE_H

#include "pa_arena.h"

#define PA_PAGE			4096UL
#define PA_POOL_PAGES		(PA_POOL_SIZE / PA_PAGE)

/* The blocks that touch a page: from the first up to, not including, @end. */
static inline u32 pa_page_blocks(const struct pa_pool *pool, unsigned int page, u32 *end)
{
	*end = pa_class_index(READ_ONCE(pool->cls), (page + 1) * PA_PAGE - 1) + 1;
	return pa_class_index(READ_ONCE(pool->cls), page * PA_PAGE);
}

/* True if block @i of the pool lies in a hole. */
static inline bool pa_in_hole(const struct pa_pool *pool, u32 i, unsigned int holes)
{
	size_t size = pa_class_size(READ_ONCE(pool->cls));

	/* Spans have none, and more pages than @holes has bits. */
	return holes && (holes >> (i * size / PA_PAGE) & 1 ||
			 holes >> (((i + 1) * size - 1) / PA_PAGE) & 1);
}

/* How many blocks of the pool lie in holes. */
static inline u32 pa_hole_blocks(const struct pa_pool *pool, unsigned int holes)
{
	unsigned int page;
	u32 n = 0, seen = 0;

	if (PA_POOL_PAGES == 1 || !holes)
		return 0;
	for (page = 0; page < PA_POOL_PAGES; page++) {
		u32 first, end;

		if (!(holes >> page & 1))
			continue;
		first = pa_page_blocks(pool, page, &end);
		if (first < seen)
			first = seen;
		n += end - first;
		seen = end;
	}
	return n;
}

void *pa_hole_fill(struct pa_pool *pool);
size_t pa_hole_punch(struct pa_slot *slot, struct pa_arena *arena, bool now);

#endif
