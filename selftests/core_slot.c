// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * common/pa_slot.c, pa_owner.c, pa_shared.c: several slots driven by one thread in random order,
 * against an oracle. A freer that stops in the middle is played by doing the halves of a remote free
 * apart.
 */
#include <fcntl.h>
#include <unistd.h>

#include "pa_heap.h"
#include "pa_options.h"
#include "pa_owner.h"
#include "pa_stats.h"
#include "shared/oracle.h"

#define SLOTS	4
#define IN_HAND	8

static struct pa_node node;
static struct pa_slot slots[SLOTS];
static struct pa_bins bins[SLOTS];
static bool alive[SLOTS];
static struct oracle oracle;
static uint64_t rng;
static struct pa_stats stats;

/* Pools whose QUEUED bit we have set, and that we have not enqueued yet. */
static struct pa_pool *in_hand[IN_HAND];
static unsigned int nhand;

static unsigned int below(unsigned int n)
{
	return (unsigned int)(tap_random(&rng) % n);
}

static void start(unsigned int i)
{
	memset(&bins[i], 0, sizeof(bins[i]));
	pa_slot_start(&slots[i], &node, &bins[i]);
	alive[i] = true;
}

static void stop(unsigned int i)
{
	pa_slot_stop(&slots[i]);
	alive[i] = false;
	TAP_CHECK(slots[i].dead && !slots[i].pools && !slots[i].full && !slots[i].bins);
	TAP_CHECK(pa_stack_empty(&slots[i].inbox));
}

static unsigned int some_slot(void)
{
	unsigned int i = below(SLOTS);

	if (!alive[i])
		start(i);
	return i;
}

static unsigned int some_class(unsigned int classes)
{
	/* Few classes: their pools fill up, change hands and become empty. */
	static const unsigned char favourites[] = { 64, 32, 63, 65, 100, 112, 48, 2 };

	return classes ? favourites[below(classes)] : 1 + below(PA_CLASSES - 1);
}

/* To the largest power of two that divides the size, a page at most. */
static bool naturally_aligned(const void *p, size_t size)
{
	size_t align = size & -size;

	return !((uintptr_t)p & ((align > 4096 ? 4096 : align) - 1));
}

static bool alloc_from(unsigned int i, unsigned int cls)
{
	void *p = pa_slot_alloc(&slots[i], cls);
	struct pa_pool *pool;

	if (!p && TAP_CHECK(pa_arenas_grow(&node, 0, pa_class[cls].npools)))
		p = pa_slot_alloc(&slots[i], cls);
	if (!TAP_CHECK(p))
		return false;
	pool = pa_pool_head(pa_desc_of(p));
	TAP_CHECK(pa_pool_owner(pool) == &slots[i] && pool->cls == cls && pa_pool_holds(pool, p));
	TAP_CHECK(pa_pool_of(p) == pool);
	TAP_CHECK(naturally_aligned(p, pa_class_size(cls)));
	return oracle_add(&oracle, p, pa_class_size(cls), pa_class_size(cls), cls);
}

/* Frees through slot @i; without it (-1) as an interrupt would; or leaves the second half for later. */
static void free_through(int i, size_t which, bool half)
{
	void *p = oracle_del(&oracle, which);
	struct pa_pool *pool = pa_pool_head(pa_desc_of(p));

	if (i >= 0 && pa_pool_owner(pool) == &slots[i]) {
		if (pool->cls < PA_FIRST_KEPT || below(4) == 0 ||
		    !pa_span_keep(&slots[i], pool->cls, p))
			pa_slot_free(&slots[i], pool, p);
	} else if (!half) {
		pa_free_remote(i < 0 ? NULL : &slots[i], pool, p);
	} else if (pa_remote_push(pool, p)) {
		in_hand[nhand++] = pool;
	}
}

static void enqueue_one(void)
{
	unsigned int k = below(nhand);
	struct pa_pool *pool = in_hand[k];

	in_hand[k] = in_hand[--nhand];
	pa_pool_enqueue(pool);
}

