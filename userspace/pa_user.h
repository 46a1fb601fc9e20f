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
void pa_user_free_twice(void *p);
void *pa_user_resize(void *p, size_t old, size_t size, size_t align);
void *pa_user_aligned(size_t align, size_t size);
size_t pa_user_usable(const void *p);

/* libc's own, for POOLALLOC=system. */
bool pa_libc_usable(void);
void *pa_libc_alloc(size_t size, size_t align, bool zero);
void *pa_libc_realloc(void *p, size_t size);
void pa_libc_free(void *p);
size_t pa_libc_usable_size(const void *p);

/*
 * What a thread has of a class, its bin and the room of that, is found by an address in a register of
 * its own: where it is if @bin and @room had one element. Processors that hand on what was stored last
 * without waiting for it (Intel's since Golden Cove) do so only if no index is part of the address, and
 * for 32 bits at least. The segment is part of the address in malloc(), which for free() costs more than
 * adding its base.
 */
static_assert(sizeof(pa_room_t) == sizeof(void *), "one offset for both");

#if defined(__x86_64__) && !defined(PA_TSAN)
typedef uintptr_t pa_own_t;

static __always_inline uintptr_t pa_thread_offset(void)
{
	uintptr_t offset;

	__asm__("movq pa_thread@gottpoff(%%rip), %0" : "=r"(offset));
	return offset;
}

static __always_inline bool pa_thread_has(const struct pa_slot *slot)
{
	bool own;

	__asm__ volatile("cmpq %1, %%fs:%c3(%2)" : "=@cce"(own) :
			 "r"(slot), "r"(pa_thread_offset()), "i"(offsetof(struct pa_thread, slot)));
	return own;
}

/* Of classes 8 bytes apart, which are pointers apart there. */
static __always_inline pa_own_t pa_own_by8(size_t size)
{
	pa_own_t own = (size + PA_SMALL_STEP - 1) & ~(size_t)(PA_SMALL_STEP - 1);

	static_assert(PA_SMALL_STEP == sizeof(void *), "a size is an offset");
	__asm__("addq pa_thread@gottpoff(%%rip), %0" : "+r"(own) : : "cc");
	return own;
}

static __always_inline pa_own_t pa_own_by16(size_t size)
{
	pa_own_t own = pa_by16[(size + PA_SMALL_STEP - 1) / PA_SMALL_STEP];

	__asm__("addq pa_thread@gottpoff(%%rip), %0" : "+r"(own) : : "cc");
	return own;
}

static __always_inline void *pa_own_load(pa_own_t own)
{
	void *p;

	__asm__ volatile("movq %%fs:%c2(%1), %0" : "=r"(p) :
			 "r"(own), "i"(offsetof(struct pa_thread, bin)));
	return p;
}

static __always_inline void pa_own_store(pa_own_t own, void *p)
{
	__asm__ volatile("movq %0, %%fs:%c2(%1)" : :
			 "r"(p), "r"(own), "i"(offsetof(struct pa_thread, bin)) : "memory");
}

static __always_inline void pa_own_add_room(pa_own_t own)
{
	__asm__ volatile("addq %1, %%fs:%c2(%0)" : :
			 "r"(own), "i"(PA_ROOM_TAKEN), "i"(offsetof(struct pa_thread, room)) :
			 "memory", "cc");
}

#else
typedef size_t pa_own_t;

static __always_inline bool pa_thread_has(const struct pa_slot *slot)
{
	return pa_thread.slot == slot;
}

static __always_inline pa_own_t pa_own_by8(size_t size)
{
	return (size + PA_SMALL_STEP - 1) / PA_SMALL_STEP;
}

static __always_inline pa_own_t pa_own_by16(size_t size)
{
	return READ_ONCE(pa_by16[(size + PA_SMALL_STEP - 1) / PA_SMALL_STEP]) / sizeof(void *);
}

static __always_inline void *pa_own_load(pa_own_t own)
{
	return pa_thread.bin[own];
}

static __always_inline void pa_own_store(pa_own_t own, void *p)
{
	PA_WRITE_OWN(pa_thread.bin[own], p);
}

static __always_inline void pa_own_add_room(pa_own_t own)
{
	pa_thread.room[own] += PA_ROOM_TAKEN;
}
#endif

