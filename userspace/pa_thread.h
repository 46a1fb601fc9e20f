/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Threads: the thread-local bins, entering the slot, locks.
 *
 * @level says that this thread is inside a slow path. Whoever finds it set is
 * a signal handler, or a function of libc or liburcu that the slow path
 * called: it uses neither the slot nor a lock (see "Signals and recursion" in
 * userspace/README.md).
 */
#ifndef PA_THREAD_H
#define PA_THREAD_H

#include <pthread.h>

struct pa_node;
struct pa_slot;

#define PA_THREAD_BINS	(65 + 8 * (31 - __builtin_clz(PA_FAST_MAX) - 9))

/* Those whose freed blocks are counted by @room: PA_ROOMS. */
#ifdef PA_GEOMETRY_MODERN
#define PA_THREAD_SINGLE	73
#else
#define PA_THREAD_SINGLE	65
#endif
#define PA_THREAD_ROOMS	(PA_THREAD_BINS < PA_THREAD_SINGLE ? PA_THREAD_SINGLE : PA_THREAD_BINS)

/* Entries of the table of classes by the size of a request, in steps of 8 bytes. */
#ifdef PA_NO_TABLE
#define PA_TABLE	0
#else
#define PA_TABLE	(PA_FAST_MAX / 8 + 1)
#endif

/* How a bin's room is counted: see pa_bin_keep(). As long as a pointer: see pa_own_load(). */
typedef long pa_room_t;
#define PA_ROOM_TAKEN	32
#define PA_ROOM_GIVEN	33

/* Blocks that grow and are remembered. */
#define PA_GROWN	16

/**
 * struct pa_thread - what a thread has in its TLS block
 * @slot: as struct pa_bins
 * @bin: as struct pa_bins
 * @room: as struct pa_bins
 * @whole: small classes, modulo 64, whose last two refills brought half of what a pool had
 *	been cut into, or more: poolalloc_static.h gives their blocks to their pools. And
 *	those of the medium classes that share their bits, which costs less than a test
 * @whole_once: the same of the last refill
 * @level: depth of slow paths that this thread is in
 * @state: enum pa_thread_state
 * @hooks: how often this thread has called liburcu's urcu_bp_before_fork()
 * @walking: depth of functions that stand on arenas
 * @reading: depth of read-side sections that are only counted
 * @grown: blocks that realloc() has lately moved to where they have more room: 8 bits of
 *	a hash, and about what was asked for
 */
struct pa_thread {
	struct pa_slot *slot;
	void *bin[PA_THREAD_BINS];
	pa_room_t room[PA_THREAD_ROOMS];
	u64 whole;
	u64 whole_once;
	u32 level;
	u32 state;
	u32 hooks;
	u32 walking;
	u32 reading;
	u16 grown[PA_GROWN];
};

static_assert(sizeof(struct pa_thread) < (PA_TABLE ? 1536 : 1216),
	      "fits glibc's static TLS surplus of 1664 bytes, and leaves some of it");

enum pa_thread_state {
	PA_THREAD_NEW,		/* has not allocated yet */
	PA_THREAD_READY,	/* has a slot */
	PA_THREAD_GONE,		/* its slot was let go: uses the fallback slot */
};

#define PA_TLS __thread __attribute__((tls_model("initial-exec"), \
				       visibility("hidden")))

extern PA_TLS struct pa_thread pa_thread;

/*
 * By 8 * i bytes: their class, aligned to 16 if they are more than 8, times the size of a pointer.
 * 0, a class without blocks, until the heap is set up.
 */
extern u16 pa_by16[PA_TABLE] __attribute__((visibility("hidden")));

struct pa_bins;
bool pa_thread_start(void);
bool pa_rcu_may_wait(void);
bool pa_wait_for_readers(void);

bool pa_reclaim(void);
void pa_parked_look(void);

static __always_inline struct pa_bins *pa_slot_enter(void)
{
	if (pa_thread.level)
		return NULL;
	if (unlikely(pa_thread.state != PA_THREAD_READY) && !pa_thread_start())
		return NULL;
	pa_thread.level = 1;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	return (struct pa_bins *)&pa_thread;
}

static __always_inline void pa_slot_leave(struct pa_bins *bins)
{
	(void)bins;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	pa_thread.level = 0;
}

/* Locks for slow paths; a signal handler in between sees @level. */
typedef pthread_mutex_t pa_lock_t;

/* They are held for a moment only: it pays to spin before one sleeps. */
#ifdef PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP
#define PA_LOCK_INITIALIZER	PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP
#else
#define PA_LOCK_INITIALIZER	PTHREAD_MUTEX_INITIALIZER
#endif

/* For the child of a fork, whose lock is in nobody's hands. */
static inline void pa_lock_init(pa_lock_t *lock)
{
	*lock = (pa_lock_t)PA_LOCK_INITIALIZER;
}

static inline void pa_lock(pa_lock_t *lock)
{
	pa_thread.level++;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	pthread_mutex_lock(lock);
}

static inline void pa_unlock(pa_lock_t *lock)
{
	pthread_mutex_unlock(lock);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	pa_thread.level--;
}

/* Statistics read other threads' bins: their TLS must not vanish meanwhile. */
void pa_bins_lock(void);
void pa_bins_unlock(void);

/* The fallback slot, for threads without one. */
bool pa_fallback_enter(struct pa_node *node);
void pa_fallback_leave(struct pa_node *node);

/* False inside a slow path: arenas are mapped under locks. */
static inline bool pa_may_grow(void)
{
	return !pa_thread.level;
}

#endif
