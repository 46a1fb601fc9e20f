// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * common/pa_arena.c against a bitmap per arena, on a node of its own.
 * test-kselftest: yes
 */
#include <sys/mman.h>

#include "pa_options.h"
#include "pa_os.h"
#include "tap.h"

#define ARENAS_MAX	24	/* fewer than a search for a run looks at */
#define RUNS_MAX	(ARENAS_MAX * 64)

static struct pa_node node;
static uint64_t rng;

static struct model {
	struct pa_arena *arena;
	u64 used;
	u64 dirty;	/* before a run is taken */
} model[ARENAS_MAX];
static unsigned int narenas;

static struct {
	struct pa_pool *pool;
	unsigned int npools;
} runs[RUNS_MAX];
static unsigned int nruns;
static unsigned int fresh;

static unsigned int popcount(u64 x)
{
	return (unsigned int)__builtin_popcountll(x);
}

static u64 bits(unsigned int first, unsigned int n)
{
	u64 mask = 0;

	while (n--)
		mask |= 1ULL << (first + n);
	return mask;
}

static bool fits(const struct model *m, unsigned int first, unsigned int n)
{
	return first + n <= 64 && !(m->used & bits(first, n));
}

/* Lowest place for one pool, highest for a run; 0: none. */
static unsigned int place(const struct model *m, unsigned int n)
{
	unsigned int i;

	for (i = 1; i < 64 && n == 1; i++)
		if (fits(m, i, 1))
			return i;
	for (i = 63; i && n > 1; i--)
		if (fits(m, i, n))
			return i;
	return 0;
}

static struct model *model_of(struct pa_arena *arena)
{
	unsigned int i;

	for (i = 0; i < narenas; i++)
		if (model[i].arena == arena)
			return &model[i];
	return NULL;
}

/* Brings the model's list of arenas up to date with the node's. */
static void follow_arenas(void)
{
	struct pa_arena *arena = NULL;
	unsigned int n = 0, i;
	bool there[ARENAS_MAX] = { false };

	while ((arena = pa_arenas_next(&node, arena))) {
		struct model *m = model_of(arena);

		n++;
		if (!m) {
			if (!TAP_CHECK(narenas < ARENAS_MAX))
				tap_bail_out("more arenas than the test expects");
			m = &model[narenas++];
			*m = (struct model){ arena, 1, 0 };
		}
		there[m - model] = true;
		TAP_CHECK(arena->nfree == 64 - popcount(m->used));
		TAP_CHECK((u64)atomic64_read(&arena->free) == ~m->used);
		TAP_CHECK(arena->magic == PA_MAGIC_ARENA && arena->pins == 1);
	}
	TAP_CHECK(node.arenas == n);
	for (i = narenas; i--;)
		if (!there[i]) {
			TAP_CHECK(model[i].used == 1);
			model[i] = model[--narenas];
			there[i] = there[narenas];
		}
}

/* The platform raises the reserve when it sees arenas bounce; here it is the test's. */
static void grow(unsigned int n)
{
	unsigned int reserve = pa_reserve;

	while (n--)
		TAP_CHECK(pa_arenas_grow(&node, 0, 1));
	pa_reserve = reserve;
	follow_arenas();
}

static void get(unsigned int npools)
{
	unsigned int fullest = 64, unused = 0, index, i;
	bool possible = false;
	struct pa_pool *pool;
	struct model *m;

	for (i = 0; i < narenas; i++)
		model[i].dirty = (u64)atomic64_read(&model[i].arena->dirty);
	pool = pa_arenas_get(&node, npools, &fresh);
	for (i = 0; i < narenas; i++)
		if (place(&model[i], npools)) {
			possible = true;
			if (64 - popcount(model[i].used) < fullest)
				fullest = 64 - popcount(model[i].used);
		}
	if (!TAP_CHECK(!!pool == possible))
		tap_diag("a run of %u: %s", npools, possible ? "there is room" : "there is none");
	if (!pool)
		return;
	index = pa_pool_index(pool);
	m = model_of(pa_arena_of(pool));
	if (!TAP_CHECK(m && fits(m, index, npools)))
		return;
	if (!TAP_CHECK(64 - popcount(m->used) == fullest && index == place(m, npools)))
		tap_diag("a run of %u from an arena with %u free at %u; the fullest has %u", npools,
			 64 - popcount(m->used), index, fullest);
	TAP_CHECK(!pool->owner && !pool->free && !pool->remote && !pool->carved);
	TAP_CHECK(pool->npools == npools && !pool->back && pa_pool_head(pool) == pool);
	for (i = 1; i < npools; i++)
		TAP_CHECK(!pool[i].owner && !pool[i].npools && pa_pool_head(pool + i) == pool);
	for (i = 0; i < npools; i++) {
		bool was_used = m->dirty >> (index + i) & 1;

		unused += !was_used;
		TAP_CHECK(was_used || !pool[i].touched);
		pool[i].touched = 1;
	}
	TAP_CHECK(fresh == unused);
	m->used |= bits(index, npools);
	runs[nruns].pool = pool;
	runs[nruns++].npools = npools;
}

