// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Mappings made to fit: of a kept one that is much too large the last pages are
 * moved to where a block can begin, and one that is too small is made larger.
 *
 * What a large block costs are its page faults, and pages that are kept while
 * others are faulted in beside them. Moving pages costs little: nothing is cleared or copied.
 */
#define _GNU_SOURCE
#include "pa_refit.h"
#include "pa_cache.h"
#include "pa_mapping.h"
#include "pa_os.h"

#include <errno.h>
#include <sys/mman.h>

/* A mapping is made larger when it has that part of what is wanted. */
#define PA_STRETCH		4

/*
 * Large blocks are put each below the last one, where nobody else is expected: that takes one
 * system call, aligned memory anywhere three. It begins so far below the library, or the
 * program if that is linked with it, and goes round in so much address space. Not in a
 * program at a fixed address, which has nothing below it.
 */
#define PA_LARGE_BELOW		(64UL << 30)
#define PA_LARGE_ROUND		(128UL << 30)
#define PA_LARGE_LEAST		(1UL << 46)

static char *pa_refit_place(size_t total, size_t align)
{
	static uintptr_t lowest;	/* atomic: of the last one; 0: none yet */
	const uintptr_t top = ((uintptr_t)&lowest - PA_LARGE_BELOW) & ~(align - 1);
	uintptr_t at, last = READ_ONCE(lowest);

	if ((uintptr_t)&lowest < PA_LARGE_LEAST || total > PA_LARGE_ROUND / 2)
		return NULL;
	do {
		at = ((last ? last : top) - total) & ~(align - 1);
		if (at < top - PA_LARGE_ROUND)
			at = (top - total) & ~(align - 1);
	} while (!try_cmpxchg(&lowest, &last, at));
	return pa_os_map_at((char *)at, total) ? NULL : (char *)at;
}

/**
 * pa_refit_reserve() - address space for a large block
 * @total: bytes
 *
 * The header is at the beginning, where free() looks for an arena's first
 * descriptor: it must not be further on (PA_COLOURS). Huge pages need to be aligned,
 * too, and a table of pages that moves as a whole.
 *
 * Return: zeroed memory, or NULL.
 */
char *pa_refit_reserve(size_t total)
{
	size_t align = PA_COLOURS * PA_ARENA_SIZE;
	char *p;

	if (total >= PA_HUGE && align < PA_HUGE)
		align = PA_HUGE;
	p = pa_refit_place(total, align);
	return p ? p : pa_os_reserve(total, align);
}

/*
 * Moves the pages of [@from, @from + @old) to where there is room for @total, and makes
 * the mapping @now bytes there.
 */
