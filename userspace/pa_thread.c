// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Threads get a slot at their first allocation and let it go at their end.
 * Slots are never unmapped; the slots of ended threads are used again, the
 * last few of them with the pools that they allocated from.
 *
 * Fork: the handlers hold every lock across fork(), so that the child finds
 * consistent lists. The slots of the threads that do not exist in the child
 * may be in any state; they are abandoned, see pa_slot_abandon().
 */
#define _GNU_SOURCE
#include "pa_pagemap.h"
#include "pa_user.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

PA_TLS struct pa_thread pa_thread = { .slot = &pa_slot_none };

uintptr_t pa_lowest = UINTPTR_MAX;
bool pa_system;

/* In a forked child: a thread that is gone may hold liburcu's locks. */
static bool pa_rcu_lost;

static pa_lock_t pa_init_mutex = PA_LOCK_INITIALIZER;
static pa_lock_t pa_bins_mutex = PA_LOCK_INITIALIZER;
static struct pa_node pa_only_node;

/*
 * The slot of a thread. Between two threads it is parked, and the next one
 * finds warm pools; or it is stopped, and has none.
 */
struct pa_thread_slot {
	struct pa_slot slot;
	struct pa_bins kept;	/* its bins while it is parked */
};

/*
 * PA_PARKED_LEAST slots may be parked whatever they keep, PA_PARKED_MOST as long as all of
 * them have PA_PARKED_POOLS at most: what they keep is of no use to others.
 */
#define PA_PARKED_LEAST	8
#define PA_PARKED_POOLS	1024
#define PA_PARKED_MOST	64

static struct pa_thread_slot pa_first_slot;
static pthread_key_t pa_key;
static bool pa_have_key;
static bool pa_started;

/* Slots without a thread, under pa_init_mutex. */
static struct pa_slot *pa_free_slots;
static struct pa_thread_slot *pa_parked[PA_PARKED_MOST];	/* oldest first */
static unsigned int pa_nparked;		/* read without the lock as a hint */
static u64 pa_parked_pools;		/* likewise; of all of them */
static unsigned int pa_parked_least;	/* since the last pa_parked_look() */
static char *pa_slot_next;
static char *pa_slot_end;

#define PA_SLOT_BATCH	65536

static_assert(offsetof(struct pa_bins, bin) == offsetof(struct pa_thread, bin) &&
	      offsetof(struct pa_bins, room) == offsetof(struct pa_thread, room) &&
	      PA_THREAD_ROOMS == PA_ROOMS, "struct pa_thread starts with its bins");

void pa_bins_lock(void)
{
	pa_lock(&pa_bins_mutex);
}

void pa_bins_unlock(void)
{
	pa_unlock(&pa_bins_mutex);
}

bool pa_fallback_enter(struct pa_node *node)
{
	if (pa_thread.level)
		return false;
	pa_lock(&node->fallback_lock);
	return true;
}

void pa_fallback_leave(struct pa_node *node)
{
	pa_unlock(&node->fallback_lock);
}

const char *pa_slot_name(const struct pa_slot *slot)
{
	return slot == &pa_only_node.fallback ? "fallback" : "thread";
}

/* The core's rcu_read_lock(). A section of the other kind may come inside, not vice versa. */
void pa_read_lock(void)
{
	/* Counted before anything is read. Pairs with pa_no_readers(). */
	__atomic_fetch_add(&pa_readers, 1, __ATOMIC_SEQ_CST);
	if (urcu_bp_reader && !pa_thread.reading) {
		urcu_bp_read_lock();
	} else {
		pa_thread.reading++;
		__atomic_fetch_add(&pa_plain_readers, 1, __ATOMIC_SEQ_CST);
	}
}

void pa_read_unlock(void)
{
	if (!pa_thread.reading) {
		urcu_bp_read_unlock();
	} else {
		__atomic_fetch_sub(&pa_plain_readers, 1, __ATOMIC_RELEASE);
		pa_thread.reading--;
	}
	__atomic_fetch_sub(&pa_readers, 1, __ATOMIC_RELEASE);
}

/* Is the application reading? Asking liburcu would register the thread. */
static bool pa_rcu_reading(void)
{
	return urcu_bp_reader && rcu_read_ongoing();
}

/* May the caller wait for a grace period? */
bool pa_rcu_may_wait(void)
{
	return !pa_rcu_lost && !pa_rcu_reading();
}

/**
 * pa_wait_for_readers() - wait for the core's read-side sections of now
 *
 * Those that are only counted are short, but if new ones come all the time,
 * it gives up.
 * Context: pa_rcu_may_wait(), no lock held.
 * Return: true if they have all ended.
 */
