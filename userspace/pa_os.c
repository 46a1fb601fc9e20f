// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Memory from the system.
 *
 * Arenas that become wholly empty stay: a program that frees much may need as
 * much again soon. Once per purge_delay it is looked how many of them were
 * empty all the time; so many go back, a few at a time. Nobody looks while a
 * program sleeps, so one that has run for long enough gives back at once: time
 * is credit, see pa_spend_credit().
 *
 * An arena that the heap gives back loses its block pages at once, but stays
 * mapped and can be taken again (it is "retired"): a reader may still look at
 * its descriptors. What is still retired a look later is unmapped, if nobody
 * reads; pa_os_trim() waits for a grace period, pa_os_reclaim() does not.
 */
#define _GNU_SOURCE
#include "pa_os.h"
#include "pa_chunk.h"
#include "pa_hole.h"
#include "pa_large.h"
#include "pa_options.h"

#include <errno.h>
#include <limits.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE	0x100000
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE	23
#endif

/* Arenas that one call looks at, or gives back, at most. */
#define PA_PURGE_STEP	8

/*
 * Time that an arena costs of the credit: 32 ms for a MiB. To give that back and
 * to touch it again takes 0.7 ms, so this may cost 2 % of the time, at worst.
 */
#define PA_CREDIT_MS	((32 * PA_ARENA_SIZE) >> 20)

/* Runs of so many pools are of blocks that may be used at their beginnings only. */
#define PA_LONG_RUN	(PA_POOL_SHIFT == 12 ? 8 : 3)

size_t pa_page_size = 4096;

/* Loans (PA_EMPTY_LOAN): 16 MiB, but no more than a sixteenth of the limit. */
#define PA_LOANS	16
#define PA_LOAN_PART	16

static pa_lock_t pa_os_mutex = PA_LOCK_INITIALIZER;

static struct {
	struct pa_arena *retired;	/* linked by @next, newest first; pa_os_mutex */
	size_t heap;			/* bytes of arenas in use; pa_os_mutex */
	u64 hidings;			/* calls of pa_os_hide(); pa_os_mutex */
	u64 given;			/* when an arena went back last; pa_os_mutex */
	bool thin;			/* no huge pages for now; pa_os_mutex */
	u64 credit;			/* time before this is spent; racy */

	bool busy;			/* somebody looks at idle memory; atomic */
	/* Of who is busy. */
	bool looking;			/* a look has begun and not ended; read by any */
	bool large;			/* and has not seen all freed large blocks yet */
	u32 looks;			/* how many have begun; read by any */
	unsigned int surplus;		/* arenas that it still has to give back */
	struct pa_arena *cursor;	/* where it goes on, pinned */
	u64 looked;			/* when the last one ended; read by any */
} pa_os;

static size_t pa_charged;	/* bytes mapped, against the limit; atomic */
static size_t pa_peak;		/* the most it was; only nearly so */
static u64 pa_maps;		/* mappings asked for, for fail_nth; atomic */

void pa_os_lock(void)
{
	pa_lock(&pa_os_mutex);
}

void pa_os_unlock(void)
{
	pa_unlock(&pa_os_mutex);
}

/* Milliseconds of a clock that costs no system call. */
u64 pa_os_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (u64)ts.tv_sec * 1000 + (u64)ts.tv_nsec / 1000000;
}

/* From now on, and for a delay, nothing goes back at once. */
static void pa_no_credit(u64 now)
{
	WRITE_ONCE(pa_os.credit, now + pa_options.purge_delay);
}

void pa_os_init(void)
{
	/* sysconf() would touch a table of libc's that nothing else at a program's start needs. */
	pa_page_size = getauxval(AT_PAGESZ);
	/* Nothing goes at once, unless there is no delay. */
	pa_reserve = pa_options.purge_delay ? UINT_MAX :
					      (unsigned int)pa_options.arena_reserve;
}

