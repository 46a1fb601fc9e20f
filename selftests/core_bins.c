// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * common/pa_slot.c, pa_flush.c, pa_slot.h: what bins are filled with, what they take of freed blocks, and
 * when that goes back.
 */
#include <fcntl.h>
#include <unistd.h>

#include "shared/slots.h"

/*
 * What a bin holds of newly cut blocks is uncarved again after a flush, if it is known to have taken no freed
 * blocks; else it goes back to the pool's list.
 */
static void uncarved_again(void)
{
	static const unsigned char classes[] = { 1, 2, 8, 63, 64, 65, 100 };
	unsigned int i;

	for (i = 0; i < sizeof(classes); i++) {
		unsigned int cls = classes[i], k;
		bool exact = cls >= PA_BINS;
		struct pa_pool *pool;

		start(0);
		for (k = 0; k < 3; k++)
			alloc_from(0, cls);
		pool = pa_pool_head(pa_desc_of(oracle.block[0].p));
		pa_slot_flush(&slots[0]);
		TAP_CHECK(pool->left == 3 && (exact ? pool->carved == 3 : pool->carved >= 3));
		check_all();
		free_through(0, 0, false);
		/* The first of these fills the bin from the pool's list. */
		for (k = pool->free ? 1 : 2; k; k--)
			alloc_from(0, cls);
		pa_slot_flush(&slots[0]);
		TAP_CHECK(pool->left == oracle.n && (!exact || pool->carved >= pool->left));
		check_all();
		for (k = 0; k < pool->capacity; k++)
			alloc_from(0, cls);
		check_all();
		empty_everything();
	}
}

/* Allocates a block and frees it, again and again. Return: refills that this took. */
static u64 go_round(unsigned int cls, unsigned int times)
{
	struct pa_slot *slot = &slots[0];
	u64 before = slot->refills;

	for (; times; times--) {
		void *p = pa_slot_alloc(slot, cls);

		if (!p && TAP_CHECK(pa_arenas_grow(&node, 0, pa_class[cls].npools)))
			p = pa_slot_alloc(slot, cls);
		if (!TAP_CHECK(p))
			break;
		pa_slot_free(slot, pa_pool_head(pa_desc_of(p)), p);
	}
	return slot->refills - before;
}

/*
 * A loop with one block brings a refill each 8 turns at most, however full the pool is; of large
 * blocks, each time that so many came back as wake a pool.
 */
static void few_go_round(void)
{
	unsigned int cls, live, times = 4000;

	for (cls = 1; cls < PA_CLASSES; cls++) {
		unsigned int capacity = pa_class[cls].capacity, wake = pa_class[cls].wake;
		unsigned int few = times / (wake < 8 ? wake : 8) + 1;

		if (wake < 2 || pa_class[cls].npools > 1)
			continue;
		for (live = 0; live <= capacity; live += live + 1 < capacity ? capacity - 1 : 1) {
			u64 refills;

			start(0);
			while (oracle.n < live)
				alloc_from(0, cls);
			go_round(cls, 100);
			refills = go_round(cls, times);
			if (!TAP_CHECK(refills <= few))
				tap_diag("class %u, %u live: %llu refills in %u turns", cls, live,
					 (unsigned long long)refills, times);
			/* It is not that pools are taken without end. */
			TAP_CHECK(slots[0].pools <= 3);
			check_all();
			empty_everything();
		}
	}
}

/* How many of the live blocks, freed one after the other, go to the bin of their class. */
static unsigned int bin_takes(struct pa_slot *slot, unsigned int cls)
{
	unsigned int kept = 0;

	while (oracle.n) {
		void *last = oracle.block[0].p;
		struct pa_pool *pool = pa_pool_head(pa_desc_of(last));
		u32 left = pool->left;

		free_through(0, 0, false);
		if (slot->bins->bin[cls] != last) {
			TAP_CHECK(pool->left != left);
			return kept;
		}
		TAP_CHECK(pool->left == left);
		kept++;
	}
	return kept;
}

static void empty_bin(unsigned int cls)
{
	while (slots[0].bins->bin[cls])
		alloc_from(0, cls);
}

/*
 * What a bin takes of freed blocks: as many as were taken from it since the last refill, and those that it
 * had room for then, but for a few (PA_ROOM_GIVEN). No more than its room if the class, of a few pools, only
 * grew; a quarter of that, or of a small class nothing, if it has many pools. Last in, first out.
 */
