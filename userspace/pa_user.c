// SPDX-License-Identifier: GPL-2.0-only OR MIT
#define _GNU_SOURCE
#include "pa_user.h"

#include <errno.h>

/* Weak: a statically linked program has them only if it has libc's malloc. */
extern void *__libc_malloc(size_t size) __attribute__((weak));
extern void *__libc_calloc(size_t n, size_t size) __attribute__((weak));
extern void *__libc_realloc(void *p, size_t size) __attribute__((weak));
extern void *__libc_memalign(size_t align, size_t size) __attribute__((weak));
extern void __libc_free(void *p) __attribute__((weak));

bool pa_libc_usable(void)
{
	return __libc_malloc && __libc_calloc && __libc_realloc && __libc_memalign &&
	       __libc_free;
}

void *pa_libc_alloc(size_t size, size_t align, bool zero)
{
	if (zero)
		return __libc_calloc(1, size);
	return align <= 16 ? __libc_malloc(size) : __libc_memalign(align, size);
}

void *pa_libc_realloc(void *p, size_t size)
{
	return __libc_realloc(p, size);
}

void pa_libc_free(void *p)
{
	__libc_free(p);
}

/* The size word in front of a glibc block; its lowest bits are flags. */
size_t pa_libc_usable_size(const void *p)
{
	size_t word = p ? ((const size_t *)p)[-1] : 0;

	if (!p)
		return 0;
	return (word & ~(size_t)7) - (word & 2 ? 2 : 1) * sizeof(size_t);
}

/*
 * The class for a size and an alignment: blocks lie at multiples of their size
 * from the start of a run of pools, so a size that is a multiple of the
 * alignment is enough, up to the size of a pool.
 * Return: 0 if no class will do.
 */
static unsigned int pa_class_aligned(size_t size, size_t align)
{
	unsigned int cls;

	if (size > PA_MEDIUM_MAX || align > PA_POOL_SIZE || align > pa_page_size)
		return 0;
	size = (size + align - 1) & ~(align - 1);
	if (size > PA_MEDIUM_MAX)
		return 0;
	for (cls = pa_class_of(size); cls < PA_CLASSES; cls++)
		if (!(pa_class_size(cls) & (align - 1)))
			return cls;
	return 0;
}

/*
 * Every so many slow paths of a thread, idle memory is looked after: also a
 * program that only uses again what it has frees what it no longer needs.
 */
static void pa_user_tick(void)
{
	struct pa_slot *slot = pa_thread.slot;

	if (slot == &pa_slot_none || pa_thread.level)
		return;
	PA_WRITE_OWN(slot->ticks, slot->ticks + 1);
	if (!(slot->ticks & 15))
		pa_os_look(slot);
}

/*
 * The class for 1 byte to PA_MEDIUM_MAX if the alignment is one that every block has
 * anyway, or 16. Medium classes are all multiples of 64.
 * Return: 0 for pa_class_aligned() to find out.
 */
static __always_inline unsigned int pa_class_common(size_t size, size_t align)
{
	if (size - 1 < PA_SMALL_MAX && align <= 16)
		return pa_class_small((size + align - 1) & ~(align - 1));
	if (size - PA_SMALL_MAX - 1 < PA_MEDIUM_MAX - PA_SMALL_MAX && align <= 64)
		return pa_class_medium(size);
	return 0;
}

/*
 * A block from the thread's bin, which may have to be filled first. NULL if
 * the thread has no slot yet, is inside a slow path, or must grow the heap.
 */
static __always_inline void *pa_user_refill(unsigned int cls)
{
	struct pa_bins *bins;
	void *p;

	if (unlikely(pa_thread.state != PA_THREAD_READY))
		return NULL;
	bins = pa_slot_enter();
	if (unlikely(!bins))
		return NULL;
	p = cls < PA_BINS ? pa_bin_take(bins, cls) : pa_medium_pop(bins->slot, cls);
	if (!p) {
		p = pa_slot_refill(bins->slot, cls);
		pa_slot_leave(bins);
		pa_user_tick();
	} else {
		pa_slot_leave(bins);
	}
	return p;
}

