/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the native interface and the malloc family share: the fast paths for
 * threads, and the ways out of them.
 */
#ifndef PA_USER_H
#define PA_USER_H

#include "pa_large.h"
#include "pa_options.h"
#include "pa_os.h"
#include "pa_stats.h"

/*
 * Pointers below this go the slow way: NULL; blocks that are aligned to an
 * arena or more (pa_low.c); all of them until the heap is set up, and for good
 * under POOLALLOC=system. One compare, as a test for NULL.
 */
extern uintptr_t pa_lowest __attribute__((visibility("hidden")));
#ifdef PA_TSAN
#define PA_LOWEST	READ_ONCE(pa_lowest)
#else
#define PA_LOWEST	pa_lowest
#endif
extern bool pa_system __attribute__((visibility("hidden")));

/*
 * Above this, what must read as zeros gets a mapping of its own: new pages are
 * zeros already, and those that are never used need no memory.
 */
#define PA_ZEROED_MAX	32768

/* So does what has grown, which may go on: a mapping grows where it is. */
#define PA_GROWN_MAX	32768

void pa_start(void);

/* The counting urcu_bp_before_fork(), where it is linked in. */
void pa_hook_before_fork(void) __attribute__((weak));

/* Over a fork. */
void pa_free_rcu_lock(void);
void pa_free_rcu_unlock(void);
void pa_free_rcu_fork_child(void);

void *pa_user_alloc_slow(size_t size, size_t align, bool zero);
void pa_user_free_slow(void *p);
void pa_user_free_event(struct pa_pool *pool);
void *pa_user_realloc(void *p, size_t size, size_t align);
void *pa_user_aligned(size_t align, size_t size);
size_t pa_user_usable(const void *p);

/* libc's own, for POOLALLOC=system. */
bool pa_libc_usable(void);
void *pa_libc_alloc(size_t size, size_t align, bool zero);
void *pa_libc_realloc(void *p, size_t size);
void pa_libc_free(void *p);
size_t pa_libc_usable_size(const void *p);

/* Frees a block of the thread's own pool; everything else the slow way. */
static __always_inline void pa_user_free(void *p)
{
	struct pa_pool *pool;

	if (unlikely((uintptr_t)p < PA_LOWEST)) {
		pa_user_free_slow(p);
		return;
	}
	pool = pa_desc_of(p);
	if (unlikely(READ_ONCE(pool->owner) != pa_thread.slot)) {
		pa_user_free_slow(p);
		return;
	}
	if (pa_bin_keep(pool->owner, pool->cls, pa_bin_addr(pa_thread.bin, pool->cls), p))
		return;
	if (unlikely(pa_pool_push(pool, p)))
		pa_user_free_event(pool);
}

/*
 * A bin by its offset in bytes, 8 x class. On x86-64 the compiler would make
 * the bin's address first, for its two uses; the segment can be part of both.
 */
#if defined(__x86_64__) && !defined(PA_TSAN)
static __always_inline uintptr_t pa_thread_offset(void)
{
	uintptr_t offset;

	__asm__("movq pa_thread@gottpoff(%%rip), %0" : "=r"(offset));
	return offset;
}

static __always_inline void *pa_bin_load(size_t at)
{
	void *p;

	__asm__ volatile("movq %%fs:%c3(%1,%2), %0" : "=a"(p) :
			 "r"(pa_thread_offset()), "r"(at),
			 "i"(offsetof(struct pa_thread, bin)));
	return p;
}

static __always_inline void pa_bin_store(size_t at, void *p)
{
	__asm__ volatile("movq %0, %%fs:%c3(%1,%2)" : :
			 "r"(p), "r"(pa_thread_offset()), "r"(at),
			 "i"(offsetof(struct pa_thread, bin)) : "memory");
}
#else
static __always_inline void *pa_bin_load(size_t at)
{
	return pa_thread.bin[at / sizeof(void *)];
}

static __always_inline void pa_bin_store(size_t at, void *p)
{
	PA_WRITE_OWN(pa_thread.bin[at / sizeof(void *)], p);
}
#endif

/*
 * Pops a block of the small class whose bin is at offset @at, NULL if it is
 * empty. As pa_bin_pop().
 */
static __always_inline void *pa_user_pop(size_t at)
{
	void *p = pa_bin_load(at);

	if (likely(p)) {
		void *next = pa_load_link(p);

		pa_bin_store(at, next);
		__builtin_prefetch(next, 1, 3);
	}
	return p;
}

#endif