static void bins_take(void)
{
	struct pa_slot *slot = &slots[0];
	unsigned int cls;

	for (cls = 1; cls < PA_BINS; cls++) {
		unsigned int most = pa_class[cls].room, refills, kept;
		bool sparse = PA_POOL_PAGES > 1;
		void *last;

		start(0);
		alloc_from(0, cls);
		TAP_CHECK(slot->bins->room[cls] >= (int)(most / 4 * PA_ROOM_TAKEN));
		while (slot->cls[cls].pools < 2)
			alloc_from(0, cls);
		empty_bin(cls);
		alloc_from(0, cls);
		empty_bin(cls);
		while (oracle.n < most + 5)
			alloc_from(0, cls);
		kept = bin_takes(slot, cls);
		TAP_CHECK(kept > most * 3 / 4 && kept <= (sparse ? most : pa_class[cls].capacity + most));
		while (slot->cls[cls].pools < 16)
			alloc_from(0, cls);
		for (refills = 0; refills < 4; refills++) {
			empty_bin(cls);
			alloc_from(0, cls);
			empty_bin(cls);
			TAP_CHECK(slot->bins->room[cls] < (int)(most / 4 * PA_ROOM_TAKEN) || !sparse);
		}
		while (oracle.n < most + 5)
			alloc_from(0, cls);
		empty_bin(cls);
		kept = bin_takes(slot, cls);
		/* core_order.c is about those on trial. */
		TAP_CHECK(!kept == (slot->cls[cls].order != 0));
		TAP_CHECK(kept <= (sparse ? most / 4 : pa_class[cls].capacity + most));
		TAP_CHECK(slot->bins->room[cls] <= 0 || !oracle.n);
		slot->cls[cls].order = 0;
		/* A refill after frees. */
		empty_bin(cls);
		alloc_from(0, cls);
		TAP_CHECK(slot->bins->room[cls] >= (int)(most / 4 * PA_ROOM_TAKEN));
		TAP_CHECK(slot->bins->room[cls] < (int)(most * PA_ROOM_TAKEN));
		while (oracle.n < most + 5)
			alloc_from(0, cls);
		kept = bin_takes(slot, cls);
		TAP_CHECK(kept && kept <= pa_class[cls].capacity + most);
		last = slot->bins->bin[cls];
		TAP_CHECK(pa_slot_alloc(slot, cls) == last);
		pa_slot_free(slot, pa_pool_head(pa_desc_of(last)), last);
		check_all();
		pa_slot_release_kept(slot);
		TAP_CHECK(!slot->bins->bin[cls] && !slot->bins->room[cls]);
		check_all();
		empty_everything();
	}
}

/* A thread that goes on with what is in its bins has a refill now and then, if that is wanted. */
static void room_ends(void)
{
	unsigned int cls;

	for (cls = 1; cls < PA_BINS; cls += 7) {
		unsigned int turns = (2 * 64 + pa_class[cls].capacity) * PA_ROOM_GIVEN;
		u64 refills;

		start(0);
		while (oracle.n < 100)
			alloc_from(0, cls);
		go_round(cls, turns);
		refills = go_round(cls, 4 * turns);
		TAP_CHECK(PA_ROOM_GIVEN > PA_ROOM_TAKEN ? refills >= 3 && refills <= 400 : !refills);
		empty_everything();
	}
}

/*
 * Blocks of pools that all came back, in any order, are handed out neighbour after neighbour, where a class has
 * many pools: those that the slot kept and those from their arena, too.
 */
static void cut_anew(void)
{
	unsigned int cls, k, follow = 0, n = 0;

	for (cls = 16; cls <= PA_SMALL_CLASSES; cls += 16) {
		unsigned int capacity = pa_class[cls].capacity, all = 160 * capacity;
		unsigned char *last = NULL;

		start(0);
		while (oracle.n < all)
			alloc_from(0, cls);
		while (oracle.n)
			free_through(0, below((unsigned int)oracle.n), false);
		empty_bin(cls);
		for (k = 0; k < all - 4 * pa_class[cls].room; k++, n++) {
			unsigned char *p;

			alloc_from(0, cls);
			p = oracle.block[oracle.n - 1].p;
			follow += p == last + pa_class_size(cls);
			last = p;
		}
		check_all();
		empty_everything();
	}
	/* Of single pages, only those from the arena. */
	if (!TAP_CHECK(follow > n / 10 * (PA_POOL_PAGES > 1 ? 8 : 2)))
		tap_diag("%u of %u blocks follow the one before", follow, n);
}