/* The lists of a slot hold what their names say, and nothing twice. */
static void check_slot(struct pa_slot *slot)
{
	struct pa_pool *pool;
	unsigned int cls;
	u64 pools = 0, empty = 0;

	for (pool = slot->full; pool; pool = pool->next) {
		TAP_CHECK(pool->state == PA_POOL_FULL && pa_pool_owner(pool) == slot && pool->left);
		pools += pool->npools;
	}
	for (cls = 1; cls < PA_CLASSES; cls++) {
		pool = slot->cls[cls].current_pool;
		if (pool) {
			TAP_CHECK(pool->state == PA_POOL_CURRENT && pa_pool_owner(pool) == slot);
			pools += pool->npools;
		}
		for (pool = slot->cls[cls].usable; pool; pool = pool->next) {
			TAP_CHECK(pool->state == PA_POOL_USABLE && pa_pool_owner(pool) == slot);
			TAP_CHECK(pool->cls == cls && pool->left <= pool->carved);
			pools += pool->npools;
			empty += pool->left ? 0 : pool->npools;
		}
	}
	if (!TAP_CHECK(pools == slot->pools && empty == slot->empty))
		tap_diag("slot %u has %llu pools, %llu empty, on its lists and counts %llu and %llu",
			 slot->id, (unsigned long long)pools, (unsigned long long)empty,
			 (unsigned long long)slot->pools, (unsigned long long)slot->empty);
}

static void check_all(void)
{
	static u64 live[PA_CLASSES];
	unsigned int cls, i;
	size_t k;

	memset(live, 0, sizeof(live));
	for (k = 0; k < oracle.n; k++)
		live[oracle.block[k].group]++;
	pa_stats_collect(&stats);
	for (cls = 1; cls < PA_CLASSES; cls++)
		if (!TAP_CHECK(stats.cls[cls].live == live[cls] &&
			       stats.cls[cls].live_bytes == live[cls] * pa_class_size(cls)))
			tap_diag("class %u: %llu live, statistics say %llu", cls,
				 (unsigned long long)live[cls],
				 (unsigned long long)stats.cls[cls].live);
	TAP_CHECK(stats.total.count.live == oracle.n);
	TAP_CHECK(stats.total.count.pools == stats.total.pools);
	TAP_CHECK(pa_stats_identity(&stats.total));
	for (i = 0; i < SLOTS; i++)
		if (alive[i])
			check_slot(&slots[i]);
	oracle_walk_start(&oracle);
	TAP_CHECK(!pa_walk(oracle_visit, &oracle));
	oracle_walk_end(&oracle);
}

static void rare_operation(void)
{
	unsigned int i = some_slot();

	switch (below(6)) {
	case 0:
		stop(i);
		break;
	case 1:
		pa_slot_flush(&slots[i]);
		break;
	case 2:
		pa_shared_sweep(&slots[i], &node);
		break;
	case 3:
		pa_slot_drain(&slots[i]);
		break;
	case 4:	/* let go and taken by a new thread at once */
		stop(i);
		start(i);
		break;
	case 5:
		pa_arenas_release(&node, below(3));
		break;
	}
}

static void one_operation(unsigned int classes, size_t target)
{
	unsigned int r = below(1000);
	bool want = oracle.n < target ? r % 8 < 5 : r % 8 < 3;

	if (r < 4)
		rare_operation();
	else if (r < 40 && nhand)
		enqueue_one();
	else if (want || !oracle.n)
		alloc_from(some_slot(), some_class(classes));
	else if (r < 500)
		free_through((int)some_slot(), below((unsigned int)oracle.n), false);
	else if (r < 600)
		free_through(-1, below((unsigned int)oracle.n), false);
	else
		free_through((int)some_slot(), below((unsigned int)oracle.n), nhand < IN_HAND);
}