/*
 * How often threads may borrow room for empty pools: so many MiB, in all, can
 * wait for their next use where other threads do not find them.
 */
u32 pa_os_loans(void)
{
	u64 share = pa_options.limit / PA_LOAN_PART / (PA_EMPTY_LOAN * PA_POOL_SIZE);

	return share < PA_LOANS ? (u32)share : PA_LOANS;
}

/* Bytes of arenas that the heap has. The lock is held. */
size_t pa_os_heap(void)
{
	return pa_os.heap;
}

/* Arenas and large blocks together: are huge pages small in comparison? */
bool pa_os_is_big(void)
{
	return READ_ONCE(pa_charged) >= PA_THP_LEAST;
}

/* Counts @bytes against the limit. Return: false if they do not fit. */
bool pa_os_charge(size_t bytes)
{
	size_t now = READ_ONCE(pa_charged);

	do {
		if (bytes > pa_options.limit || now > pa_options.limit - bytes)
			return false;
	} while (!try_cmpxchg(&pa_charged, &now, now + bytes));
	if (now + bytes > READ_ONCE(pa_peak))
		WRITE_ONCE(pa_peak, now + bytes);
	return true;
}

void pa_os_uncharge(size_t bytes)
{
	__atomic_fetch_sub(&pa_charged, bytes, __ATOMIC_RELAXED);
}

/* True if POOLALLOC=fail_nth=N says that this mapping fails. */
bool pa_os_inject_failure(void)
{
	u64 nth = pa_options.fail_nth;

	return nth && __atomic_add_fetch(&pa_maps, 1, __ATOMIC_RELAXED) % nth == 0;
}

/**
 * pa_os_reserve() - map memory that starts at a multiple of @align
 * @size: bytes, a multiple of the page size
 * @align: a power of two, at least the page size
 *
 * Maps more than needed and cuts it to size.
 * Context: any; leaves errno alone.
 * Return: zeroed memory, or NULL.
 */
void *pa_os_reserve(size_t size, size_t align)
{
	size_t slack = align - pa_page_size;
	int saved = errno;
	size_t front;
	char *p;

	if (size > (size_t)PTRDIFF_MAX - slack)
		return NULL;
	p = mmap(NULL, size + slack, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		errno = saved;
		return NULL;
	}
	front = -(uintptr_t)p & (align - 1);
	if (front)
		munmap(p, front);
	if (slack > front)
		munmap(p + front + size, slack - front);
	errno = saved;
	return p + front;
}

/**
 * pa_os_map_at() - map memory where nobody has any
 * @want: the address, a multiple of the page size
 * @size: bytes, a multiple of the page size
 *
 * Context: any; leaves errno alone.
 * Return: 0, -EEXIST: somebody has, or -ENOMEM.
 */
int pa_os_map_at(void *want, size_t size)
{
	int saved = errno, err = 0;
	void *p = mmap(want, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p == MAP_FAILED) {
		err = errno == EEXIST ? -EEXIST : -ENOMEM;
	} else if (p != want) {
		/* A kernel or a simulator that does not know the flag. */
		munmap(p, size);
		err = -EEXIST;
	}
	errno = saved;
	return err;
}

/* Contract: the memory stays, what is in it goes. */
void pa_pages_release(void *p, size_t size)
{
	int saved = errno;

	madvise(p, size, MADV_DONTNEED);
	errno = saved;
}

/*
 * Contract: the memory is there afterwards, as if each page had been written to.
 * False: it is not, or comes in huge pages anyway. Linux knows how since 5.14;
 * some sandboxes forbid it.
 */
bool pa_pages_populate(void *p, size_t size)
{
	static bool refused;
	int saved = errno;
	bool done;

	if (READ_ONCE(refused) || pa_chunk_is_huge(p))
		return false;
	done = !madvise(p, size, MADV_POPULATE_WRITE);
	if (!done && (errno == EINVAL || errno == EPERM))
		WRITE_ONCE(refused, true);
	errno = saved;
	return done;
}

