// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Blocks at multiples of the arena size, whose user writes there what a
 * descriptor holds: a free must not believe it.
 */
#include "shared/report.h"
#include "shared/oracle.h"
#include "pa_slot.h"

#define BLOCKS	50

static uint64_t large_blocks(void)
{
	struct poolalloc_stats s;

	return poolalloc_stats(&s) ? UINT64_MAX : s.large_blocks;
}

/* The descriptor of a pool that this thread owns. */
static struct pa_pool *own_pool(void)
{
	static void *keep;

	if (!keep)
		keep = poolalloc_alloc(64);
	return pa_pool_head(pa_desc_of(keep));
}

/* As if the block were a page of descriptors, each of an own pool. */
static void forge(void *block)
{
	struct pa_pool *pool = own_pool(), *forged = block;
	unsigned int i;

	TAP_CHECK(pool->owner);
	for (i = 0; i < PA_POOLS_PER_ARENA; i++) {
		forged[i] = *pool;
		forged[i].free = NULL;
		forged[i].left = 1000;
	}
}

static void forged(void)
{
	static void *p[BLOCKS];
	uint64_t before = large_blocks();
	size_t align, i;

	for (align = PA_ARENA_SIZE / 8; align <= PA_ARENA_SIZE * 16; align *= 2) {
		for (i = 0; i < BLOCKS; i++) {
			p[i] = poolalloc_alloc_aligned(align, 40000);
			if (!TAP_CHECK(p[i] && !((uintptr_t)p[i] & (align - 1))))
				return;
			forge(p[i]);
		}
		TAP_CHECK(large_blocks() == before + BLOCKS);
		for (i = 0; i < BLOCKS; i++)
			poolalloc_free(p[i]);
		TAP_CHECK(large_blocks() == before);
	}
	TAP_CHECK(report_accounts(1));
}

/* The same with blocks that an aligned block's move or growth has made. */
static void resized(void)
{
	uint64_t before = large_blocks();
	size_t size;

	for (size = 50000; size < 40000000; size = size * 3 + 1) {
		char *p = poolalloc_alloc_aligned(PA_ARENA_SIZE, size);

		if (!TAP_CHECK(p))
			return;
		forge(p);
		p = poolalloc_realloc(p, size * 2);
		if (!TAP_CHECK(p))
			return;
		poolalloc_free(p);
		TAP_CHECK(large_blocks() == before);
	}
}

/* Blocks of the ordinary kind keep working wherever the aligned ones went. */
static void both(void)
{
	uint64_t rng = tap_seed();
	void *p[500] = { NULL };
	size_t i, n = tap_scaled(100000, 2000);

	for (i = 0; i < n; i++) {
		uint64_t r = tap_random(&rng);
		void **at = &p[r % 500];

		poolalloc_free(*at);
		r >>= 10;
		*at = r % 50 ? poolalloc_alloc((r >> 8) % (r % 64 ? 1000 : 100000) + 1) :
			       poolalloc_alloc_aligned(PA_ARENA_SIZE << (r >> 8) % 6, (r >> 12) % 5000);
		if (!TAP_CHECK(*at))
			return;
		*(void **)*at = own_pool()->owner;
	}
	for (i = 0; i < 500; i++)
		poolalloc_free(p[i]);
	TAP_CHECK(report_accounts(1));
}

int main(void)
{
	own_pool();
	tap_start(3);
	tap_test("an owner in the user's first word", forged);
	tap_test("resized", resized);
	tap_test("beside all other sizes", both);
	return tap_finish();
}