/* Everything freed, everybody gone: not a pool is left. */
static void empty_everything(void)
{
	unsigned int i;

	while (oracle.n)
		free_through((int)some_slot(), oracle.n - 1, nhand < IN_HAND);
	while (nhand)
		enqueue_one();
	check_all();
	for (i = 0; i < SLOTS; i++)
		if (alive[i] && i)
			stop(i);
	i = some_slot();
	pa_shared_sweep(&slots[i], &node);
	stop(i);
	for (i = 0; i < SLOTS; i++)
		if (alive[i])
			stop(i);
	check_all();
	if (!TAP_CHECK(!node.pools))
		tap_diag("%llu pools are still in use", (unsigned long long)node.pools);
	pa_arenas_release(&node, 0);
	TAP_CHECK(!node.arenas);
	for (i = 1; i < PA_CLASSES; i++)
		TAP_CHECK(pa_stack_empty(&node.shared[i]));
}

static void random_scenario(unsigned int classes, size_t most)
{
	size_t ops = tap_scaled(400000, 6000), k, target = 0;

	for (k = 0; k < ops; k++) {
		if (k % 5000 == 0)
			target = below((unsigned int)most);
		one_operation(classes, target);
		if (k % (ops / 16) == 0)
			check_all();
	}
	check_all();
	empty_everything();
}

static void one_class(void)
{
	random_scenario(1, 400);
}

static void few_classes(void)
{
	random_scenario(8, 2000);
}

static void many_classes(void)
{
	random_scenario(0, 3000);
}

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
 * had room for then, but for a few (PA_ROOM_GIVEN); a quarter of its room if a heap of many pools only grew.
 * Last in, first out.
 */