/* The lock is held. Taking one that has just gone back means: it was too early. */
static struct pa_arena *pa_arena_unretire(void)
{
	struct pa_arena *arena = pa_os.retired;
	u64 now;

	if (!arena)
		return NULL;
	pa_os.retired = arena->next;
	now = pa_os_clock();
	if (now - pa_os.given <= 1000)
		pa_no_credit(now);
	return arena;
}

/* @long_run: see pa_chunk_take(). */
static void *pa_arena_take(bool long_run, bool *fresh)
{
	struct pa_arena *arena;
	char *base;

	pa_os_lock();
	/* The others are full now. */
	if (pa_os.thin)
		pa_chunks_settle(true);
	pa_os.thin = false;
	arena = pa_arena_unretire();
	*fresh = !arena;
	base = arena ? pa_arena_base(arena) : pa_chunk_take(long_run);
	if (base)
		pa_os.heap += PA_ARENA_SIZE;
	pa_os_unlock();
	return base;
}

/*
 * If @bytes on top would be a new peak, freed large blocks that are kept for later go back.
 * Return: by how much it still would be one.
 */
static size_t pa_os_purge_for(size_t bytes)
{
	size_t now = READ_ONCE(pa_charged) + bytes, peak = READ_ONCE(pa_peak), some;

	if (pa_options.purge_delay == PA_NEVER)
		return 0;
	while (now > peak && (some = pa_large_purge(pa_os_clock(), 0, now - peak)))
		now -= some < now ? some : now;
	return now > peak ? now - peak : 0;
}

/**
 * pa_arena_map() - contract: memory for one arena
 * @nid: unused
 * @gfp: unused
 * @npools: how many it is wanted for; every arena is whole
 * @fresh: set to false if the descriptors are as pa_arena_unmap() left them
 *
 * Return: naturally aligned memory, or NULL: no memory, limit, fail_nth.
 */
void *pa_arena_map(unsigned int nid, pa_gfp_t gfp, unsigned int npools, bool *fresh)
{
	void *p = NULL;
	bool again;

	(void)nid;
	(void)gfp;
	if (pa_os_inject_failure())
		return NULL;
	pa_os_purge_for(PA_ARENA_SIZE);
	do {
		if (pa_os_charge(PA_ARENA_SIZE)) {
			p = pa_arena_take(npools >= PA_LONG_RUN, fresh);
			if (!p)
				pa_os_uncharge(PA_ARENA_SIZE);
		}
		again = !p && pa_os_reclaim();
	} while (again);
	return p;
}

/**
 * pa_arena_unmap() - contract: an arena has left the heap
 * @arena: on no list any more; readers may still stand on it
 */
void pa_arena_unmap(struct pa_arena *arena)
{
	pa_pages_release(pa_arena_base(arena) + PA_POOL_SIZE, PA_ARENA_SIZE - PA_POOL_SIZE);
	pa_os_uncharge(PA_ARENA_SIZE);
	pa_os_lock();
	pa_os.heap -= PA_ARENA_SIZE;
	pa_os.given = pa_os_clock();
	arena->next = pa_os.retired;
	pa_os.retired = arena;
	pa_os_unlock();
}

/* Gives the pages of held pools back, a run of neighbours at a time. */
static size_t pa_purge_held(struct pa_arena *arena, u64 held)
{
	size_t bytes = 0;

	while (held) {
		unsigned int first = (unsigned int)__builtin_ctzll(held);
		u64 rest = ~(held >> first);
		unsigned int n = rest ? (unsigned int)__builtin_ctzll(rest) : 64 - first;

		pa_pages_release(pa_arena_base(arena) + first * PA_POOL_SIZE, n * PA_POOL_SIZE);
		bytes += n * PA_POOL_SIZE;
		held &= n + first < 64 ? ~0ULL << (n + first) : 0;
	}
	return bytes;
}