static void put(unsigned int i)
{
	struct pa_pool *pool = runs[i].pool;
	struct model *m = model_of(pa_arena_of(pool));

	if (!TAP_CHECK(m))
		return;
	m->used &= ~bits(pa_pool_index(pool), runs[i].npools);
	pool->state = PA_POOL_CURRENT;
	pa_arenas_put(pool);
	runs[i] = runs[--nruns];
}

static unsigned int empty_arenas(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < narenas; i++)
		n += model[i].used == 1;
	return n;
}

static void check_totals(void)
{
	unsigned int i, n, used = 0;

	follow_arenas();
	for (i = 0; i < narenas; i++)
		used += popcount(model[i].used) - 1;
	TAP_CHECK(node.pools == used);
	TAP_CHECK(node.pools_peak >= used && node.arenas_peak >= narenas);
	TAP_CHECK(node.mapped - node.unmapped == narenas);
	TAP_CHECK(empty_arenas() <= pa_reserve + 1);	/* one may have been grown and not used */
	for (i = 0; i < 64; i++) {
		struct pa_arena *a = node.bucket[i];

		TAP_CHECK(!!(node.nonempty >> i & 1) == !!a);
		for (n = 0; a; a = a->next, n++)
			TAP_CHECK(a->nfree == i && i);
	}
}

static unsigned int random_length(void)
{
	unsigned int r = tap_random(&rng) % 8;

	return r < 5 ? 1 : 1 + (unsigned int)tap_random(&rng) % (r == 7 ? PA_SPAN_MAX : 8);
}

static void random_runs(void)
{
	size_t ops = tap_scaled(200000, 3000), k;
	unsigned int target = 0;

	for (k = 0; k < ops; k++) {
		if (k % 500 == 0) {
			target = (unsigned int)tap_random(&rng) % (RUNS_MAX / 4);
			pa_reserve = (unsigned int)tap_random(&rng) % 3;
			pa_arenas_release(&node, pa_reserve);
			follow_arenas();
		}
		if (narenas + 2 < ARENAS_MAX && tap_random(&rng) % 64 == 0 && empty_arenas() == 0)
			grow(1);
		if (nruns < target)
			get(random_length());
		else if (nruns)
			put((unsigned int)tap_random(&rng) % nruns);
		if (k % 16 == 0)
			follow_arenas();
		else if (node.arenas != narenas)
			follow_arenas();
		if (k % 256 == 0)
			check_totals();
	}
	while (nruns)
		put(nruns - 1);
	follow_arenas();
	check_totals();
}

/* Nearly empty arenas drain: under random replacement few arenas stay in use. */
static void fullest_drains(void)
{
	unsigned int i, before;

	pa_reserve = 0;
	pa_arenas_release(&node, 0);
	follow_arenas();
	grow(16);
	for (i = 0; i < 16 * 63; i++)
		get(1);
	while (nruns > 4 * 63)
		put((unsigned int)tap_random(&rng) % nruns);
	follow_arenas();
	before = narenas;
	for (i = 0; i < 40000; i++) {
		put((unsigned int)tap_random(&rng) % nruns);
		get(1);
	}
	follow_arenas();
	tap_diag("a quarter of 16 arenas in use: spread over %u, after 40 000 replacements over %u",
		 before, narenas);
	TAP_CHECK(narenas <= 8);
	while (nruns)
		put(nruns - 1);
	pa_arenas_release(&node, 0);
	follow_arenas();
	TAP_CHECK(!narenas);
}