static __pa_cold void *pa_user_alloc_slower(size_t size, size_t align, bool zero)
{
	unsigned int cls;
	int saved = errno;
	void *p;

	pa_start();
	if (unlikely(pa_system))
		return pa_libc_alloc(size, align, zero);
	cls = zero && size > PA_ZEROED_MAX ? 0 : pa_class_aligned(size ? size : 1, align);
	if (likely(cls)) {
		p = pa_alloc_slow(cls, PA_ANY_NODE, 0);
		if (p && zero)
			memset(p, 0, size);
	} else {
		p = pa_large_alloc(size, align, zero);
	}
	pa_user_tick();
	errno = p ? saved : ENOMEM;
	return p;
}

/**
 * pa_user_alloc_slow() - allocate what a bin could not give
 * @size: bytes
 * @align: a power of two; 8 for the native interface
 * @zero: the block must read as zeros
 *
 * Return: the block, or NULL with errno ENOMEM.
 */
void *pa_user_alloc_slow(size_t size, size_t align, bool zero)
{
	unsigned int cls = pa_class_common(size, align);
	void *p;

	if (unlikely(zero && size > PA_ZEROED_MAX)) {
		p = NULL;
	} else if (likely(cls)) {
		p = pa_user_refill(cls);
	} else {
		cls = pa_class_aligned(size, align);
		p = cls ? pa_user_refill(cls) : NULL;
	}
	if (likely(p))
		return zero ? memset(p, 0, size) : p;
	return pa_user_alloc_slower(size, align, zero);
}

/* Blocks that can be given back by their pages; how much may wait for one owner, and how long. */
#define PA_FIRST_FAR	(PA_FIRST_MEDIUM + 39)	/* 16 KiB */
#define PA_FAR_BYTES	(1UL << 20)
#define PA_FAR_MOST	(256UL << 20)
#define PA_FAR_DELAY	50

/*
 * What others free waits for the owner's next slow path, and that may never come:
 * the thread that has set all up sleeps until the others have done. If they free
 * much and it has had none for 50 ms, or very much, then what comes on top loses
 * its pages, but for the first, which has the link. A producer that was preempted
 * comes earlier. The numbers are not exact: freers may overwrite each other's.
 */
static __pa_cold void pa_user_far(struct pa_slot *owner, struct pa_pool *pool, void *p)
{
	uintptr_t from = ((uintptr_t)p + pa_page_size) & ~(pa_page_size - 1);
	size_t size = pa_class_size(pool->cls), bytes;
	u32 ticks = READ_ONCE(owner->ticks);
	uintptr_t to = ((uintptr_t)p + size) & ~(pa_page_size - 1);

	if (READ_ONCE(owner->far_ticks) != ticks) {
		WRITE_ONCE(owner->far_ticks, ticks);
		WRITE_ONCE(owner->far_bytes, 0);
		WRITE_ONCE(owner->far_stamp, pa_os_clock());
	}
	bytes = READ_ONCE(owner->far_bytes) + size;
	WRITE_ONCE(owner->far_bytes, bytes);
	if (bytes > PA_FAR_BYTES && from < to && pa_options.purge_delay != PA_NEVER &&
	    (bytes > PA_FAR_MOST || pa_os_clock() - READ_ONCE(owner->far_stamp) > PA_FAR_DELAY))
		pa_pages_release((void *)from, to - from);
	if (pa_remote_push(pool, p))
		pa_pool_enqueue(pool);
}

/*
 * The pool of a block of a span that is not in the span's first pool. NULL
 * for what lies in the first pool of a mapping: its descriptor is no pool's.
 */
static __always_inline struct pa_pool *pa_span_of(const void *p)
{
	struct pa_pool *d = pa_desc_of(p);

	return pa_pool_index(d) ? pa_pool_head(d) : NULL;
}

/* Frees a block of a span of the thread's own, whose class is PA_FIRST_KEPT or more. */
static void pa_user_free_own_span(struct pa_pool *pool, void *p)
{
	if (unlikely(pa_span_twice(pa_thread.slot, pool, p))) {
		pa_corrupt("block was freed twice", p);
		return;
	}
	/* Not in a signal handler: the slow path that it interrupted pops the bin. */
	if (likely(!pa_thread.level) && likely(pa_span_keep(pa_thread.slot, pool->cls, p)))
		return;
	if (pa_pool_push(pool, p))
		pa_user_free_event(pool);
}