/* The live block of @pool, or NULL: the oracle's index in *@which. */
static void *live_block_of(const struct pa_pool *pool, size_t *which)
{
	for (*which = 0; *which < oracle.n; ++*which)
		if (pa_pool_head(pa_desc_of(oracle.block[*which].p)) == pool)
			return oracle.block[*which].p;
	return NULL;
}

/*
 * A free in a signal handler between the push that would wake a full pool and the event that does: nothing is
 * lost.
 */
static void late_event(void)
{
	unsigned int cls;

	for (cls = 1; cls <= PA_SMALL_CLASSES; cls += 9) {
		unsigned int capacity = pa_class[cls].capacity, wake = pa_class[cls].wake;
		struct pa_pool *pool;
		unsigned int k;
		size_t which;
		bool event = false;

		start(0);
		while (!slots[0].full)
			alloc_from(0, cls);
		pool = slots[0].full;
		for (k = 0; k <= wake; k++) {
			void *p = live_block_of(pool, &which);

			if (!TAP_CHECK(p))
				break;
			oracle_del(&oracle, which);
			event = pa_pool_push(pool, p);
			TAP_CHECK(event == (k >= wake - 1));
		}
		pa_slot_free_event(&slots[0], pool);
		TAP_CHECK(pool->state == PA_POOL_USABLE && pool->free && pool->left == capacity - wake - 1);
		check_all();
		empty_everything();
	}
}

/* More blocks came back than there are: told, and the pool is not used again. */
static void freed_too_often(void)
{
	unsigned int cls = PA_SMALL_CLASSES, k;
	struct pa_slot *slot = &slots[0];
	struct pa_pool *pool;
	u64 empty;
	int err = dup(2), null = open("/dev/null", O_WRONLY);

	start(0);
	for (k = 0; k < 40 * pa_class[cls].capacity; k++)
		alloc_from(0, cls);
	while (oracle.n)
		free_through(0, 0, false);
	for (pool = slot->cls[cls].usable; pool && pool->left; pool = pool->next)
		;
	if (!TAP_CHECK(pool && slot->empty))
		return;
	empty = slot->empty;
	TAP_CHECK(pa_pool_push(pool, pa_pool_base(pool)));
	dup2(null, 2);
	pa_slot_free_event(slot, pool);
	dup2(err, 2);
	close(err);
	close(null);
	TAP_CHECK(!pool->free && pool->left == pool->carved && slot->empty == empty - 1);
	/* For the tests that follow. */
	pool->left = 0;
	pa_pool_unlist(slot, pool);
	pa_pool_release(slot, pool);
	check_all();
	empty_everything();
}

/* A bin has a block more than its class's only pool has out: told when it is emptied, not spliced. */
static void bin_too_long(void)
{
	struct pa_slot *slot = &slots[0];
	int err = dup(2), null = open("/dev/null", O_WRONLY);
	unsigned int cls;

	for (cls = 1; cls < PA_FIRST_MEDIUM; cls += 21) {
		struct pa_pool *pool;
		u32 out;

		start(0);
		alloc_from(0, cls);
		free_through(0, 0, false);
		pool = slot->cls[cls].current_pool;
		if (!TAP_CHECK(pool && slot->cls[cls].pools == 1 && slot->bins->bin[cls]))
			return;
		out = pool->left;
		TAP_CHECK(out == pool->carved);
		pool->left = out - 1;
		dup2(null, 2);
		pa_slot_release_kept(slot);
		dup2(err, 2);
		TAP_CHECK(!slot->bins->bin[cls] && !pool->free && pool->left == pool->carved);
		/* For the tests that follow. */
		pool->left = 0;
		pa_pool_unlist(slot, pool);
		pa_pool_release(slot, pool);
		check_all();
		empty_everything();
	}
	close(err);
	close(null);
}

/*
 * Before the heap grows, what a class has in its bin goes back if the bin was not filled since the last
 * time, and with it the pools that this has kept; once, until pools are used for the first time.
 */
