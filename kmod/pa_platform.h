/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The contract between the core and the world it runs in, kernel side.
 *
 * common/README.md lists it; userspace/pa_platform.h is the other side. What
 * is a function here and not inline is what the core's objects leave
 * undefined.
 */
#ifndef PA_PLATFORM_H
#define PA_PLATFORM_H

#undef pr_fmt
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/build_bug.h>
#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/numa.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/topology.h>
#include <linux/types.h>
#include <linux/uaccess.h>
#ifdef CONFIG_X86_64
#include <asm/asm.h>
#endif

static_assert(BITS_PER_LONG == 64, "masks and links are single 64-bit words");

/*
 * Words that only their owner writes, but that statistics may read at any
 * time. Plain accesses compile to the shortest code; KCSAN is told.
 */
#ifdef CONFIG_KCSAN
static __always_inline bool pa_dec_marked(u32 *x)
{
	u32 left = READ_ONCE(*x) - 1;

	WRITE_ONCE(*x, left);
	return !left;
}

#define PA_WRITE_OWN(x, v)	WRITE_ONCE(x, v)
#define PA_DEC_OWN(x)		pa_dec_marked(&(x))
#define __pa_racy		__no_kcsan noinline
#else
#define PA_WRITE_OWN(x, v)	((x) = (v))
#define PA_DEC_OWN(x)		(--(x) == 0)
#define __pa_racy
#endif
#define __pa_cold		__cold noinline

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
	return READ_ONCE(*(void *const *)block);
}

/* Reads a word that may not be there. */
static inline bool pa_peek(const void *p, void **word)
{
	return !copy_from_kernel_nofault(word, p, sizeof(*word));
}

/* What an allocation may do to get memory. */
typedef gfp_t pa_gfp_t;

/* Bins are for small classes only. */
#define PA_FAST_MAX	512

/* The largest class: the documented limit, and what short arenas can still hold. */
#define PA_MEDIUM_MAX	32768

/* Freed blocks of spans go to them. */
#define PA_HOT_SPANS	0

/* No slot keeps more empty pools than it has room for: nobody would look after them. */
#define PA_EMPTY_LOAN	0

/* The core keeps a node's number in one byte; nodes beyond share node 0. */
#define PA_MAX_NODES	(MAX_NUMNODES < 256 ? MAX_NUMNODES : 256)

static inline unsigned int pa_node_number(int nid)
{
	return nid < PA_MAX_NODES ? nid : 0;
}

static inline unsigned int pa_this_node(void)
{
	return pa_node_number(numa_mem_id());
}

/* An arena begins with its descriptors: it is a whole number of pages, and pools of it may go. */
#define PA_COLOURS	1

#include "pa_cpu.h"
#include "pa_trace.h"

typedef struct pa_lock pa_lock_t;

/* Memory of arenas. */
struct pa_arena;
void *pa_arena_map(unsigned int nid, pa_gfp_t gfp, unsigned int npools, bool *fresh);
unsigned int pa_arena_pools(const struct pa_arena *arena);
void pa_arena_unmap(struct pa_arena *arena);

/*
 * The pages of free pools go although blocks live in others of their arena. On
 * PREEMPT_RT only when that is asked for: callers with preemption off cannot
 * call the page allocator, and live on such pools.
 */
#define PA_POOLS_GO	(IS_ENABLED(CONFIG_PREEMPT_RT) ? 1 : 2)
void pa_arena_part(struct pa_arena *arena);
void pa_pools_unmap(struct pa_arena *arena, u64 pools);

static inline void pa_idle(unsigned int nid)
{
}

static inline void *pa_alloc_last_resort(size_t size, pa_gfp_t gfp)
{
	return NULL;
}

/* Reports. */
struct pa_slot;
void pa_corrupt(const char *why, const void *p);

/*
 * Is *@owner this slot? Of a pointer that is no block there may be no
 * descriptor, and not even memory: then no, and free looks closer.
 */
static __always_inline bool pa_owned_by(struct pa_slot *const *owner, const struct pa_slot *slot)
{
#ifdef CONFIG_X86_64
	asm goto("1:	cmpq %[slot], %[owner]\n"
		 "	jne %l[other]\n"
		 _ASM_EXTABLE(1b, %l[other])
		 : : [slot] "r" (slot), [owner] "m" (*owner) : "cc" : other);
	return true;
other:
	return false;
#else
	return *owner == slot;
#endif
}

/* Can there be a descriptor for @p to look at? */
bool pa_is_arena(const void *p);

static inline bool pa_plausible(const void *p)
{
	return virt_addr_valid(p) && (!IS_ENABLED(CONFIG_KASAN) || pa_is_arena(p));
}

/* Is this a list of @n blocks of the pool? */
struct pa_pool;
bool pa_list_sound(const struct pa_pool *pool, const void *list, unsigned int n);
const char *pa_slot_name(const struct pa_slot *slot);

/* No part of a pool can go. */
static inline void pa_pages_release(void *p, size_t size)
{
}

/* All of an arena is there. */
#define PA_POPULATE	0
static inline bool pa_pages_populate(void *p, size_t size)
{
	return false;
}

/* Between two arenas of a walk; walks run in task context only. */
static inline void pa_breathe(void)
{
	cond_resched();
}

static inline void pa_note_refill(unsigned int cls, u32 n, u32 carved)
{
}

/* Events on slow paths. */
#define pa_trace_refill(cls)	trace_pool_refill(pa_class_size(cls))
#define pa_trace_drain(cls)	trace_remote_drain(pa_class_size(cls))
#define pa_trace_adopt(cls)	trace_pool_adopt(pa_class_size(cls))
#define pa_trace_failure(cls)	trace_alloc_failure(pa_class_size(cls))

#endif