/* Pages of free pools can only be given back if pools are whole pages. */
static bool pa_can_purge(void)
{
	return pa_page_size <= PA_POOL_SIZE;
}

static size_t pa_purge_arena(struct pa_arena *arena, u64 which)
{
	u64 held = pa_arena_hold(arena, which);
	size_t bytes;

	if (!held)
		return 0;
	bytes = pa_purge_held(arena, held);
	pa_arena_unhold(arena, held);
	return bytes;
}

/* Pages inside the calling thread's own pools. */
static size_t pa_punch_own(struct pa_arena *arena, bool now)
{
	struct pa_bins *bins;
	size_t bytes;

	if (pa_page_size != PA_PAGE)
		return 0;
	bins = pa_slot_enter();
	if (!bins)
		return 0;
	bytes = pa_hole_punch(bins->slot, arena, now);
	pa_slot_leave(bins);
	return bytes;
}

/* Hides retired arenas, and what else is idle if @all. The lock is held. */
static void pa_os_hide(bool all)
{
	struct pa_arena *arena;

	while ((arena = pa_os.retired)) {
		pa_os.retired = arena->next;
		pa_chunk_hide(arena);
	}
	if (all)
		pa_chunk_hide_idle();
	pa_os.hidings++;
}

/*
 * Unmaps what is idle, if nobody reads.
 * Return: bytes of address space.
 */
static size_t pa_os_unmap(bool all)
{
	size_t bytes = 0;

	pa_os_lock();
	if (pa_no_readers()) {
		pa_os_hide(all);
		if (pa_no_readers())
			bytes = pa_chunk_unmap_hidden();
	}
	pa_os_unlock();
	return bytes;
}

/* The same with all that is idle; waits for readers, but not if the caller is one. */
static void pa_os_unmap_wait(void)
{
	bool quiet;
	u64 mine;

	pa_os_lock();
	pa_os_hide(true);
	mine = pa_os.hidings;
	quiet = pa_no_readers();
	if (quiet)
		pa_chunk_unmap_hidden();
	pa_os_unlock();
	if (quiet || !pa_rcu_may_wait())
		return;
	/* What is hidden nobody takes meanwhile. */
	if (!pa_wait_for_readers())
		return;
	pa_os_lock();
	/* Who has hidden more since then unmaps it all, a grace period later. */
	if (mine == pa_os.hidings)
		pa_chunk_unmap_hidden();
	pa_os_unlock();
}

/* Wholly empty, and not one of those that are always kept. */
static bool pa_arena_is_surplus(struct pa_arena *arena)
{
	return (u64)atomic64_read(&arena->free) == PA_ALL_POOLS &&
	       READ_ONCE(pa_nodes[0]->empty) > pa_options.arena_reserve;
}

/*
 * A part of a look at the used arenas: pools that were free and dirty at the
 * last look, a delay ago, and still are, lose their pages. The arena where it
 * goes on stays pinned. The caller holds pa_os.busy.
 * Return: true if that was the last part.
 */
static bool pa_purge_aged(void)
{
	unsigned int n;

	for (n = 0; n < PA_PURGE_STEP; n++) {
		struct pa_arena *arena = pa_arenas_step(pa_nodes[0], pa_os.cursor);
		u64 dirty, aged;

		pa_os.cursor = arena;
		if (!arena)
			return true;
		if (pa_arena_is_surplus(arena))
			continue;
		dirty = (u64)(atomic64_read(&arena->dirty) & atomic64_read(&arena->free));
		aged = dirty & (u64)atomic64_read(&arena->aged);
		if (aged)
			pa_purge_arena(arena, aged);
		pa_punch_own(arena, false);
		atomic64_set(&arena->aged, (s64)(dirty & ~aged));
	}
	return false;
}

/*
 * Where huge pages were asked for, the system makes them also of what was given
 * back in pages, one 2 MiB after the other, all of it memory again (khugepaged,
 * max_ptes_none). So none are asked for while more than half of the heap is free,
 * until three quarters are in use again or it grows (pa_arena_take()).
 */
