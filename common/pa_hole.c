// SPDX-License-Identifier: GPL-2.0-only OR MIT
#include "pa_hole.h"
#include "pa_slot.h"

#define PA_BITMAP	(PA_POOL_SIZE / PA_SMALL_STEP / 64)

static u32 pa_block_index(const struct pa_pool *pool, const void *p)
{
	return pa_class_index(pool->cls, (size_t)((const char *)p - pa_pool_base(pool)));
}

/**
 * pa_hole_fill() - make the blocks of a punched page available again
 * @pool: an owned pool with a hole and an empty free list
 *
 * Blocks that also touch another hole wait for that one.
 * Return: a list of blocks, all of them out now; NULL if the page brought none.
 */
void *pa_hole_fill(struct pa_pool *pool)
{
	unsigned int page = (unsigned int)__builtin_ctz(pool->holes);
	unsigned int rest = pool->holes & (pool->holes - 1);
	size_t size = pa_class_size(pool->cls);
	void *list = NULL;
	u32 n = 0, first, i;

	first = pa_page_blocks(pool, page, &i);
	while (i-- > first) {
		void *p = pa_pool_base(pool) + i * size;

		if (pa_in_hole(pool, i, rest))
			continue;
		pa_store_link(p, list);
		list = p;
		n++;
	}
	WRITE_ONCE(pool->left, pool->left + n);
	WRITE_ONCE(pool->holes, (u8)rest);
	return list;
}

static void pa_mark_free(const struct pa_pool *pool, u64 *bitmap)
{
	u32 n = pool->carved;
	void *p;

	for (p = pool->free; p && n && pa_pool_holds(pool, p); p = pa_load_link(p), n--) {
		u32 i = pa_block_index(pool, p);

		bitmap[i / 64] |= 1ULL << (i % 64);
	}
}

/* The pages that hold free blocks only, and are carved to the end. */
static unsigned int pa_free_pages(const struct pa_pool *pool, const u64 *bitmap)
{
	unsigned int page, pages = 0;

	for (page = 0; page < PA_POOL_PAGES; page++) {
		u32 i, end;

		i = pa_page_blocks(pool, page, &end);
		if (end > pool->carved)
			break;
		while (i < end && bitmap[i / 64] >> (i % 64) & 1)
			i++;
		if (i == end)
			pages |= 1u << page;
	}
	return pages & ~(unsigned int)pool->holes;
}

/* Takes the blocks of @pages off the pool's free list. */
static void pa_unlink_pages(struct pa_pool *pool, unsigned int pages)
{
	void *p = pool->free, *kept = NULL;

	while (p) {
		void *next = pa_load_link(p);

		if (!pa_in_hole(pool, pa_block_index(pool, p), pages)) {
			pa_store_link(p, kept);
			kept = p;
		}
		p = next;
	}
	WRITE_ONCE(pool->free, kept);
}

static size_t pa_punch_pool(struct pa_pool *pool)
{
	u64 bitmap[PA_BITMAP] = { 0 };
	unsigned int page, pages;
	size_t bytes = 0;

	pa_mark_free(pool, bitmap);
	pages = pa_free_pages(pool, bitmap);
	if (!pages)
		return 0;
	pa_unlink_pages(pool, pages);
	WRITE_ONCE(pool->holes, (u8)(pool->holes | pages));
	for (page = 0; page < PA_POOL_PAGES; page++) {
		if (!(pages >> page & 1))
			continue;
		pa_pages_release(pa_pool_base(pool) + page * PA_PAGE, PA_PAGE);
		bytes += PA_PAGE;
	}
	return bytes;
}

/* Nothing was freed into the pool, or taken from it, since the last look. */
static bool pa_pool_rests(struct pa_pool *pool)
{
	u16 now = (u16)pool->left;

	if (pool->seen == now && now)
		return true;
	pool->seen = now;
	return false;
}

/**
 * pa_hole_punch() - give back pages of used pools that hold no live block
 * @slot: the entered slot; its usable pools are looked at
 * @arena: a pinned arena; only pools in it are
 * @now: punch all that can be; else only pools whose number of live blocks is
 *	what it was at the last look
 *
 * Return: bytes given back.
 */
size_t pa_hole_punch(struct pa_slot *slot, struct pa_arena *arena, bool now)
{
	size_t bytes = 0;
	unsigned int i;

	if (PA_POOL_PAGES == 1)
		return 0;
	for (i = 1; i < PA_POOLS_PER_ARENA; i++) {
		struct pa_pool *pool = pa_arena_desc(arena, i);

		if (pa_pool_owner(pool) == slot && pool->state == PA_POOL_USABLE &&
		    pool->npools == 1 && pool->free && (pa_pool_rests(pool) || now))
			bytes += pa_punch_pool(pool);
	}
	return bytes;
}
