/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * poolalloc's fast paths inline, for programs that are linked with
 * libpoolalloc.a. Include it in the place of poolalloc.h: poolalloc_alloc(),
 * poolalloc_zalloc(), poolalloc_free() and poolalloc_free_sized() become
 * macros, and an allocation of constant size is seven instructions. Everything
 * else calls the library, and blocks may be mixed freely.
 *
 * A freed block is handed out next, or goes to its own pool. The second is shorter if all
 * of a pool's blocks come back before the next ones are needed, and much longer where
 * objects are replaced here and there. Which one it is the library finds out for each size,
 * when it looks for more blocks and sees how many have come back.
 *
 * A program that uses this header must be built again with every version of
 * the library. For a library built with GEOMETRY=seed, define
 * POOLALLOC_POOL_SHIFT as 12; the wrong one is an undefined symbol when linking.
 */
#ifndef POOLALLOC_STATIC_H
#define POOLALLOC_STATIC_H

#include <string.h>

#include "poolalloc.h"

#ifndef POOLALLOC_POOL_SHIFT
#define POOLALLOC_POOL_SHIFT 14
#endif

/* ThreadSanitizer is told about the library's own accesses, not about these. */
#if defined(__SANITIZE_THREAD__)
#define POOLALLOC_INLINE 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define POOLALLOC_INLINE 0
#endif
#endif
#ifndef POOLALLOC_INLINE
#define POOLALLOC_INLINE 1
#endif