/*
 * For free: the segment's base takes part in no other address. The next malloc() has to wait for the
 * address of the bin that is written here, which comes from the block by way of its pool's class.
 */
static __always_inline struct pa_thread *pa_thread_self(void)
{
	struct pa_thread *self = &pa_thread;

	__asm__("" : "+r"(self));
	return self;
}

/* @self, moved so that its class 0 is @cls. */
static __always_inline struct pa_thread *pa_thread_at(struct pa_thread *self, size_t cls)
{
	uintptr_t at = (uintptr_t)self + cls * sizeof(void *);

	__asm__("" : "+r"(at));
	return (struct pa_thread *)at;
}

/* As pa_bin_keep(), when there is room. */
static __always_inline void pa_user_keep(struct pa_thread *own, void *p)
{
	void *first = own->bin[0];

	if (unlikely(first == p)) {
		pa_user_free_twice(p);
		return;
	}
	own->room[0] -= PA_ROOM_GIVEN;
	pa_store_link(p, first);
	PA_WRITE_OWN(own->bin[0], p);
}

/* Frees a block of the thread's own pool; everything else the slow way. */
static __always_inline void pa_user_free(void *p)
{
	uintptr_t arena = (uintptr_t)p & ~(uintptr_t)PA_ARENA_MASK, at = pa_desc_offset(p);
	struct pa_thread *self, *own;
	struct pa_pool *pool;

	if (unlikely((uintptr_t)p < PA_LOWEST)) {
		pa_user_free_slow(p);
		return;
	}
	/* The sum can be part of the loads' addresses; but the compiler would keep it. */
	__asm__("" : "+r"(at));
	self = pa_thread_self();
	if (unlikely(READ_ONCE(((struct pa_pool *)(arena + at))->owner) != self->slot)) {
		pa_user_free_slow(p);
		return;
	}
	__asm__("" : "+r"(at));
	own = pa_thread_at(self, ((struct pa_pool *)(arena + at))->cls);
	__asm__("" : "+r"(at));
	pool = (struct pa_pool *)(arena + at);
	/* Looked at first, and only then written: where many are freed in a row, stores are what counts. */
	if (likely(own->room[0] > 0))
		pa_user_keep(own, p);
	else if (unlikely(pool->free == p))
		pa_user_free_twice(p);
	else if (unlikely(pa_pool_push(pool, p)))
		pa_user_free_event(pool);
}

/* As pa_bin_take(), of the thread's own bins; of class 0 there is never one. */
static __always_inline void *pa_user_pop(pa_own_t own)
{
	void *p = pa_own_load(own);

#ifdef __x86_64__
	/* Where it is going to be returned: one move less. */
	__asm__("" : "+a"(p));
#endif
	if (likely(p)) {
		void *next = pa_load_link(p);

		pa_own_add_room(own);
		pa_own_store(own, next);
		__builtin_prefetch(next, 1, 3);
	}
	return p;
}

/* A block for 0..PA_FAST_MAX bytes, aligned to 16 if they are more than 8. */
static __always_inline void *pa_user_pop16(size_t size)
{
	return pa_user_pop(pa_own_by16(size));
}

/* Likewise, aligned to 8. There is none for 0 bytes. */
static __always_inline void *pa_user_pop8(size_t size)
{
	if (PA_FAST_MAX > PA_SMALL_MAX && unlikely(size > PA_SMALL_MAX))
		return pa_user_pop16(size);
	return pa_user_pop(pa_own_by8(size));
}

/* Bytes of a block of the thread's own pools, up to PA_FAST_MAX at least; 0: it is another one. */
static __always_inline size_t pa_user_own_size(const void *p)
{
	const struct pa_pool *pool;

	if (unlikely((uintptr_t)p < PA_LOWEST))
		return 0;
	pool = pa_desc_of(p);
	return likely(pa_thread_has(READ_ONCE(pool->owner))) ? pa_class_size(pool->cls) : 0;
}

/*
 * Will a block do for another size? Only looks at blocks of the thread's own pools; NULL
 * and 0 bytes are for pa_user_resize() or its callers. @old is what to tell it then.
 */
static __always_inline bool pa_user_stays(const void *p, size_t size, size_t *old)
{
	*old = pa_user_own_size(p);
	return size <= *old && size > *old / 8 * 5;
}

#endif