static void pa_look_thin(void)
{
	struct pa_node *node = pa_nodes[0];
	size_t used;

	if (pa_options.thp != PA_THP_AUTO)
		return;
	pa_lock(&node->lock);
	used = node->pools * PA_POOL_SIZE;
	pa_unlock(&node->lock);
	pa_os_lock();
	if (pa_os.thin ? used >= pa_os.heap / 4 * 3 : used < pa_os.heap / 2) {
		pa_os.thin = !pa_os.thin;
		pa_chunks_settle(!pa_os.thin);
	}
	pa_os_unlock();
}

/* The wholly empty arenas that nobody has needed since the last look. */
static void pa_look_begin(void)
{
	u64 keep = pa_options.arena_reserve, unused = pa_arenas_unused(pa_nodes[0]);

	pa_parked_look();
	WRITE_ONCE(pa_os.looks, pa_os.looks + 1);
	pa_os_unmap(false);
	pa_look_thin();
	pa_os.surplus = unused > keep ? (unsigned int)(unused - keep) : 0;
	WRITE_ONCE(pa_os.looking, true);
	pa_os.large = true;
}

static void pa_look_surplus(void)
{
	unsigned int step = pa_os.surplus < PA_PURGE_STEP ? pa_os.surplus : PA_PURGE_STEP;
	unsigned int empty = READ_ONCE(pa_nodes[0]->empty);

	pa_os.surplus -= step;
	pa_arenas_release_some(pa_nodes[0], empty > step ? empty - step : 0, step);
}

/* Has the program run for long enough for one empty arena to go back at once, and is there one? */
static bool pa_has_credit(u64 now)
{
	return now >= READ_ONCE(pa_os.credit) + PA_CREDIT_MS &&
	       READ_ONCE(pa_nodes[0]->empty) > pa_options.arena_reserve;
}

static void pa_spend_credit(u64 now)
{
	if (!pa_has_credit(now))
		return;
	WRITE_ONCE(pa_os.credit, READ_ONCE(pa_os.credit) + PA_CREDIT_MS);
	pa_arenas_release_some(pa_nodes[0], (unsigned int)pa_options.arena_reserve, 1);
}

/* Is there anything for pa_look() to do? Mostly not, and then nothing is written, nor waited for. */
static bool pa_look_due(u64 now)
{
	return READ_ONCE(pa_os.looking) || !READ_ONCE(pa_os.credit) ||
	       now - READ_ONCE(pa_os.looked) >= pa_options.purge_delay || pa_has_credit(now);
}

/* One step of a look; a look begins a delay after the last one has ended. */
static void pa_look(u64 now)
{
	if (!READ_ONCE(pa_os.credit))
		pa_no_credit(now);
	if (!pa_os.looking) {
		if (now - pa_os.looked >= pa_options.purge_delay)
			pa_look_begin();
		else
			pa_spend_credit(now);
	} else if (pa_os.surplus) {
		pa_look_surplus();
	} else if (pa_os.large) {
		pa_os.large = pa_large_purge(now, pa_options.purge_delay, SIZE_MAX);
	} else if (!pa_can_purge() || pa_purge_aged()) {
		WRITE_ONCE(pa_os.looked, now);
		WRITE_ONCE(pa_os.looking, false);
	}
}

/**
 * pa_idle() - contract: a pool became free; look after idle memory
 * @nid: unused
 *
 * Called on a slow path with nothing locked. Most calls only read the clock;
 * one that finds work to do looks at PA_PURGE_STEP arenas at most, or gives
 * so many back, and the next one goes on.
 */