static void release_and_reserve(void)
{
	struct pa_arena *pinned;
	unsigned int i;

	pa_reserve = 5;
	grow(12);
	TAP_CHECK(pa_arenas_release(&node, 7) == 5 * PA_ARENA_SIZE && node.arenas == 7);
	TAP_CHECK(pa_arenas_release(&node, 7) == 0);
	follow_arenas();
	/* Putting a pool back is what gives surplus arenas away, one at a time. */
	get(1);
	put(0);
	TAP_CHECK(node.arenas == 6);
	pa_reserve = 2;
	for (i = 0; i < 10; i++) {
		follow_arenas();
		get(1);
		put(0);
	}
	TAP_CHECK(node.arenas == 2);
	follow_arenas();
	pinned = pa_arenas_next(&node, NULL);
	TAP_CHECK(pinned && pinned->pins == 1);
	TAP_CHECK(pa_arenas_release(&node, 0) == PA_ARENA_SIZE && node.arenas == 1);
	TAP_CHECK(node.all == pinned && pinned->magic == PA_MAGIC_ARENA);
	pa_arena_unpin(pinned);
	TAP_CHECK(pa_arenas_release(&node, 0) == PA_ARENA_SIZE && !node.arenas && !node.all);
	follow_arenas();
}

/* A walk in steps, while arenas come and go between two of them. */
static void walk_while_changing(void)
{
	struct pa_arena *arena = NULL;
	unsigned int seen = 0;

	pa_reserve = 0;
	grow(8);
	while ((arena = pa_arenas_next(&node, arena))) {
		seen++;
		TAP_CHECK(arena->pins == 1 && arena->magic == PA_MAGIC_ARENA);
		if (seen == 3) {	/* this one stays, the others are recycled */
			TAP_CHECK(pa_arenas_release(&node, 0) == 7 * PA_ARENA_SIZE);
			TAP_CHECK(pa_arenas_grow(&node, 0, 1));
		}
		if (!TAP_CHECK(seen < 20))
			break;
	}
	TAP_CHECK(seen == 3);
	TAP_CHECK(node.arenas == 2);
	pa_arenas_release(&node, 0);
	follow_arenas();
	TAP_CHECK(!narenas);
}

static void hold(void)
{
	size_t rounds = tap_scaled(2000, 100), r;
	struct pa_arena *arena;

	pa_reserve = 1;
	grow(1);
	for (r = 0; r < rounds; r++) {
		u64 want = tap_random(&rng), held;
		unsigned int n = (unsigned int)tap_random(&rng) % 30;
		struct model *m;

		while (nruns < n)
			get(1);
		while (nruns > n)
			put((unsigned int)tap_random(&rng) % nruns);
		arena = pa_arenas_next(&node, NULL);
		m = model_of(arena);
		held = pa_arena_hold(arena, want);
		TAP_CHECK(held == (want & ~m->used));
		m->used |= held;
		if (nruns < 60)
			get(1);
		m->used &= ~held;
		pa_arena_unhold(arena, held);
		TAP_CHECK(!((u64)atomic64_read(&arena->dirty) & held));
		pa_arena_unpin(arena);
		follow_arenas();
	}
	while (nruns)
		put(nruns - 1);
	pa_arenas_release(&node, 0);
	follow_arenas();
}

static bool is_there(const void *p)
{
	unsigned char there = 0;

	return !mincore((void *)((uintptr_t)p & ~(uintptr_t)4095), 4096, &there) && there & 1;
}

static struct pa_pool *get_at(unsigned int npools, unsigned int index)
{
	struct pa_pool *pool = pa_arenas_get(&node, npools, &fresh);

	TAP_CHECK(pool && pa_pool_index(pool) == index);
	runs[nruns].pool = pool;
	runs[nruns++].npools = npools;
	return pool;
}

