// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * common/pa_slot.c: blocks that are freed in the order in which they were allocated go to their pools, so
 * that neighbours stay together; others go to bins. In the geometry whose pools have one page, all do.
 */
#include "shared/slots.h"

#define LIVE	40000
#define ROUNDS	6

static const unsigned char kinds[] = { 5, 13, 25 };

/* A ring: the oldest block is at @oldest. */
static struct {
	void *p;
	unsigned char cls;
} ring[LIVE];
static unsigned int oldest;

static void *take(unsigned int cls)
{
	void *p = pa_slot_alloc(&slots[0], cls);

	if (!p && TAP_CHECK(pa_arenas_grow(&node, 0, pa_class[cls].npools)))
		p = pa_slot_alloc(&slots[0], cls);
	TAP_CHECK(p);
	return p;
}

static void give(void *p)
{
	pa_slot_free(&slots[0], pa_pool_head(pa_desc_of(p)), p);
}

static void fill(void)
{
	unsigned int i;

	start(0);
	oldest = 0;
	for (i = 0; i < LIVE; i++) {
		ring[i].cls = kinds[below(sizeof(kinds))];
		ring[i].p = take(ring[i].cls);
	}
}

static void replace(unsigned int i)
{
	give(ring[i].p);
	ring[i].cls = kinds[below(sizeof(kinds))];
	ring[i].p = take(ring[i].cls);
}

static void replace_oldest(unsigned int times)
{
	while (times--) {
		replace(oldest);
		oldest = (oldest + 1) % LIVE;
	}
}

/* Of a hundred blocks, how many lie beside the one of their class that was allocated before? */
static unsigned int neighbours(void)
{
	uintptr_t before[PA_CLASSES] = { 0 };
	unsigned int i, n = 0;

	for (i = 0; i < LIVE; i++) {
		unsigned int k = (oldest + i) % LIVE, cls = ring[k].cls;
		uintptr_t p = (uintptr_t)ring[k].p, size = pa_class_size(cls);

		n += p - before[cls] == size || before[cls] - p == size;
		before[cls] = p;
	}
	return n * 100 / LIVE;
}

/* Would a freed block go to its pool, not to the bin? */
static bool in_order(unsigned int cls)
{
	return slots[0].cls[cls].order >= PA_ORDER_ENOUGH && slots[0].bins->room[cls] <= 0;
}

static bool any_in_order(void)
{
	return in_order(kinds[0]) || in_order(kinds[1]) || in_order(kinds[2]);
}

static void empty_ring(void)
{
	unsigned int i;

	for (i = 0; i < LIVE; i++)
		give(ring[i].p);
	check_all();
	empty_everything();
}

/* A queue that has been through many times is still in order; and needs no more pools for it. */
static void queue(void)
{
	unsigned int i;
	u64 pools;

	fill();
	pools = slots[0].pools;
	replace_oldest(ROUNDS * LIVE);
	tap_diag("%u of 100 beside the one before, %llu pools, %llu before", neighbours(),
		 (unsigned long long)slots[0].pools, (unsigned long long)pools);
	TAP_CHECK(slots[0].pools <= pools + pools / 16 + 16);
	if (PA_POOL_PAGES > 1) {
		TAP_CHECK(neighbours() >= 90);
		for (i = 0; i < sizeof(kinds); i++)
			TAP_CHECK(in_order(kinds[i]));
	} else {
		TAP_CHECK(!any_in_order());
	}
	empty_ring();
}

/* Wherever in a pool the oldest block lies when a refill takes what came back. */
static void phases(void)
{
	unsigned int i, n, shift, bad = 0, cls = kinds[0], whole = pa_class[cls].capacity;

	for (shift = 0; shift < whole; shift += whole / 16) {
		start(0);
		for (n = 0; n < 40 * whole + shift; n++)
			ring[n].p = take(cls);
		for (i = 0; i < 8 * n; i++) {
			give(ring[i % n].p);
			ring[i % n].p = take(cls);
		}
		if (PA_POOL_PAGES > 1 && !in_order(cls)) {
			tap_diag("not with 40 pools and %u blocks", shift);
			bad++;
		}
		for (i = 0; i < n; i++)
			give(ring[i].p);
		check_all();
		empty_everything();
	}
	TAP_CHECK(!bad);
}

/* Replaced at random, by bins; also after it has been a queue. */
static void random_order(void)
{
	unsigned int i, k;

	fill();
	for (k = 0; k < 2; k++) {
		for (i = 0; i < 2 * LIVE; i++)
			replace(below(LIVE));
		TAP_CHECK(!any_in_order());
		if (k)
			break;
		empty_ring();
		fill();
		replace_oldest(LIVE);
	}
	empty_ring();
}