/* Frees a block of another thread's pool. @pool is anything, if @p is no block. Return: false: so it is. */
static __always_inline bool pa_user_free_others(struct pa_slot *owner, struct pa_pool *pool, void *p)
{
	/* As pa_arena_of(), from a descriptor. */
	const struct pa_arena *arena = (struct pa_arena *)((uintptr_t)pool & ~(PA_DESC_BYTES - 1));

	if (unlikely(!owner || owner == pa_thread.slot || arena->magic != PA_MAGIC_ARENA ||
		     !pa_pool_holds(pool, p)))
		return false;
	if (unlikely(pool->cls >= PA_FIRST_FAR))
		pa_user_far(owner, pool, p);
	else if (pa_remote_push(pool, p))
		pa_pool_enqueue(pool);
	return true;
}

/* What may be no block of a pool. */
static __pa_cold void pa_user_free_slower(void *p)
{
	struct pa_large *large;
	struct pa_pool *pool;

	if (!p)
		return;
	if (unlikely(pa_system)) {
		pa_libc_free(p);
		return;
	}
	if ((uintptr_t)p & PA_ARENA_MASK && pa_arena_of(p)->magic != PA_MAGIC_LARGE) {
		struct pa_slot *owner;

		pool = pa_pool_head(pa_desc_of(p));
		owner = pa_pool_owner(pool);
		if (owner == pa_thread.slot) {
			/* An arena below PA_LOWEST. */
			if (pa_pool_push(pool, p))
				pa_user_free_event(pool);
		} else if (!pa_user_free_others(owner, pool, p)) {
			pa_free_slow(p);
		}
		return;
	}
	large = pa_large_of(p);
	if (large)
		pa_large_free(large);
	else
		pa_corrupt("free of a pointer that was not allocated here", p);
}

/**
 * pa_user_free_slow() - free what the fast path does not know
 * @p: NULL, a block of another thread's pool, of a span, a large one
 *
 * Leaves errno alone.
 */
void pa_user_free_slow(void *p)
{
	if (likely((uintptr_t)p >= PA_LOWEST)) {
		struct pa_pool *pool = pa_span_of(p);

		if (likely(pool)) {
			struct pa_slot *owner = READ_ONCE(pool->owner);

			if (owner == pa_owner_word(pa_thread.slot, PA_FIRST_KEPT)) {
				pa_user_free_own_span(pool, p);
				return;
			}
			if (likely(pa_user_free_others(pa_owner_slot(owner), pool, p)))
				return;
		}
	}
	pa_user_free_slower(p);
}

/*
 * The fast path has pushed a block on one of a span's further descriptors: it
 * goes to the first. They may be several, when a signal handler came in between.
 */
static void pa_user_free_to_span(struct pa_pool *inner)
{
	struct pa_pool *pool = pa_pool_head(inner);
	void *p = xchg(&inner->free, NULL), *next;

	WRITE_ONCE(inner->left, 0);
	for (; p; p = next) {
		next = pa_load_link(p);
		if (unlikely(pa_pool_push(pool, p)))
			pa_user_free_event(pool);
	}
}

/**
 * pa_user_free_event() - the count of an own pool has run out
 * @pool: the pool, or any of a span's descriptors
 *
 * Inside a slow path (a signal handler frees) the event is put off: the count
 * is at least one too high then, and that is always safe.
 */
__pa_cold void pa_user_free_event(struct pa_pool *pool)
{
	struct pa_bins *bins;

	if (pool->back) {
		pa_user_free_to_span(pool);
		return;
	}
	bins = pa_slot_enter();
	if (!bins) {
		WRITE_ONCE(pool->left, 1);
		return;
	}
	pa_slot_free_event(bins->slot, pool);
	pa_slot_leave(bins);
	pa_user_tick();
}

/**
 * pa_user_free_twice() - the block that is freed is the one that was freed last
 * @p: the block; it stays free
 */
__pa_cold void pa_user_free_twice(void *p)
{
	pa_corrupt("block was freed twice", p);
}

/* Bytes of a block of a span of the thread's own, whose class is PA_FIRST_KEPT or more; or 0. */
static size_t pa_user_own_span_size(const void *p)
{
	struct pa_pool *pool;

	if (unlikely((uintptr_t)p < PA_LOWEST))
		return 0;
	pool = pa_span_of(p);
	return pool && READ_ONCE(pool->owner) == pa_owner_word(pa_thread.slot, PA_FIRST_KEPT) ?
	       pa_class_size(pool->cls) : 0;
}