static void bins_take(void)
{
	struct pa_slot *slot = &slots[0];
	unsigned int cls;

	for (cls = 1; cls < PA_BINS; cls++) {
		unsigned int most = pa_class[cls].room, refills, kept;
		/* Of more blocks the count wraps. */
		bool sparse = PA_POOL_PAGES > 1 && pa_class[cls].capacity <= 1000;
		void *last;

		start(0);
		alloc_from(0, cls);
		TAP_CHECK(slot->bins->room[cls] >= (int)(most / 4 * PA_ROOM_TAKEN));
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
		TAP_CHECK(kept && kept <= (sparse ? most / 4 : pa_class[cls].capacity + most));
		TAP_CHECK(slot->bins->room[cls] <= 0 || !oracle.n);
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
 * A free in a signal handler between the push that would wake a full pool and the event that does: nothing is lost.
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

/* A parked slot keeps blocks of its current pools only, and all others can be adopted. */
static void parked(void)
{
	static struct pa_bins keep;
	unsigned int cls, r, k;

	for (r = 0; r < tap_scaled(100, 5); r++) {
		start(0);
		start(1);
		for (k = 0; k < 3000; k++) {
			alloc_from(0, some_class(below(8)));
			if (oracle.n > 200 || below(3) == 0)
				free_through(0, below((unsigned int)oracle.n), false);
		}
		memset(&keep, 0, sizeof(keep));
		pa_slot_park(&slots[0], &keep);
		for (cls = 1; cls < PA_BINS; cls++) {
			void *p = keep.bin[cls];

			TAP_CHECK(!bins[0].bin[cls] && (cls < PA_FIRST_MEDIUM || !p));
			for (; p; p = pa_load_link(p))
				TAP_CHECK(pa_desc_of(p) == slots[0].cls[cls].current_pool);
		}
		TAP_CHECK(!slots[0].full);
		check_all();
		for (k = 0; k < 100; k++)
			free_through(1, below((unsigned int)oracle.n), false);
		memset(&bins[0], 0, sizeof(bins[0]));
		pa_slot_resume(&slots[0], &bins[0]);
		check_all();
		for (k = 0; k < 100; k++)
			alloc_from(0, some_class(8));
		while (oracle.n)
			free_through((int)below(2), below((unsigned int)oracle.n), false);
		empty_everything();
	}
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

/* A slot that goes while a freer has its pool in hand, in every order of the halves. */
static void exit_orders(void)
{
	unsigned int order;

	for (order = 0; order < 64; order++) {
		unsigned int i;

		start(0);
		start(1);
		/* A full pool, a pool with room, and both with a freer that has only pushed. */
		for (i = 0; i < 12 * pa_class[64].capacity / 8; i++)
			alloc_from(0, 64);
		if (order & 1)
			free_through(0, 0, false);
		free_through(1, order & 2 ? 0 : oracle.n - 1, true);
		free_through(1, order & 4 ? 0 : oracle.n / 2, true);
		if (order & 8)
			while (nhand)
				enqueue_one();
		stop(0);
		if (order & 16)
			start(0);
		while (nhand)
			enqueue_one();
		if (order & 32)
			pa_shared_sweep(&slots[1], &node);
		check_all();
		while (oracle.n)
			free_through(1, oracle.n - 1, false);
		for (i = 0; i < 2; i++)
			if (alive[i])
				pa_slot_drain(&slots[i]);
		empty_everything();
	}
}

/* A slot whose thread does not exist in a forked child: its blocks can be freed, its bins are lost. */
static void abandoned(void)
{
	static struct pa_slot child[8];
	static struct pa_bins child_bins[8];
	size_t rounds = tap_scaled(8, 2), r, k, lost = 0;

	for (r = 0; r < rounds; r++) {
		struct pa_slot *slot = &child[r];

		pa_slot_init(slot, &node, &child_bins[r]);
		pa_slot_register(slot);
		start(0);
		for (k = 0; k < 600; k++) {
			unsigned int cls = some_class(k % 3 ? 8 : 1);
			void *p = pa_slot_alloc(slot, cls);

			if (!p && pa_arenas_grow(&node, 0, pa_class[cls].npools))
				p = pa_slot_alloc(slot, cls);
			if (TAP_CHECK(p))
				oracle_add(&oracle, p, pa_class_size(cls), pa_class_size(cls), cls);
			if (k % 5 == 0)
				free_through(0, below((unsigned int)oracle.n), k % 2 && nhand < IN_HAND);
		}
		pa_stats_collect(&stats);
		TAP_CHECK(stats.total.count.live == oracle.n + lost);
		pa_slot_abandon(slot);
		pa_stats_collect(&stats);
		TAP_CHECK(stats.total.count.live >= oracle.n + lost);
		TAP_CHECK(pa_stats_identity(&stats.total));
		lost = stats.total.count.live - oracle.n;
		while (nhand)
			enqueue_one();
		for (k = 0; k < 300; k++)
			alloc_from(0, some_class(8));
		while (oracle.n)
			free_through(0, below((unsigned int)oracle.n), false);
		pa_slot_flush(&slots[0]);
		pa_shared_sweep(&slots[0], &node);
		stop(0);
		pa_stats_collect(&stats);
		TAP_CHECK(stats.total.count.live == lost && pa_stats_identity(&stats.total));
		/* What stays is what the bins held. */
		TAP_CHECK(lost <= (r + 1) * 8 * (PA_POOL_SIZE / 16 + 64));
	}
}

int main(void)
{
	unsigned int i;

	pa_options.purge_delay = PA_NEVER;
	pa_node_init(&node, 0);
	for (i = 0; i < SLOTS; i++) {
		pa_slot_init(&slots[i], NULL, NULL);
		pa_slot_register(&slots[i]);
	}
	tap_start(15);
	rng = tap_seed();
	tap_test("one class, many changes of owner", one_class);
	tap_test("few classes, spans among them", few_classes);
	tap_test("all classes", many_classes);
	tap_test("cut and not used: uncut again", uncarved_again);
	tap_test("a loop with one block needs few refills", few_go_round);
	tap_test("bins take freed blocks, so many", bins_take);
	tap_test("a pool whose blocks are all back is cut anew", cut_anew);
	tap_test("and empty themselves now and then", room_ends);
	tap_test("an event that comes late", late_event);
	tap_test("more blocks freed than there are", freed_too_often);
	tap_test("a parked slot keeps what its next owner needs", parked);
	tap_test("freed blocks of spans stay at hand, so many", spans_kept);
	tap_test("and go when the heap has halved", spans_let_go);
	tap_test("a slot lets go while freers are half done", exit_orders);
	tap_test("abandoned slots", abandoned);
	oracle_done(&oracle);
	return tap_finish();
}