/*
 * Blocks that are all allocated, and then all freed, bring whole pools. But if others are freed soon beside
 * them, these shall come back from the bin: the one that was freed last.
 */
static void soon_freed(void)
{
	unsigned int i, k, round, cls = kinds[1], same = 0;
	void *p[4], *last = NULL;

	start(0);
	for (round = 0; round < 12; round++) {
		for (i = 0; i < LIVE; i++) {
			ring[i].p = take(cls);
			same += round >= 4 && ring[i].p == last;
			for (k = 0; k < 4; k++)
				p[k] = take(cls);
			last = p[0];
			for (k = 4; k--;)
				give(p[k]);
		}
		for (i = 0; i < LIVE; i++)
			give(ring[i].p);
	}
	if (!TAP_CHECK(same > 7 * LIVE))
		tap_diag("%u of %u", same, 8 * LIVE);
	check_all();
	empty_everything();
}

/* A class of few pools is in the cache anyway, however many it once had. */
static void few_pools(void)
{
	unsigned int i, k, cls = kinds[2], n = 8 * pa_class[cls].capacity;

	start(0);
	slots[0].cls[cls].order = PA_ORDER_ENOUGH;
	for (i = 0; i < n; i++)
		ring[i].p = take(cls);
	for (k = 0; k < 20 * n; k++) {
		give(ring[k % n].p);
		ring[k % n].p = take(cls);
	}
	TAP_CHECK(!in_order(cls));
	slots[0].cls[cls].order = 0;
	for (i = 0; i < n; i++)
		give(ring[i].p);
	check_all();
	empty_everything();
}

/* While a heap grows and blocks are freed at random, that pools are new does not mean that nothing is freed. */
static void grows_at_random(void)
{
	unsigned int i, cls = kinds[1], ordered = 0;

	start(0);
	for (i = 0; i < LIVE; i++) {
		ring[i].p = take(cls);
		if (i % 2) {
			unsigned int k = below(i);

			give(ring[k].p);
			ring[k].p = take(cls);
		}
		ordered += in_order(cls);
	}
	if (!TAP_CHECK(ordered < LIVE / 16))
		tap_diag("%u of %u", ordered, LIVE);
	empty_ring();
}

static struct pa_pool *pool_at(unsigned int i)
{
	return pa_pool_head(pa_desc_of(ring[i].p));
}

/* Frees all of the pool's blocks in the ring but @stay. */
static void give_pool(const struct pa_pool *pool, unsigned int stay)
{
	unsigned int i;

	for (i = 0; i < LIVE; i++) {
		if (!ring[i].p || pool_at(i) != pool)
			continue;
		if (stay) {
			stay--;
			continue;
		}
		give(ring[i].p);
		ring[i].p = NULL;
	}
}

/* The pool of the next refill, of these two; everything goes back. */
static struct pa_pool *next_of(unsigned int cls, const struct pa_pool *a, const struct pa_pool *b)
{
	struct pa_pool *next = NULL;
	unsigned int i;

	for (i = 0; i < LIVE; i++) {
		if (ring[i].p)
			continue;
		ring[i].p = take(cls);
		next = pool_at(i);
		if (next == a || next == b)
			break;
	}
	for (i = 0; i < LIVE; i++)
		if (ring[i].p)
			give(ring[i].p);
	check_all();
	empty_everything();
	return next;
}

/* Which waits longest is the next pool of a class in order; but an empty one, which is cached, is before it. */
static void empty_pools_first(void)
{
	unsigned int i, stay, cls = kinds[1];
	struct pa_pool *longest, *last;

	for (stay = 0; stay < 2; stay++) {
		start(0);
		for (i = 0; i < LIVE; i++)
			ring[i].p = take(cls);
		slots[0].cls[cls].order = PA_ORDER_ENOUGH + 16;
		slots[0].bins->room[cls] = 0;
		longest = pool_at(0);
		last = pool_at(LIVE / 2);
		give_pool(longest, 1);
		give_pool(last, stay);
		TAP_CHECK(next_of(cls, longest, last) == (stay && PA_POOL_PAGES > 1 ? longest : last));
	}
}

int main(void)
{
	slots_init();
	tap_start(7);
	rng = tap_seed();
	tap_test("blocks of a queue keep their neighbours", queue);
	tap_test("wherever the oldest of them lies", phases);
	tap_test("blocks replaced at random go to bins", random_order);
	tap_test("so do blocks that are freed soon", soon_freed);
	tap_test("and those of classes with few pools", few_pools);
	tap_test("and those of a heap that grows while blocks are freed at random", grows_at_random);
	tap_test("of a class in order an empty pool is next, or the one that waits longest", empty_pools_first);
	oracle_done(&oracle);
	return tap_finish();
}