#if POOLALLOC_INLINE
#ifdef __cplusplus
extern "C" {
#endif

#define POOLALLOC_INLINE_MAX 512
#define POOLALLOC_INLINE_BINS 89
#define POOLALLOC_INLINE_ATTR POOLALLOC_ATTR(always_inline, unused)
#define POOLALLOC_PASTE(a, b) a##b
#define POOLALLOC_INLINE_EVENT(shift) POOLALLOC_PASTE(poolalloc_inline_event_, shift)
#define POOLALLOC_INLINE_MASK ((1 << POOLALLOC_POOL_SHIFT) - 64)
#define POOLALLOC_INLINE_TAKEN 32
#define POOLALLOC_INLINE_GIVEN 33

/* What user memory is read and written as, whatever type it has otherwise. */
typedef void *poolalloc_inline_link POOLALLOC_ATTR(may_alias);

/* The beginning of what the library has of a thread, and of a pool. */
struct poolalloc_inline_thread {
	void *slot;
	poolalloc_inline_link bin[POOLALLOC_INLINE_BINS];
	intptr_t room[POOLALLOC_INLINE_BINS];
	uint64_t whole;
};

struct poolalloc_inline_pool {
	void *owner;
	void *free;
	uint32_t left;
	uint16_t carved;
	uint8_t cls;
};

/* In a program, unlike in a library, the linker knows where it is. */
#if defined(__PIC__) && !defined(__PIE__)
#define POOLALLOC_INLINE_TLS "initial-exec"
#else
#define POOLALLOC_INLINE_TLS "local-exec"
#endif

extern __thread struct poolalloc_inline_thread poolalloc_inline_thread
	__asm__("pa_thread") POOLALLOC_ATTR(visibility("hidden"), tls_model(POOLALLOC_INLINE_TLS));
extern uintptr_t poolalloc_inline_lowest
	__asm__("pa_lowest") POOLALLOC_ATTR(visibility("hidden"));
void poolalloc_inline_twice(void *p)
	__asm__("pa_user_free_twice") POOLALLOC_ATTR(visibility("hidden"), cold);
void POOLALLOC_INLINE_EVENT(POOLALLOC_POOL_SHIFT)(void *pool)
	POOLALLOC_ATTR(visibility("hidden"), cold);

/* Two steps for which gcc takes four instructions each, where one or two will do. */
#if defined(__x86_64__) && defined(__GCC_ASM_FLAG_OUTPUTS__)
POOLALLOC_INLINE_ATTR static inline int poolalloc_inline_bit(uint64_t word, unsigned int bit)
{
	int set;

	__asm__("btq %2, %1" : "=@ccc"(set) : "r"(word), "r"((uint64_t)bit));
	return set;
}

POOLALLOC_INLINE_ATTR static inline int poolalloc_inline_last(uint32_t *left)
{
	int last;

	__asm__("subl $1, %0" : "+m"(*left), "=@ccle"(last));
	return last;
}
#else
POOLALLOC_INLINE_ATTR static inline int poolalloc_inline_bit(uint64_t word, unsigned int bit)
{
	return word >> (bit & 63) & 1;
}

POOLALLOC_INLINE_ATTR static inline int poolalloc_inline_last(uint32_t *left)
{
	return (int32_t)--*left <= 0;
}
#endif

/*
 * What the thread has, moved so that its class 0 is @cls: the address is in one register. Processors
 * that hand on what was stored last without waiting for it do so only if no index is part of the address.
 */
POOLALLOC_INLINE_ATTR static inline struct poolalloc_inline_thread *poolalloc_inline_own(size_t cls)
{
	uintptr_t own = (uintptr_t)&poolalloc_inline_thread + cls * sizeof(void *);

	__asm__("" : "+r"(own));
	return (struct poolalloc_inline_thread *)own;
}

POOLALLOC_INLINE_ATTR static inline void *poolalloc_inline_pop(poolalloc_inline_link *bin, intptr_t *room)
{
	void *p = *bin, *next;

	if (__builtin_expect(!!p, 1)) {
		next = *(poolalloc_inline_link *)p;
		*room += POOLALLOC_INLINE_TAKEN;
		*bin = next;
		__builtin_prefetch(next, 1, 3);
	}
	return p;
}

POOLALLOC_INLINE_ATTR static inline void *poolalloc_inline_alloc(size_t size)
{
	struct poolalloc_inline_thread *own;
	size_t cls = (size + 7) / 8;
	void *p;

	if (__builtin_expect(size <= POOLALLOC_INLINE_MAX, 1)) {
		if (__builtin_constant_p(size)) {
			p = poolalloc_inline_pop(&poolalloc_inline_thread.bin[cls],
						 &poolalloc_inline_thread.room[cls]);
		} else {
			own = poolalloc_inline_own(cls);
			p = poolalloc_inline_pop(&own->bin[0], &own->room[0]);
		}
		if (__builtin_expect(!!p, 1))
			return p;
	}
	return poolalloc_alloc(size);
}

POOLALLOC_INLINE_ATTR static inline void *poolalloc_inline_zalloc(size_t size)
{
	void *p;

	if (size > POOLALLOC_INLINE_MAX)
		return poolalloc_zalloc(size);
	p = poolalloc_inline_alloc(size);
	return p ? memset(p, 0, size) : NULL;
}

POOLALLOC_INLINE_ATTR static inline void poolalloc_inline_keep(struct poolalloc_inline_thread *own, void *p)
{
	void *first = own->bin[0];

	if (__builtin_expect(first == p, 0)) {
		poolalloc_inline_twice(p);
		return;
	}
	own->room[0] -= POOLALLOC_INLINE_GIVEN;
	*(poolalloc_inline_link *)p = first;
	own->bin[0] = p;
}

POOLALLOC_INLINE_ATTR static inline void poolalloc_inline_free(void *p)
{
	const uintptr_t arena = (uintptr_t)64 << POOLALLOC_POOL_SHIFT;
	uintptr_t at = (uintptr_t)p;
	struct poolalloc_inline_pool *pool = (struct poolalloc_inline_pool *)
		((at & ~(arena - 1)) + (at >> (POOLALLOC_POOL_SHIFT - 6) & POOLALLOC_INLINE_MASK));
	struct poolalloc_inline_thread *own;
	void *first;

	/* The compiler knows how large the object is, and that this is not in it. */
	__asm__("" : "+r"(pool));
	if (__builtin_expect(at < poolalloc_inline_lowest ||
			     pool->owner != poolalloc_inline_thread.slot, 0)) {
		poolalloc_free(p);
		return;
	}
	if (!poolalloc_inline_bit(poolalloc_inline_thread.whole, pool->cls)) {
		own = poolalloc_inline_own(pool->cls);
		if (own->room[0] > 0) {
			poolalloc_inline_keep(own, p);
			return;
		}
	}
	first = pool->free;
	if (__builtin_expect(first == p, 0)) {
		poolalloc_inline_twice(p);
		return;
	}
	*(poolalloc_inline_link *)p = first;
	pool->free = p;
	/* In a span's further descriptors it is always 0. */
	if (__builtin_expect(poolalloc_inline_last(&pool->left), 0))
		POOLALLOC_INLINE_EVENT(POOLALLOC_POOL_SHIFT)(pool);
}

#define poolalloc_alloc(size) poolalloc_inline_alloc(size)
#define poolalloc_zalloc(size) poolalloc_inline_zalloc(size)
#define poolalloc_free(p) poolalloc_inline_free(p)
#define poolalloc_free_sized(p, size) ((void)(size), poolalloc_inline_free(p))

#ifdef __cplusplus
}
#endif
#endif /* POOLALLOC_INLINE */
#endif