bool pa_wait_for_readers(void)
{
	unsigned int tries;

	synchronize_rcu();
	for (tries = 0; tries < 1000; tries++) {
		/* What was taken out of sight is. Pairs with pa_read_lock(). */
		smp_mb();
		if (!READ_ONCE(pa_plain_readers))
			return true;
		sched_yield();
	}
	return false;
}

static struct pa_thread_slot *pa_slot_cut(void)
{
	size_t size = (sizeof(struct pa_thread_slot) + 63) & ~(size_t)63;
	struct pa_thread_slot *t;

	if ((size_t)(pa_slot_end - pa_slot_next) < size) {
		char *p = pa_os_reserve(PA_SLOT_BATCH, pa_page_size);

		if (!p)
			return NULL;
		pa_slot_next = p;
		pa_slot_end = p + PA_SLOT_BATCH;
	}
	t = (struct pa_thread_slot *)pa_slot_next;
	pa_slot_next += size;
	pa_slot_init(&t->slot, NULL, NULL);
	pa_slot_register(&t->slot);
	return t;
}

/* Takes the @i-th parked slot, under pa_init_mutex. */
static struct pa_thread_slot *pa_unpark(unsigned int i)
{
	struct pa_thread_slot *t = pa_parked[i];

	WRITE_ONCE(t->slot.parked, false);
	WRITE_ONCE(pa_nparked, pa_nparked - 1);
	WRITE_ONCE(pa_parked_pools, pa_parked_pools - t->slot.pools);
	if (pa_nparked < pa_parked_least)
		pa_parked_least = pa_nparked;
	for (; i < pa_nparked; i++)
		pa_parked[i] = pa_parked[i + 1];
	return t;
}

/* A slot for a new thread: the one parked last, or one that has nothing. */
static struct pa_thread_slot *pa_slot_get(bool *parked)
{
	struct pa_thread_slot *t = NULL;

	pa_lock(&pa_init_mutex);
	*parked = pa_nparked;
	if (*parked) {
		t = pa_unpark(pa_nparked - 1);
	} else if (pa_free_slots) {
		t = container_of(pa_free_slots, struct pa_thread_slot, slot);
		pa_free_slots = t->slot.next_free;
	} else {
		t = pa_slot_cut();
	}
	pa_unlock(&pa_init_mutex);
	return t;
}

static void pa_slot_put(struct pa_slot *slot)
{
	pa_lock(&pa_init_mutex);
	slot->next_free = pa_free_slots;
	pa_free_slots = slot;
	pa_unlock(&pa_init_mutex);
}

/* May one more slot with @pools be parked? Without the lock, a hint. */
static bool pa_parked_room(u64 pools)
{
	unsigned int n = READ_ONCE(pa_nparked);

	return n < PA_PARKED_LEAST ||
	       (n < PA_PARKED_MOST && READ_ONCE(pa_parked_pools) + pools <= PA_PARKED_POOLS);
}

static bool pa_parked_put(struct pa_thread_slot *t)
{
	bool room;

	pa_lock(&pa_init_mutex);
	room = pa_parked_room(t->slot.pools);
	if (room) {
		WRITE_ONCE(t->slot.parked, true);
		pa_parked[pa_nparked] = t;
		WRITE_ONCE(pa_nparked, pa_nparked + 1);
		WRITE_ONCE(pa_parked_pools, pa_parked_pools + t->slot.pools);
	}
	pa_unlock(&pa_init_mutex);
	return room;
}

/* What the thread's own bins have of classes that it has not used lately. */
static bool pa_reclaim_own(void)
{
	struct pa_bins *bins = pa_thread.state == PA_THREAD_READY ? pa_slot_enter() : NULL;
	bool some;

	if (!bins)
		return false;
	some = pa_slot_release_stale(bins->slot);
	pa_slot_leave(bins);
	return some;
}

/* Stops the slot that has been parked longest. Return: false if there was none. */
static bool pa_reclaim_parked(void)
{
	struct pa_thread_slot *t = NULL;

	if (!READ_ONCE(pa_nparked))
		return false;
	pa_thread.level++;
	pa_lock(&pa_init_mutex);
	if (pa_nparked)
		t = pa_unpark(0);
	pa_unlock(&pa_init_mutex);
	if (t) {
		pa_slot_stop(&t->slot);
		pa_slot_put(&t->slot);
	}
	pa_thread.level--;
	return t;
}

/**
 * pa_reclaim() - contract: let go what waits to be used again
 *
 * Blocks in bins that the caller no longer fills; then the slot that has been parked
 * longest.
 * Return: false if there was none, or inside a slow path.
 */
bool pa_reclaim(void)
{
	return !pa_thread.level && (pa_reclaim_own() || pa_reclaim_parked());
}