static char *pa_refit_move(char *from, size_t old, size_t now, size_t total)
{
	char *to = pa_refit_reserve(total);

	if (to && mremap(from, old, now, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED) {
		munmap(to, total);
		return NULL;
	}
	return to;
}

/**
 * pa_refit_remap() - change the size of a mapping, moving the pages if it must
 * @large: its header
 * @total: new size in bytes
 *
 * Context: the block is the caller's; if it is in use, under pa_large_lock().
 * Return: the header, perhaps elsewhere, with @mapped as it was; or NULL. Changes errno.
 */
struct pa_large *pa_refit_remap(struct pa_large *large, size_t total)
{
	size_t offset = (size_t)(large->block - large->base);
	char *to;

	if (mremap(large->base, large->mapped, total, 0) != MAP_FAILED)
		return large;
	to = total < large->mapped ? NULL : pa_refit_move(large->base, large->mapped, total, total);
	if (!to)
		return NULL;
	large = (struct pa_large *)to;
	large->base = to;
	large->block = to + offset;
	return large;
}

/* The last @bytes of a mapping become one of their own. The entry is left to the caller. */
static struct pa_large *pa_refit_split(const struct pa_mapping *m, size_t bytes)
{
	size_t rest = m->bytes - bytes;
	char *to = pa_refit_move((char *)m->large + rest, bytes, bytes, bytes);
	struct pa_large *large = (struct pa_large *)to;

	if (!to)
		return NULL;
	*large = (struct pa_large) {
		.block = (char *)(large + 1),
		.mapped = bytes,
		.base = to,
		.magic = PA_MAGIC_LARGE,
		.flags = m->large->flags,
		.there = m->large->there > rest ? m->large->there - rest : 0,
	};
	pa_large_set_mapped(m->large, rest);
	return large;
}

/**
 * pa_refit_keep_tail() - the last pages of a block in use become a mapping that is kept
 * @m: the block's entry
 * @bytes: so many
 *
 * Context: under pa_large_lock(). Leaves errno alone.
 * Return: false if nothing has changed.
 */
bool pa_refit_keep_tail(struct pa_mapping *m, size_t bytes)
{
	struct pa_mapping *tail = pa_mapping_get();
	struct pa_large *large;
	int saved = errno;

	large = tail ? pa_refit_split(m, bytes) : NULL;
	errno = saved;
	if (large) {
		pa_large_account_size(m, m->bytes - bytes);
		tail->large = large;
		WRITE_ONCE(tail->bytes, bytes);
		WRITE_ONCE(tail->stamp, pa_os_clock());
		large->mapping = tail;
		pa_cache_put(tail);
	} else if (tail) {
		pa_mapping_put(tail);
	}
	return large;
}

/**
 * pa_refit_cut() - a mapping made of the last pages of a kept one
 * @total: bytes
 *
 * Context: pa_large_lock() is not held. The mapping that is cut is out of the
 * cache meanwhile, so nobody else's.
 * Return: its entry, of a block in use, or NULL. errno is left alone.
 */
struct pa_mapping *pa_refit_cut(size_t total)
{
	struct pa_large *large = NULL;
	size_t most = pa_cache_usual(total), bytes = total;
	struct pa_mapping *m;
	int saved = errno;
	bool listed;

	if (total < PA_CUT_LEAST || most == SIZE_MAX)
		return NULL;
	pa_large_lock();
	m = pa_cache_take(most + 1, SIZE_MAX, false);
	pa_large_unlock();
	if (!m)
		return NULL;
	/* Huge pages stay whole. */
	if (m->large->flags & PA_LARGE_HUGE)
		bytes += (m->bytes - total) & (PA_HUGE - 1);
	if (bytes <= most)
		large = pa_refit_split(m, bytes);
	pa_large_lock();
	if (large)
		WRITE_ONCE(m->bytes, m->bytes - bytes);
	pa_cache_put(m);
	listed = large && pa_large_register(large);
	pa_large_unlock();
	if (large && !listed) {
		munmap(large, bytes);
		pa_os_uncharge(bytes);
	}
	errno = saved;
	return listed ? large->mapping : NULL;
}

/*
 * Makes a kept mapping larger, elsewhere if it must. That is two steps, as valgrind 3.19 can
 * take what a mapping has grown by while it moved for not mapped; somebody else's mapping may
 * come in between.
 * Return: false if it has the size that it had.
 */
static bool pa_refit_enlarge(struct pa_mapping *m, size_t total)
{
	size_t old = m->bytes;
	char *to;

	if (mremap(m->large, old, total, 0) != MAP_FAILED)
		return true;
	to = pa_refit_move((char *)m->large, old, old, total);
	if (!to)
		return false;
	m->large = (struct pa_large *)to;
	m->large->base = to;
	m->large->block = (char *)(m->large + 1);
	munmap(to + old, total - old);
	return mremap(to, old, total, 0) != MAP_FAILED;
}

/**
 * pa_refit_stretch() - a kept mapping that was too small
 * @total: bytes
 *
 * Most have room behind them, up to the next multiple of the arena size; the
 * pages of others move.
 *
 * Context: pa_large_lock() is not held.
 * Return: its entry, accounted as in use, or NULL. errno is left alone.
 */
struct pa_mapping *pa_refit_stretch(size_t total)
{
	struct pa_mapping *m;
	bool done = false;
	int saved = errno;
	size_t more;

	pa_large_lock();
	m = pa_cache_take(total / PA_STRETCH, total - 1, true);
	pa_large_unlock();
	if (!m)
		return NULL;
	more = total - m->bytes;
	if (pa_os_charge(more)) {
		done = pa_refit_enlarge(m, total);
		if (!done)
			pa_os_uncharge(more);
	}
	pa_large_lock();
	if (done) {
		pa_large_set_mapped(m->large, total);
		WRITE_ONCE(m->bytes, total);
		pa_large_account(m, true);
		pa_cache_missed(more, pa_large_bytes);
	} else {
		pa_cache_put(m);
	}
	pa_large_unlock();
	errno = saved;
	return done ? m : NULL;
}
