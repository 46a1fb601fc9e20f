/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The contract between the core and the world it runs in, userspace side.
 *
 * common/README.md lists it; kmod/pa_platform.h is the other side. What is a
 * function here and not inline is what the core's objects leave undefined.
 */
#ifndef PA_PLATFORM_H
#define PA_PLATFORM_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <urcu-bp.h>

/* Types and compiler, in the kernel's words. */
typedef uint8_t u8;
typedef int16_t s16;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

#undef likely
#undef unlikely
#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#undef __always_inline
#define __always_inline	inline __attribute__((always_inline))
#define __pa_cold	__attribute__((cold, noinline))
#define ____cacheline_aligned	__attribute__((aligned(64)))
#define hweight64(x)	((unsigned int)__builtin_popcountll(x))
#ifndef container_of
#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))
#endif

/*
 * Atomics. The compiler's own, not liburcu's: those are assembly on x86 and
 * ThreadSanitizer does not see them. RMWs that return a value are full
 * barriers, as in the kernel.
 */
#define READ_ONCE(x)	__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
#define smp_load_acquire(p)	__atomic_load_n((p), __ATOMIC_ACQUIRE)
#define smp_store_release(p, v)	__atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define xchg(p, v)	__atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define try_cmpxchg(p, old, new) \
	__atomic_compare_exchange_n((p), (old), (new), false, \
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

/* What sparse and lockdep check in the kernel. */
#define __rcu
#define rcu_dereference_protected(p, held)	(p)

/*
 * Read-side sections are counted, so that who has no time to wait for a grace
 * period sees if there is anybody to wait for, and they are liburcu's if the
 * thread is registered with it, because the application reads in it. If not,
 * they are only counted: liburcu would register the thread now, under a lock,
 * and abort when there is no memory for that.
 */
struct urcu_bp_reader;
/* liburcu's own. A signal handler may set it at any time. */
extern __thread struct urcu_bp_reader *urcu_bp_reader
	__attribute__((tls_model("initial-exec")));

extern u32 pa_readers;		/* all */
extern u32 pa_plain_readers;	/* those that are only counted */
bool pa_no_readers(void);
void pa_read_lock(void);
void pa_read_unlock(void);

#undef rcu_read_lock
#undef rcu_read_unlock
#define rcu_read_lock()		pa_read_lock()
#define rcu_read_unlock()	pa_read_unlock()

typedef struct { s64 counter; } atomic64_t;

static inline s64 atomic64_read(const atomic64_t *v)
{
	return READ_ONCE(v->counter);
}

static inline void atomic64_set(atomic64_t *v, s64 i)
{
	WRITE_ONCE(v->counter, i);
}

static inline void atomic64_or(s64 i, atomic64_t *v)
{
	__atomic_fetch_or(&v->counter, i, __ATOMIC_SEQ_CST);
}

static inline void atomic64_andnot(s64 i, atomic64_t *v)
{
	__atomic_fetch_and(&v->counter, ~i, __ATOMIC_SEQ_CST);
}

/*
 * Words that only their owner writes, but that statistics may read at any
 * time. Plain accesses compile to the shortest code; ThreadSanitizer is told.
 */
#ifdef __SANITIZE_THREAD__
#define PA_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PA_TSAN 1
#endif
#endif

#ifdef PA_TSAN
/* It knows no fences, but read-modify-writes. */
#define smp_mb()		((void)__atomic_fetch_or(&(u32){ 0 }, 0, __ATOMIC_SEQ_CST))
#define PA_WRITE_OWN(x, v)	WRITE_ONCE(x, v)
#define PA_DEC_OWN(x)		((s32)__atomic_sub_fetch(&(x), 1, __ATOMIC_RELAXED) <= 0)
#define __pa_racy		__attribute__((noinline, no_sanitize("thread")))
#else
#define smp_mb()		__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define PA_WRITE_OWN(x, v)	((x) = (v))
#define PA_DEC_OWN(x)		pa_dec_own(&(x))
#define __pa_racy
#endif

/* True at 0 and below. The compiler would do with five instructions what two can. */
static __always_inline bool pa_dec_own(u32 *x)
{
#ifdef __x86_64__
	bool out;

	__asm__("subl $1, %1" : "=@ccle"(out), "+m"(*x));
	return out;
#else
	return (s32)--*x <= 0;
#endif
}

/* The link in a free block's first word. */
static __always_inline void pa_store_link(void *block, void *next)
{
	*(void **)block = next;
}

static __always_inline void *pa_load_link(const void *block)
{
	return *(void *const *)block;
}

/* The same while the block's owner may be writing to it. */
static __always_inline void *pa_peek_link(const void *block)
{
	return *(void *const volatile *)block;
}

/* What an allocation may do to get memory: nothing to choose here. */
typedef unsigned int pa_gfp_t;

#define PA_MAX_NODES	1

static inline unsigned int pa_this_node(void)
{
	return 0;
}

/*
 * Requests up to this find their bins by a table, and need not know if they are of
 * a small class or a medium one.
 */
#ifndef PA_FAST_MAX
#define PA_FAST_MAX	4096
#endif

/*
 * The largest class. A block with a mapping of its own costs a table of pages, a
 * line for its header and an entry of the TLB, and one of less than 4 MiB has no huge
 * pages; larger runs leave much behind when others live in their arena. With 256 KiB
 * 13 drawn workloads with blocks of 32 KiB to 4 MiB took 1.10 of the memory, in 1.00
 * of the time.
 */
#define PA_MEDIUM_MAX	131072

#include "pa_thread.h"

/* Freed blocks of all spans go to bins. */
#define PA_HOT_SPANS	1

/* Empty pools that a thread keeps: 1 MiB of them at a time. */
#define PA_EMPTY_LOAN	((1U << 20) / PA_POOL_SIZE)

/* Memory of arenas. */
struct pa_arena;
void *pa_arena_map(unsigned int nid, pa_gfp_t gfp, unsigned int npools, bool *fresh);

/* All arenas are whole. */
#define pa_arena_pools(arena)	((void)(arena), (unsigned int)PA_ARENA_POOLS)

/* And stay so: memory goes by pages, which come back when they are touched. */
#define PA_POOLS_GO		0
#define pa_arena_part(arena)	((void)(arena))
#define pa_pools_unmap(arena, pools)	((void)(arena), (void)(pools))

void pa_arena_unmap(struct pa_arena *arena);
void pa_idle(unsigned int nid);
void pa_pages_release(void *p, size_t size);

/* Page faults are what a young heap costs most. */
#define PA_POPULATE	1
bool pa_pages_populate(void *p, size_t size);

void *pa_alloc_last_resort(size_t size, pa_gfp_t gfp);

/* Reports. */
struct pa_slot;
void pa_corrupt(const char *why, const void *p);

/* Can there be a descriptor for @p to look at? The kernel can tell. */
#define pa_plausible(p)		((void)(p), true)

/* Is this a list of @n blocks of the pool? The kernel looks at each refill. */
#define pa_list_sound(pool, list, n)	((void)(n), true)
bool pa_peek(const void *p, void **word);
const char *pa_slot_name(const struct pa_slot *slot);

static inline void pa_breathe(void)
{
}

/* A refill of this thread's brought @n blocks, of @carved that the pool has: see @whole. */
static inline void pa_note_refill(unsigned int cls, u32 n, u32 carved)
{
	u64 bit = 1ULL << (cls & 63);

	if (2 * n < carved) {
		pa_thread.whole &= ~bit;
		pa_thread.whole_once &= ~bit;
	} else {
		pa_thread.whole |= pa_thread.whole_once & bit;
		pa_thread.whole_once |= bit;
	}
}

/* Events on slow paths, for probes. */
#define pa_trace_refill(cls)	((void)(cls))
#define pa_trace_drain(cls)	((void)(cls))
#define pa_trace_adopt(cls)	((void)(cls))
#define pa_trace_failure(cls)	((void)(cls))

#endif