/* Once per delay: slots that nobody wanted since the last time are stopped. */
void pa_parked_look(void)
{
	unsigned int least;

	if (!READ_ONCE(pa_nparked) || pa_thread.level)
		return;
	pa_lock(&pa_init_mutex);
	least = pa_parked_least;
	pa_parked_least = pa_nparked;
	pa_unlock(&pa_init_mutex);
	while (least-- && pa_reclaim_parked())
		;
}

static void pa_thread_end(void)
{
	struct pa_thread_slot *t = container_of(pa_thread.slot, struct pa_thread_slot, slot);
	bool room = pa_parked_room(0);

	pa_thread.level++;
	pa_thread.state = PA_THREAD_GONE;
	if (room)
		pa_slot_park(&t->slot, &t->kept);
	pa_thread.slot = &pa_slot_none;
	if (!room || !pa_parked_put(t)) {
		pa_slot_stop(&t->slot);
		pa_slot_put(&t->slot);
	}
	pa_thread.level--;
}

/*
 * Destructors of other keys may still allocate and free. libc goes round
 * several times, so the slot is let go in a late round.
 */
static void pa_key_destructor(void *value)
{
	uintptr_t round = (uintptr_t)value;

	if (pa_thread.state != PA_THREAD_READY)
		return;
	if (round + 1 < _POSIX_THREAD_DESTRUCTOR_ITERATIONS &&
	    !pthread_setspecific(pa_key, (void *)(round + 1)))
		return;
	pa_thread_end();
}

/*
 * liburcu's locks are taken first, by its own hook: the application may have
 * called it already. Where ours is in front of it (pa_fork_hooks.c) that is
 * counted. Where it is not, all signals are blocked if the application has,
 * but it may have blocked them for reasons of its own: then the child does
 * without liburcu's locks.
 */
static bool pa_fork_all_blocked(void)
{
	sigset_t mask;

	return !pthread_sigmask(SIG_BLOCK, NULL, &mask) &&
	       sigismember(&mask, SIGUSR1) == 1 && sigismember(&mask, SIGCHLD) == 1 &&
	       sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGALRM) == 1;
}

static bool pa_fork_counted(void)
{
	void (*volatile front)(void) = urcu_bp_before_fork;

	return pa_hook_before_fork && front == pa_hook_before_fork;
}

static bool pa_fork_may_hook(void)
{
	if (pa_thread.hooks)
		return true;
	/* Who waits for this reader holds the lock. */
	if (pa_rcu_lost || pa_rcu_reading())
		return false;
	return pa_fork_counted() || !pa_fork_all_blocked();
}

/*
 * Several threads may fork at once, in any mix of the cases: who forks is
 * noted, and read again, under pa_init_mutex.
 */
static struct pa_thread *pa_fork_by;
static bool pa_fork_hooked;

static __pa_cold void pa_fork_prepare(void)
{
	bool hook;

	/* A signal handler that forks inside a slow path: nothing can be locked. */
	if (pa_thread.level)
		return;
	hook = pa_fork_may_hook();
	if (hook)
		urcu_bp_before_fork();
	pa_free_rcu_lock();
	pa_lock(&pa_init_mutex);
	pa_lock(&pa_only_node.fallback_lock);
	pa_large_lock();
	pa_lock(&pa_bins_mutex);
	pa_lock(&pa_only_node.lock);
	pa_os_lock();
	pa_pagemap_lock();
	pa_fork_hooked = hook;
	WRITE_ONCE(pa_fork_by, &pa_thread);
}

static __pa_cold void pa_fork_parent(void)
{
	bool hooked;

	if (READ_ONCE(pa_fork_by) != &pa_thread)
		return;
	hooked = pa_fork_hooked;
	WRITE_ONCE(pa_fork_by, NULL);
	pa_pagemap_unlock();
	pa_os_unlock();
	pa_unlock(&pa_only_node.lock);
	pa_unlock(&pa_bins_mutex);
	pa_large_unlock();
	pa_unlock(&pa_only_node.fallback_lock);
	pa_unlock(&pa_init_mutex);
	pa_free_rcu_unlock();
	if (hooked)
		urcu_bp_after_fork_parent();
}

static void pa_abandon_others(void)
{
	struct pa_slot *slot;

	for (slot = pa_slots; slot; slot = slot->next_slot)
		if (slot != pa_thread.slot && slot != &pa_only_node.fallback &&
		    READ_ONCE(slot->dead) == PA_SLOT_LIVE && !slot->parked)
			pa_slot_abandon(slot);
}