/* With a fresh pool those behind it get memory, unless they are taken or had it, and are next single ones. */
static void populate(void)
{
	struct pa_arena *arena;
	struct pa_pool *pool, *used;
	unsigned int i;

	pa_reserve = 1;
	TAP_CHECK(pa_arenas_grow(&node, 0, 1));
	pool = get_at(1, 1);
	arena = pa_arena_of(pool);
	if (!pa_pages_populate(pa_pool_base(pool), PA_POOL_SIZE)) {
		tap_diag("the system does not populate");
		goto out;
	}
	get_at(1, 2);
	/* Its neighbour is taken. */
	pa_arenas_populate(pool, 8);
	TAP_CHECK(!atomic64_read(&arena->dirty) && !is_there(pa_pool_base(pool + 2)));
	/* What is known of a free pool that was purged is stale. */
	pool[4].touched = 1;
	pa_arenas_populate(pool + 1, 8);
	TAP_CHECK((u64)atomic64_read(&arena->dirty) == bits(3, 7));
	for (i = 1; i < 9; i++)
		TAP_CHECK(is_there(pa_pool_base(pool + i)));
	TAP_CHECK(!is_there(pa_pool_base(pool + 9)));
	/* They are for single pools: a run has nothing of what was not used. */
	TAP_CHECK(!pa_arenas_get_used(&node, 2));
	used = pa_arenas_get_used(&node, 1);
	TAP_CHECK(used == pool + 2 && !used->touched);
	used->touched = 1;
	used->state = PA_POOL_CURRENT;
	pa_arenas_put(used);
	used = pa_arenas_get_used(&node, 7);
	TAP_CHECK(used == pool + 2 && !atomic64_read(&arena->dirty));
	used->state = PA_POOL_CURRENT;
	pa_arenas_put(used);
	/* Its neighbour has memory. */
	pa_arenas_populate(get_at(1, 3), 64);
	TAP_CHECK((u64)atomic64_read(&arena->dirty) == bits(4, 6));
	TAP_CHECK(!is_there(pa_pool_base(pool + 9)));
	/* To the arena's end. */
	for (i = 4; i < 62; i++)
		get_at(1, i);
	pa_arenas_populate(get_at(1, 62), 64);
	TAP_CHECK((u64)atomic64_read(&arena->dirty) == bits(63, 1));
	pa_arenas_populate(get_at(1, 63), 64);
	TAP_CHECK(!atomic64_read(&arena->dirty));
out:
	while (nruns) {
		pool = runs[--nruns].pool;
		pool->state = PA_POOL_CURRENT;
		pa_arenas_put(pool);
	}
	pa_arenas_release(&node, 0);
}

/*
 * O(1), proved by access: with many arenas, all descriptors but those of the
 * few that a list operation may touch are made inaccessible.
 */
static bool may_touch(struct pa_arena *arena, struct pa_arena *fullest)
{
	return arena == fullest || arena == fullest->next || arena == fullest->prev ||
	       arena == node.bucket[fullest->nfree - 1] || arena == node.bucket[fullest->nfree + 1];
}

static void constant_time(void)
{
	enum { MANY = 200 };
	static struct pa_arena *all[MANY];
	struct pa_arena *arena = NULL, *fullest;
	struct pa_pool *pool;
	unsigned int n = 0, i;

	pa_reserve = MANY;
	for (i = 0; i < MANY; i++)
		TAP_CHECK(pa_arenas_grow(&node, 0, 1));
	for (i = 0; i < MANY; i++)
		TAP_CHECK(pa_arenas_get(&node, 1 + i % 2 * 30, &fresh));
	while ((arena = pa_arenas_next(&node, arena)) && n < MANY)
		all[n++] = arena;
	if (arena)
		pa_arena_unpin(arena);
	TAP_CHECK(n == MANY);
	fullest = node.bucket[__builtin_ctzll(node.nonempty)];
	for (i = 0; i < n; i++)
		if (!may_touch(all[i], fullest))
			TAP_CHECK(!mprotect(all[i], PA_DESC_BYTES, PROT_NONE));
	pool = pa_arenas_get(&node, 1, &fresh);		/* would die of SIGSEGV */
	TAP_CHECK(pool && pa_arena_of(pool) == fullest);
	pool->state = PA_POOL_CURRENT;
	pa_arenas_put(pool);
	for (i = 0; i < n; i++)
		TAP_CHECK(!mprotect(all[i], PA_DESC_BYTES, PROT_READ | PROT_WRITE));
}

int main(void)
{
	/* A fork, a purge or a settled reserve in between would be noise here. */
	pa_options.purge_delay = PA_NEVER;
	pa_node_init(&node, 0);
	tap_start(7);
	rng = tap_seed();
	tap_test("random runs against a bitmap", random_runs);
	tap_test("pools come from the fullest arena, so the others drain", fullest_drains);
	tap_test("release, reserve and pins", release_and_reserve);
	tap_test("a walk while arenas come and go", walk_while_changing);
	tap_test("held pools cannot be taken", hold);
	tap_test("the memory of pools behind a fresh one", populate);
	tap_test("getting and putting a pool looks at no other arenas", constant_time);
	return tap_finish();
}