size_t pa_user_usable(const void *p)
{
	size_t size = pa_user_own_size(p);
	struct pa_large *large;

	if (likely(size))
		return size;
	if (!p)
		return 0;
	if (unlikely(pa_system))
		return pa_libc_usable_size(p);
	if ((uintptr_t)p & PA_ARENA_MASK && pa_arena_of(p)->magic == PA_MAGIC_ARENA)
		return pa_usable_size(p);
	large = pa_large_of(p);
	return large ? pa_large_usable(large) : 0;
}

/* From the thread's bin, if that has a block; sizes up to @most, rounded up to @align, may be there. */
static __always_inline void *pa_user_get(size_t size, size_t align, size_t most)
{
	size_t rounded = (size + align - 1) & ~(align - 1);

	if (likely(rounded - 1 < most)) {
		void *p = pa_user_pop8(rounded);

		if (likely(p))
			return p;
	}
	return pa_user_alloc_slow(size, align, false);
}

/*
 * Blocks that have grown lately, by 4 bits of a hash of their address, and 8 others: if
 * another block is taken for one of them it gets more than it asks for, or keeps more. And what
 * they asked for last, in units that 8 bits can count. Fibonacci hashing: D. Knuth, The Art of
 * Computer Programming 3, 6.4.
 */
static_assert(PA_GROWN == 16, "4 bits");

#define PA_GROWN_UNIT	(PA_GROWN_MAX / 256)

static __always_inline u64 pa_user_hash(const void *p)
{
	return (uintptr_t)p * 0x9e3779b97f4a7c15ULL;
}

static size_t pa_grown_units(size_t size)
{
	size_t units = size / PA_GROWN_UNIT;

	return units < 0xff ? units : 0xff;
}

/* About what a block asked for that has grown, in units; -1: it has not. */
static int pa_user_grown(const void *p)
{
	u64 hash = pa_user_hash(p);
	u16 grown = pa_thread.grown[hash >> 60];

	return grown >> 8 == (u8)(hash >> 52) ? grown & 0xff : -1;
}

static void pa_user_note_grown(const void *p, size_t size)
{
	u64 hash = pa_user_hash(p);

	pa_thread.grown[hash >> 60] = (u16)((hash >> 52 & 0xff) << 8 | pa_grown_units(size));
}

/* Has a block got much more than it asked for when it grew, and does it grow on? */
static __attribute__((noinline)) bool pa_user_grows_on(const void *p, size_t size)
{
	int asked = pa_user_grown(p);

	if (asked < 0 || pa_grown_units(size) < (size_t)asked)
		return false;
	pa_user_note_grown(p, size);
	return true;
}

/*
 * A block that grows by little is likely to go on: it gets three eighths more, and if it has
 * grown before, from PA_APPEND_MUCH bytes on three quarters, since pages that are not touched
 * cost little. Rounded up that is less than twice what it had: pa_user_resize() lets it be.
 * Not below PA_APPEND_LEAST: there moving is no work. And not where the thread has more than
 * PA_APPEND_FEW bytes of such blocks: if many grow to a size and stay, what they have too much
 * stays, too (selftests/malloc/growth.c, stay: 34 instead of 25 MiB). Then they get every
 * second class only: they move half as often, and fewer classes have blocks that are free.
 *
 * While they are very few (PA_APPEND_ALONE), one that has grown before gets PA_APPEND_JUMP
 * times as much as it had: what it moves is little, and a new one soon finds the last one's
 * block, which is in the cache. Whoever gets that, and asks for less than half of it, must be
 * remembered, or is made smaller.
 */
#define PA_APPEND_LEAST	1024
#define PA_APPEND_MUCH	4096
#define PA_APPEND_STEP	8
#define PA_APPEND_FEW	(512UL << 10)
#define PA_APPEND_ALONE	(128UL << 10)
#define PA_APPEND_JUMP	8

/* Has the thread more than @few bytes of blocks of a size? */
static bool pa_user_has_more(size_t size, size_t few)
{
	return pa_thread.slot->cls[pa_class_of(size)].pools > few / PA_POOL_SIZE;
}

