// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * What becomes of freed large blocks: their mappings are kept in the thread's magazine or the
 * cache, or go back to the system.
 */
#include "pa_cache.h"
#include "pa_magazine.h"
#include "pa_mapping.h"
#include "pa_options.h"
#include "pa_os.h"
#include "pa_refit.h"

#include <errno.h>
#include <sys/mman.h>

/* Freed where no lock may be taken. */
static struct pa_stack pa_large_deferred;

static void pa_large_unmap(char *base, size_t bytes)
{
	int saved = errno;

	/* A full map table can refuse to split a mapping: keep the pages at least. */
	if (munmap(base, bytes))
		madvise(base, bytes, MADV_DONTNEED);
	pa_os_uncharge(bytes);
	errno = saved;
}

/**
 * pa_large_settle() - free what signal handlers and the like have left
 *
 * Context: pa_large_lock() is not held.
 */
void pa_large_settle(void)
{
	struct pa_qnode *q = pa_stack_take(&pa_large_deferred);

	while (q) {
		struct pa_large *large = container_of(q, struct pa_large, qlink);

		q = q->next;
		pa_large_free(large);
	}
}

/*
 * What is no longer in use goes to the cache, if that has room.
 * Context: under pa_large_mutex.
 * Return: false if it must be unmapped.
 */
static bool pa_large_retire(struct pa_mapping *m)
{
	struct pa_large *large = m->large;

	pa_large_account(m, false);
	if (large->block == large->base + sizeof(*large) &&
	    pa_cache_has_room(m->bytes, pa_large_bytes)) {
		pa_cache_put(m);
		return true;
	}
	pa_mapping_put(m);
	return false;
}

/* Unmaps what was taken out of the cache or a magazine. Return: bytes. */
static size_t pa_large_unmap_all(struct pa_mapping *list)
{
	struct pa_mapping *m, *next;
	size_t bytes = 0;

	for (m = list; m; m = m->next) {
		bytes += m->bytes;
		pa_large_unmap((char *)m->large, m->bytes);
	}
	pa_large_lock();
	for (m = list; m; m = next) {
		next = m->next;
		pa_mapping_put(m);
	}
	pa_large_unlock();
	return bytes;
}

/*
 * The same, but not more than @most bytes if it can be: the first of the list, which was taken
 * out last, may be needed for a part only. Then it loses its last pages and is kept.
 */
static size_t pa_large_unmap_some(struct pa_mapping *list, size_t most)
{
	struct pa_mapping *m;
	size_t rest = 0;

	for (m = list; m; m = m->next)
		rest += m->bytes;
	rest = rest > most ? rest - most : 0;
	m = list;
	if (m->large->flags & PA_LARGE_HUGE)
		rest &= ~(PA_HUGE - 1);
	rest &= ~(pa_page_size - 1);
	if (rest < PA_CUT_LEAST || rest >= m->bytes)
		return pa_large_unmap_all(list);
	list = m->next;
	most = m->bytes - rest;
	pa_large_unmap((char *)m->large + rest, most);
	pa_large_set_mapped(m->large, rest);
	pa_large_lock();
	WRITE_ONCE(m->bytes, rest);
	pa_cache_put(m);
	pa_large_unlock();
	return list ? most + pa_large_unmap_all(list) : most;
}

/* Takes out what is kept too much, now that less is in use. Under the lock. */
static struct pa_mapping *pa_large_surplus(size_t *over)
{
	*over = pa_cache_surplus(pa_large_bytes);
	return *over ? pa_cache_old(pa_os_clock(), 0, *over) : NULL;
}

/**
 * pa_large_keep_less() - what is kept shrinks with what is in use
 *
 * Context: pa_large_lock() is not held.
 */
void pa_large_keep_less(void)
{
	struct pa_mapping *surplus;
	size_t over;

	pa_large_lock();
	surplus = pa_large_surplus(&over);
	pa_large_unlock();
	if (surplus)
		pa_large_unmap_some(surplus, over);
}

/**
 * pa_large_drop() - keep a mapping in the cache or unmap it
 * @m: its entry, of a freed block
 *
 * What is kept shrinks with what is in use.
 */
void pa_large_drop(struct pa_mapping *m)
{
	char *base = m->large->base;
	struct pa_mapping *surplus;
	size_t bytes = m->bytes, over;
	bool keep;

	pa_large_lock();
	keep = pa_large_retire(m);
	surplus = pa_large_surplus(&over);
	pa_large_unlock();
	if (!keep)
		pa_large_unmap(base, bytes);
	if (surplus)
		pa_large_unmap_some(surplus, over);
}

/* All that the thread has kept for itself may serve another size in the cache. */
void pa_large_drop_own(void)
{
	struct pa_mapping *m = pa_magazine_empty(), *next;

	for (; m; m = next) {
		next = m->next;
		pa_large_drop(m);
	}
}

/**
 * pa_large_free() - free a large block
 * @large: its header
 *
 * Context: any. Inside a slow path it is only noted.
 */
void pa_large_free(struct pa_large *large)
{
	struct pa_mapping *m = large->mapping;
	u64 live = PA_MAPPING_LIVE;

	if (large->flags & PA_LARGE_UNLISTED) {
		pa_unlisted_account(large, false);
		pa_large_unmap(large->base, large->mapped);
		return;
	}
	if (pa_thread.level) {
		pa_stack_push(&pa_large_deferred, &large->qlink);
		return;
	}
	if (unlikely(!try_cmpxchg(&m->stamp, &live, pa_os_clock()))) {
		pa_corrupt("a large block was freed twice", large->block);
		return;
	}
	if (!pa_options.purge_delay || large->block != large->base + sizeof(*large) ||
	    !pa_magazine_put(m))
		pa_large_drop(m);
}

/**
 * pa_large_purge() - unmap what the cache has kept long enough, some of it
 * @now: pa_os_clock()
 * @delay: ms it is kept; 0 for all
 * @most: bytes that are enough
 *
 * Return: bytes given back; 0 if there was nothing to do.
 */
size_t pa_large_purge(u64 now, u64 delay, size_t most)
{
	struct pa_mapping *old, *m;

	if (pa_thread.level)
		return 0;
	pa_large_settle();
	pa_large_lock();
	old = pa_cache_old(now, delay, most);
	if (!old) {
		old = pa_magazine_old(now, delay, most);
		for (m = old; m; m = m->next)
			pa_large_account(m, false);
	}
	pa_large_unlock();
	return old ? pa_large_unmap_some(old, most) : 0;
}

/**
 * pa_large_purge_all() - unmap all that the cache has
 *
 * Return: bytes.
 */
size_t pa_large_purge_all(void)
{
	size_t bytes = 0, some;

	while ((some = pa_large_purge(pa_os_clock(), 0, SIZE_MAX)))
		bytes += some;
	return bytes;
}