static void stale_go(void)
{
	struct pa_slot *slot = &slots[0];
	unsigned int cls, other = 20, i;

	for (cls = 1; cls < PA_FIRST_MEDIUM; cls += 9) {
		start(0);
		slot->fresh_pools = 0;
		while (slot->cls[cls].pools < 8)
			alloc_from(0, cls);
		while (oracle.n)
			free_through(0, below(oracle.n), false);
		alloc_from(0, other);
		slot->fresh_pools = 1;
		TAP_CHECK(!pa_slot_release_stale(slot) && slot->bins->bin[cls]);
		empty_bin(other);
		while (!slot->bins->bin[other])
			alloc_from(0, other);
		slot->fresh_pools = 0;
		slot->stale_mapped = node.mapped;
		TAP_CHECK(!pa_slot_release_stale(slot) && slot->bins->bin[cls] && slot->cls[cls].pools);
		if (cls == 1) {
			/* The heap grows; what was used before, and is free, comes first. */
			for (i = 0; i < 100000 && slot->bins->bin[cls]; i++)
				alloc_from(0, other);
		} else {
			slot->fresh_pools = 1;
			TAP_CHECK(pa_slot_release_stale(slot));
		}
		TAP_CHECK(!slot->bins->bin[cls] && !slot->cls[cls].pools && slot->bins->bin[other]);
		check_all();
		empty_everything();
	}
}

/* Of spans, not those from whose bin a block was taken since, though it was not filled. */
static void stale_spans_go(void)
{
	struct pa_slot *slot = &slots[0];
	unsigned int cls;

	for (cls = PA_FIRST_KEPT; cls < PA_CLASSES; cls += 5) {
		unsigned int i = cls - PA_FIRST_MEDIUM, k;

		start(0);
		for (k = 0; k < 4; k++)
			alloc_from(0, cls);
		while (oracle.n)
			TAP_CHECK(pa_span_keep(slot, cls, oracle_del(&oracle, 0)));
		slot->fresh_pools = 1;
		TAP_CHECK(!pa_slot_release_stale(slot) && slot->kept[i] == 4);
		alloc_from(0, cls);
		slot->fresh_pools = 1;
		TAP_CHECK(!pa_slot_release_stale(slot) && slot->kept[i] == 3);
		slot->fresh_pools = 1;
		pa_slot_release_stale(slot);
		TAP_CHECK(!slot->kept[i] && !slot->medium[i] && !slot->kept_bytes);
		check_all();
		empty_everything();
	}
}

/*
 * A run that was used before, but lies beyond the arenas where such are looked for: all of those have pools
 * that were used before and are free, but no two in a row.
 */
static void far_is_not_fresh(void)
{
	enum { NEAR = 24 };
	static struct pa_pool *taken[NEAR * PA_ARENA_POOLS];
	unsigned int cls = PA_FIRST_SPAN, fresh, i, reserve = pa_reserve;
	struct pa_slot *slot = &slots[0];
	struct pa_pool *run = NULL;

	while (pa_class[cls].npools == 1)
		cls++;
	pa_reserve = NEAR + 1;
	for (i = 0; i < NEAR + 1; i++) {
		TAP_CHECK(pa_arenas_grow(&node, 0, 1));
		if (i)
			continue;
		run = pa_arenas_get(&node, pa_class[cls].npools, &fresh);
		TAP_CHECK(run && fresh == pa_class[cls].npools);
		run->state = PA_POOL_CURRENT;
		pa_arenas_put(run);
	}
	for (i = 0; i < NEAR * PA_ARENA_POOLS; i++) {
		taken[i] = pa_arenas_get(&node, 1, &fresh);
		TAP_CHECK(taken[i] && pa_arena_of(taken[i]) != pa_arena_of(run) && fresh == 1);
		taken[i]->state = PA_POOL_CURRENT;
	}
	for (i = 0; i < NEAR * PA_ARENA_POOLS; i++)
		if (pa_pool_index(taken[i]) % 2)
			pa_arenas_put(taken[i]);
	start(0);
	slot->fresh_pools = 0;
	alloc_from(0, cls);
	TAP_CHECK(slot->cls[cls].current_pool == run && !slot->fresh_pools);
	while (slot->cls[cls].pools == pa_class[cls].npools)
		alloc_from(0, cls);
	TAP_CHECK(slot->fresh_pools == pa_class[cls].npools);
	for (i = 0; i < NEAR * PA_ARENA_POOLS; i++)
		if (!(pa_pool_index(taken[i]) % 2))
			pa_arenas_put(taken[i]);
	pa_reserve = reserve;
	check_all();
	empty_everything();
}

static size_t kept_bytes(const struct pa_slot *slot)
{
	size_t bytes = 0;
	unsigned int i;

	for (i = 0; i < PA_MEDIUM_CLASSES; i++)
		bytes += slot->kept[i] * pa_class_size(PA_FIRST_MEDIUM + i);
	return bytes;
}