static size_t pa_user_at_most(size_t size)
{
	return size < PA_GROWN_MAX ? size : PA_GROWN_MAX;
}

/* To a multiple of a quarter of the power of two below. */
static size_t pa_user_round(size_t size)
{
	size_t step = (size_t)1 << (63 - __builtin_clzll(size)) >> 2;

	return (size + step - 1) & ~(step - 1);
}

/* How much a block gets that has @old bytes and grows by little, to @size. */
static size_t pa_user_more(const void *p, size_t old, size_t size)
{
	bool much = old >= PA_APPEND_MUCH && pa_user_grown(p) >= 0;
	size_t more = pa_user_at_most(old * PA_APPEND_JUMP);

	if (much && !pa_user_has_more(more, PA_APPEND_ALONE))
		return more;
	more = pa_user_at_most(old + old / 8 * (much ? 6 : 3));
	return pa_user_has_more(more, PA_APPEND_FEW) ? pa_user_round(size) : more;
}

static void *pa_user_get_to_grow(const void *p, size_t old, size_t size, size_t align)
{
	if (size > PA_GROWN_MAX)
		return pa_large_grow(size);
	if (old < PA_APPEND_LEAST || size - old > old / PA_APPEND_STEP)
		return NULL;
	return pa_user_get(pa_user_more(p, old, size), align, PA_FAST_MAX);
}

/* A block of PA_APPEND_LEAST bytes and more gets more. */
static __attribute__((noinline)) void *pa_user_grow(void *p, size_t old, size_t size, size_t align)
{
	void *q = pa_user_get_to_grow(p, old, size, align);

	if (!q)
		q = pa_user_get(size, align, PA_FAST_MAX);
	if (!q)
		return NULL;
	pa_user_note_grown(q, size);
	memcpy(q, p, old);
	pa_user_free(p);
	return q;
}

static void *pa_user_move(void *p, size_t old, size_t size, size_t align)
{
	void *q;

	if (size >= PA_APPEND_LEAST && size > old)
		return pa_user_grow(p, old, size, align);
	q = pa_user_get(size, align, PA_FAST_MAX);
	if (!q)
		return NULL;
	memcpy(q, p, old < size ? old : size);
	pa_user_free(p);
	return q;
}

/**
 * pa_user_resize() - change the size of a block
 * @p: a block, not NULL
 * @old: bytes that it has, 0 if not known
 * @size: new size in bytes
 * @align: what a new block must be aligned to
 *
 * Return: the block, or NULL with errno ENOMEM; then @p is unchanged.
 */
void *pa_user_resize(void *p, size_t old, size_t size, size_t align)
{
	struct pa_large *large = NULL;

	if (!old)
		old = pa_user_own_span_size(p);
	if (!old) {
		if (unlikely(pa_system))
			return pa_libc_realloc(p, size);
		large = pa_large_of(p);
		old = large ? pa_large_usable(large) : pa_user_usable(p);
	}
	if (unlikely(!old)) {
		pa_corrupt("realloc of a pointer that was not allocated here", p);
		errno = ENOMEM;
		return NULL;
	}
	if (large && old > PA_GROWN_MAX && size > PA_GROWN_MAX) {
		void *q = pa_large_stays(large, size) ? p : pa_large_resize(large, size);

		if (q)
			return q;
	}
	/*
	 * One that has got three quarters more, and that rounded up, is not smaller because of
	 * that. Nobody remembers which ones have; those that have got still more are remembered.
	 */
	if (size <= old && (size > old / 8 * 5 || old <= 16 ||
			    (old >= PA_APPEND_LEAST && size > old / 2)))
		return p;
	if (size <= old && old > PA_APPEND_MUCH && old <= PA_GROWN_MAX && pa_user_grows_on(p, size))
		return p;
	return pa_user_move(p, old, size, align);
}

/* The largest size whose bin has blocks at multiples of @align only, if it is one itself. */
static __always_inline size_t pa_aligned_most(size_t align)
{
	return align <= 64 ? PA_FAST_MAX : PA_SMALL_MAX;
}

/* Contract of the aligned functions: @align is a power of two. */
void *pa_user_aligned(size_t align, size_t size)
{
	align = align < 8 ? 8 : align;
	return pa_user_get(size, align, pa_aligned_most(align));
}