void pa_idle(unsigned int nid)
{
	u64 now;

	(void)nid;
	if (pa_options.purge_delay == PA_NEVER || READ_ONCE(pa_os.busy))
		return;
	now = pa_os_clock();
	/* The swap waits for all that the thread has stored: hundreds of cycles if much is not in the cache. */
	if (!pa_look_due(now) || xchg(&pa_os.busy, true))
		return;
	pa_thread.walking++;
	pa_look(now);
	pa_thread.walking--;
	/* What this look has seen, the next one finds. Pairs with the xchg above. */
	smp_store_release(&pa_os.busy, false);
}

/*
 * Gives back what the calling thread's slot does not need: once for each look at idle
 * memory the blocks that are kept at hand go to their pools, and what was empty all the
 * time since the look before goes to the arenas, a step at each call.
 */
static void pa_look_own(struct pa_slot *slot, u32 looks)
{
	struct pa_bins *bins = pa_slot_enter();

	if (!bins)
		return;
	if (slot->looks != looks) {
		slot->looks = looks;
		pa_slot_release_kept(slot);
		pa_slot_look(slot);
	}
	pa_slot_release_surplus(slot);
	pa_slot_leave(bins);
}

/**
 * pa_os_look() - look after idle memory, to be called now and then
 * @slot: of the calling thread, not entered
 */
void pa_os_look(struct pa_slot *slot)
{
	u32 looks;

	pa_idle(0);
	looks = READ_ONCE(pa_os.looks);
	if (slot->looks != looks || slot->surplus)
		pa_look_own(slot, looks);
}

/**
 * pa_os_trim() - give back all idle memory now
 *
 * May wait for a grace period, unless the caller is in a read-side section.
 * Return: bytes.
 */
size_t pa_os_trim(void)
{
	struct pa_arena *arena = NULL;
	size_t bytes = 0;

	while (pa_can_purge() && (arena = pa_arenas_step(pa_nodes[0], arena))) {
		bytes += pa_purge_arena(arena, (u64)atomic64_read(&arena->dirty));
		bytes += pa_punch_own(arena, true);
	}
	bytes += pa_large_purge_all();
	pa_os_unmap_wait();
	return bytes;
}

/* The calling thread's empty pools go to their arenas. */
static void pa_release_own_empty(void)
{
	struct pa_bins *bins = pa_slot_enter();

	if (!bins)
		return;
	pa_slot_release_all_empty(bins->slot);
	pa_slot_leave(bins);
}

/**
 * pa_os_make_room() - a large mapping of @bytes is about to come on top
 *
 * If that would be a new peak, freed large blocks, empty pools if the thread has borrowed
 * room for them, and empty arenas that are kept for later go back instead: what is kept
 * never makes a program's peak higher.
 *
 * Context: nothing held.
 */
void pa_os_make_room(size_t bytes)
{
	size_t over = pa_os_purge_for(bytes), arenas = over ? (over - 1) / PA_ARENA_SIZE + 1 : 0;

	if (arenas && pa_thread.slot->loans)
		pa_release_own_empty();
	if (arenas && READ_ONCE(pa_nodes[0]->empty) > pa_options.arena_reserve)
		pa_arenas_release_some(pa_nodes[0], (unsigned int)pa_options.arena_reserve,
				       arenas < UINT_MAX ? (unsigned int)arenas : UINT_MAX);
}

/**
 * pa_os_reclaim() - the system or the limit has refused memory: give back all
 * that is idle
 *
 * Context: allocation, nothing held, outside of slow paths. Does not wait.
 * Return: true if it is worth trying again.
 */
bool pa_os_reclaim(void)
{
	size_t bytes = pa_large_purge_all();

	pa_release_own_empty();
	bytes += pa_arenas_release(pa_nodes[0], 0);
	bytes += pa_os_unmap(true);
	return bytes;
}

void pa_os_fork_child(void)
{
	pa_lock_init(&pa_os_mutex);
	pa_readers = pa_thread.reading;
	pa_plain_readers = pa_thread.reading;
	pa_os.busy = false;
	if (!pa_thread.walking)
		pa_os.cursor = NULL;
}