static __pa_cold void pa_fork_child(void)
{
	if (pa_fork_by != &pa_thread)
		return;
	pa_fork_by = NULL;
	pa_rcu_lost = !pa_fork_hooked;
	pa_os_fork_child();
	pa_pagemap_fork_child();
	pa_lock_init(&pa_only_node.lock);
	pa_lock_init(&pa_bins_mutex);
	pa_large_fork_child();
	pa_lock_init(&pa_only_node.fallback_lock);
	pa_lock_init(&pa_init_mutex);
	pa_thread.level = 1;
	pa_abandon_others();
	/* A visitor or a signal handler that forks goes on walking in the child. */
	if (!pa_thread.walking)
		pa_arenas_forked(&pa_only_node);
	pa_thread.level = 0;
	pa_free_rcu_fork_child();
	if (pa_fork_hooked)
		urcu_bp_after_fork_child();
}

static void pa_start_system(void)
{
	if (pa_libc_usable()) {
		pa_system = true;
		return;
	}
	pa_options.system = false;
}

/* Requests up to PA_FAST_MAX find their bins by this: one fast path for all, without a branch. */
u16 pa_by16[PA_TABLE];

static void pa_table_init(void)
{
	int i;

	for (i = 0; i < PA_TABLE; i++)
		WRITE_ONCE(pa_by16[i], (u16)(pa_class_of(i < 2 ? 8 : (size_t)(i + 1) / 2 * 16) *
					     sizeof(void *)));
}

static __pa_cold void pa_start_once(void)
{
	pa_class_init();
	pa_table_init();
	pa_options_init();
	if (pa_options.system)
		pa_start_system();
	pa_os_init();
	pa_node_init(&pa_only_node, 0);
	pa_only_node.loans = pa_os_loans();
	pa_slot_init(&pa_first_slot.slot, NULL, NULL);
	pa_slot_register(&pa_first_slot.slot);
	pa_free_slots = &pa_first_slot.slot;
	pa_have_key = !pthread_key_create(&pa_key, pa_key_destructor);
	pthread_atfork(pa_fork_prepare, pa_fork_parent, pa_fork_child);
	if (!pa_system)
		WRITE_ONCE(pa_lowest, 1);
	/* Who sees it set finds the heap set up. Pairs with pa_start(). */
	smp_store_release(&pa_started, true);
}

/**
 * pa_start() - set the heap up, once
 *
 * Context: any; allocations from within come from mappings of their own.
 */
void pa_start(void)
{
	/* Pairs with pa_start_once(). */
	if (smp_load_acquire(&pa_started) || pa_thread.level)
		return;
	pa_lock(&pa_init_mutex);
	if (!pa_started)
		pa_start_once();
	pa_unlock(&pa_init_mutex);
}

__attribute__((constructor)) static void pa_constructor(void)
{
	pa_start();
}

/**
 * pa_thread_start() - contract: give the calling thread a slot
 *
 * Return: false if it cannot have one: it is ending, or memory is short.
 */
bool pa_thread_start(void)
{
	struct pa_bins *bins = (struct pa_bins *)&pa_thread;
	struct pa_thread_slot *t;
	bool parked;

	pa_start();
	if (pa_system || pa_thread.state == PA_THREAD_GONE)
		return false;
	/* A signal handler that allocates does not take a slot of its own. */
	pa_thread.level++;
	t = pa_slot_get(&parked);
	if (t && parked)
		pa_slot_resume(&t->slot, bins);
	else if (t)
		pa_slot_start(&t->slot, &pa_only_node, bins);
	pa_thread.state = t ? PA_THREAD_READY : PA_THREAD_NEW;
	pa_thread.level--;
	if (!t)
		return false;
	/* Allocates, sometimes; by now that works. */
	if (pa_have_key)
		pthread_setspecific(pa_key, (void *)1);
	return true;
}

/**
 * pa_corrupt() - contract: a pointer is not what it should be
 * @why: what is wrong
 * @p: the pointer
 *
 * One line on stderr for the first ten; the block is leaked, the program goes
 * on.
 */
__pa_cold void pa_corrupt(const char *why, const void *p)
{
	static u32 reports;
	static const char hex[] = "0123456789abcdef";
	char line[160] = "poolalloc: ";
	size_t len = strlen(line);
	int shift = 60;

	if (__atomic_fetch_add(&reports, 1, __ATOMIC_RELAXED) >= 10)
		return;
	while (*why && len < 120)
		line[len++] = *why++;
	memcpy(line + len, ": 0x", 4);
	len += 4;
	for (; shift >= 0; shift -= 4)
		line[len++] = hex[(uintptr_t)p >> shift & 15];
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}

/* Contract: nothing else worked, perhaps because this is a slow path itself. */
void *pa_alloc_last_resort(size_t size, pa_gfp_t gfp)
{
	(void)gfp;
	return pa_thread.level ? pa_large_alloc(size, 16, false) : NULL;
}