/* Freed blocks of spans come back last in, first out; a bin takes its share and no more. */
static void spans_kept(void)
{
	struct pa_slot *slot = &slots[0];
	unsigned int cls;

	start(0);
	for (cls = PA_FIRST_KEPT; cls < PA_CLASSES; cls++) {
		unsigned int k, most = pa_class[cls].room, n = most + 20;
		void *p[84];
		u64 before;

		if (cls % 3 == 0)
			pa_slot_release_kept(slot);
		for (k = 0; k < n; k++)
			alloc_from(0, cls);
		for (k = 0; oracle.n; k++) {
			p[k] = oracle_del(&oracle, 0);
			if (!pa_span_keep(slot, cls, p[k]))
				break;
		}
		TAP_CHECK((k || cls % 3) && k <= most && slot->kept[cls - PA_FIRST_MEDIUM] == k);
		TAP_CHECK(k == most || slot->kept_bytes + pa_class_size(cls) > slot->kept_most);
		TAP_CHECK(slot->kept_bytes == kept_bytes(slot));
		/* The one that was refused. */
		before = slot->kept_pools;
		pa_slot_free(slot, pa_pool_head(pa_desc_of(p[k])), p[k]);
		/* That may have emptied a span, and all goes back when the heap has halved. */
		TAP_CHECK(slot->kept[cls - PA_FIRST_MEDIUM] == k ||
			  (!slot->kept_bytes && slot->pools < before / 2 && slot->kept_pools <= before / 2));
		k = slot->kept[cls - PA_FIRST_MEDIUM];
		for (n = 0; n < 2 && k; n++) {
			TAP_CHECK(pa_medium_pop(slot, cls) == p[--k]);
			oracle_add(&oracle, p[k], pa_class_size(cls), pa_class_size(cls), cls);
		}
		check_all();
		TAP_CHECK(slot->kept_bytes == kept_bytes(slot));
		while (oracle.n)
			free_through(0, 0, false);
		TAP_CHECK(slot->kept_bytes <= slot->kept_most);
	}
	pa_slot_flush(slot);
	TAP_CHECK(!slot->kept_bytes && !kept_bytes(slot));
	check_all();
	empty_everything();
}

/* Kept blocks go when the heap has become half of what it was, although spans are in use meanwhile. */
static void spans_let_go(void)
{
	unsigned int cls, k, small = 1600 * pa_class[PA_SMALL_CLASSES].capacity;
	struct pa_slot *slot = &slots[0];

	start(0);
	for (k = 0; k < small; k++)
		alloc_from(0, PA_SMALL_CLASSES);
	for (cls = PA_FIRST_KEPT; cls < PA_CLASSES - 1; cls++) {
		alloc_from(0, cls);
		TAP_CHECK(pa_span_keep(slot, cls, oracle_del(&oracle, oracle.n - 1)) ||
			  slot->kept_bytes > slot->kept_most / 2);
	}
	TAP_CHECK(slot->kept_bytes && slot->pools > 1600);
	for (k = 0; k < small && slot->kept_bytes; k++) {
		free_through(0, 0, false);
		/* Fills a bin; the largest class has no kept block. */
		if (k % (small / 8) == 0)
			alloc_from(0, PA_CLASSES - 1);
	}
	TAP_CHECK(!slot->kept_bytes && oracle.n > small / 4);
	check_all();
	empty_everything();
}

int main(void)
{
	slots_init();
	tap_start(13);
	rng = tap_seed();
	tap_test("cut and not used: uncut again", uncarved_again);
	tap_test("a loop with one block needs few refills", few_go_round);
	tap_test("bins take freed blocks, so many", bins_take);
	tap_test("a pool whose blocks are all back is cut anew", cut_anew);
	tap_test("bins empty themselves now and then", room_ends);
	tap_test("an event that comes late", late_event);
	tap_test("more blocks freed than there are", freed_too_often);
	tap_test("a bin with a block too many", bin_too_long);
	tap_test("what is in bins that nobody fills goes before the heap grows", stale_go);
	tap_test("likewise what nobody takes from bins of spans", stale_spans_go);
	tap_test("pools that were used before are not fresh where nobody looked for them", far_is_not_fresh);
	tap_test("freed blocks of spans stay at hand, so many", spans_kept);
	tap_test("they go when the heap has halved", spans_let_go);
	oracle_done(&oracle);
	return tap_finish();
}
