// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The cache of freed mappings: lists by size, four per doubling, newest first.
 */
#define _GNU_SOURCE
#include "pa_cache.h"
#include "pa_options.h"
#include "pa_os.h"

/*
 * How much is kept. Most programs gain nothing, and others of the process need the memory
 * as well, so it starts small (common/README.md, Tried). It grows when a mapping is asked for
 * that those given back within the last second would have served, by all of them, and falls
 * back when idle memory is looked at. It grows up to the largest of 32 MiB, a quarter of
 * what is in use, and the swing, see struct pa_swing.
 */
#define PA_CACHE_LEAST		(256UL << 10)
#define PA_CACHE_MOST		(32UL << 20)
#define PA_CACHE_SHARE		4
#define PA_SWING_PART		4
#define PA_CACHE_MS		1000

/* Lists: from 32 KiB on, the last one takes all that is larger. */
#define PA_CACHE_LISTS		64
#define PA_CACHE_SHIFT		15

/*
 * A mapping may be so many times too large. From PA_CACHE_BIG on, not quite twice too
 * large: mimalloc-bench's malloc-large had a peak of 535 MB with 4, 488 with 2, as with
 * hardly any cache, and took 1.8 and 2.1 s. With exactly 2 a buffer that is doubled again
 * and again would take the mapping that its next size needs.
 */
#define PA_CACHE_FACTOR		4
#define PA_CACHE_BIG		(1UL << 20)

/* Mappings that are looked at in one list, and that one purge gives back. */
#define PA_CACHE_LOOK		8
#define PA_CACHE_PURGE		32

static struct pa_mapping *pa_cache[PA_CACHE_LISTS];
static u64 pa_cache_used;	/* bit i is set when list i is not empty */
static size_t pa_cache_bytes;
static size_t pa_cache_limit = PA_CACHE_LEAST;
static size_t pa_missed_bytes;	/* given back lately, less what was asked for since */
static size_t pa_missed_most;	/* the largest mapping among them */
static u64 pa_missed_stamp;	/* when something was given back */
static u64 pa_served_stamp;	/* when one was kept that was used again */

/**
 * struct pa_swing - how far what is in use falls and rises again
 * @high: the most bytes in use since @stamp
 * @low: the least since they were @high
 * @now: how far they have risen again since @stamp, up to @high, after they had
 *	fallen by a quarter of it or more
 * @before: the same of the time before
 * @stamp: when this time began; it takes a second
 *
 * A program that allocates much, frees some of it and does so again needs what it
 * has freed: with that much kept it has no more memory than it had before.
 */
static struct pa_swing {
	u64 high;
	u64 low;
	u64 now;
	u64 before;
	u64 stamp;
} pa_swing;

static_assert(PA_CACHE_LISTS == 64, "a bit for each");

static unsigned int pa_cache_list(size_t bytes)
{
	unsigned int top, list;

	if (bytes < 1UL << PA_CACHE_SHIFT)
		return 0;
	top = 63 - (unsigned int)__builtin_clzll(bytes);
	list = (top - PA_CACHE_SHIFT) * 4 + (unsigned int)(bytes >> (top - 2) & 3);
	return list < PA_CACHE_LISTS ? list : PA_CACHE_LISTS - 1;
}

/* The lists that have something, from that of @from bytes to that of @to. */
static u64 pa_cache_between(size_t from, size_t to)
{
	return pa_cache_used & (~0ULL << pa_cache_list(from)) &
	       (~0ULL >> (PA_CACHE_LISTS - 1 - pa_cache_list(to)));
}

static void pa_cache_unlink(struct pa_mapping **at, unsigned int list)
{
	pa_cache_bytes -= (*at)->bytes;
	*at = (*at)->next;
	if (!pa_cache[list])
		pa_cache_used &= ~(1ULL << list);
}

/* The newest mapping in a list that has @least to @most bytes. */
static struct pa_mapping **pa_cache_find(unsigned int list, size_t least, size_t most)
{
	struct pa_mapping **at = &pa_cache[list];
	unsigned int n;

	for (n = 0; *at && n < PA_CACHE_LOOK; n++, at = &(*at)->next)
		if ((*at)->bytes >= least && (*at)->bytes <= most)
			return at;
	return NULL;
}

/**
 * pa_cache_usual() - so large may be what is used as it is
 * @total: for so many bytes
 *
 * Context: any.
 * Return: bytes.
 */
size_t pa_cache_usual(size_t total)
{
	if (total < PA_CACHE_BIG)
		return total * PA_CACHE_FACTOR;
	return total > SIZE_MAX / 2 ? SIZE_MAX : total * 2 - total / 8;
}

/**
 * pa_cache_take() - a kept mapping
 * @total: bytes that it must have
 * @most: bytes that it may have
 * @largest: about the largest is wanted, not about the smallest
 *
 * It may be much too large: its pages are there already, and a new mapping
 * would come on top of it.
 *
 * Return: the mapping, or NULL.
 */
struct pa_mapping *pa_cache_take(size_t total, size_t most, bool largest)
{
	unsigned int list;
	u64 lists;

	for (lists = pa_cache_between(total, most); lists; lists &= ~(1ULL << list)) {
		struct pa_mapping **at, *m;

		list = largest ? 63 - (unsigned int)__builtin_clzll(lists) :
			       (unsigned int)__builtin_ctzll(lists);
		at = pa_cache_find(list, total, most);
		if (!at)
			continue;
		m = *at;
		pa_cache_unlink(at, list);
		pa_served_stamp = m->stamp;
		return m;
	}
	return NULL;
}

static u64 pa_swing_most(void)
{
	return pa_swing.now > pa_swing.before ? pa_swing.now : pa_swing.before;
}

/**
 * pa_cache_in_use() - large blocks were allocated or freed
 * @live: bytes of those in use
 */
void pa_cache_in_use(u64 live)
{
	struct pa_swing *s = &pa_swing;
	u64 now = pa_os_clock(), past = now - s->stamp, top;

	if (past > PA_CACHE_MS) {
		s->before = past > 2 * PA_CACHE_MS ? 0 : s->now;
		s->now = 0;
		s->high = live;
		s->low = live;
		s->stamp = now;
	}
	top = live < s->high ? live : s->high;
	if (live < s->low)
		s->low = live;
	else if (s->low <= s->high - s->high / PA_SWING_PART && top - s->low > s->now)
		s->now = top - s->low;
	if (live > s->high) {
		s->high = live;
		s->low = live;
	}
}

/* The most that may be kept while @live bytes of large blocks are in use. */
static size_t pa_cache_most(u64 live)
{
	u64 most = live / PA_CACHE_SHARE > pa_swing_most() ? live / PA_CACHE_SHARE : pa_swing_most();

	return most > PA_CACHE_MOST ? most : PA_CACHE_MOST;
}

static void pa_cache_bound(u64 live)
{
	if (pa_cache_limit > pa_cache_most(live))
		pa_cache_limit = pa_cache_most(live);
}

/**
 * pa_cache_missed() - new pages are needed: should some have been kept?
 * @bytes: so many
 * @live: bytes of large blocks in use
 */
void pa_cache_missed(size_t bytes, u64 live)
{
	if (bytes > pa_missed_most || bytes > pa_missed_bytes ||
	    pa_os_clock() - pa_missed_stamp > PA_CACHE_MS)
		return;
	pa_cache_limit += pa_missed_bytes;
	pa_missed_bytes -= bytes;
	pa_cache_bound(live);
}

/**
 * pa_cache_surplus() - how much more is kept than may be, now that less is in use
 * @live: bytes of large blocks in use
 *
 * Return: bytes.
 */
size_t pa_cache_surplus(u64 live)
{
	size_t most = pa_cache_most(live);

	return pa_cache_bytes > most ? pa_cache_bytes - most : 0;
}

/**
 * pa_cache_put() - keep a mapping that is not in use, or what is left of one
 * @m: its entry; the block, if it gets one, begins right behind the header
 */
void pa_cache_put(struct pa_mapping *m)
{
	unsigned int list = pa_cache_list(m->bytes);

	m->next = pa_cache[list];
	pa_cache[list] = m;
	pa_cache_used |= 1ULL << list;
	pa_cache_bytes += m->bytes;
}

static void pa_cache_refuse(size_t bytes)
{
	u64 now = pa_os_clock();

	if (now - pa_missed_stamp > PA_CACHE_MS) {
		pa_missed_bytes = 0;
		pa_missed_most = 0;
	}
	pa_missed_bytes += bytes;
	if (bytes > pa_missed_most)
		pa_missed_most = bytes;
	pa_missed_stamp = now;
}

/**
 * pa_cache_has_room() - may what is no longer in use be kept?
 * @bytes: so many; that they were refused is noted
 * @live: bytes of large blocks that are still in use
 */
bool pa_cache_has_room(size_t bytes, u64 live)
{
	if (!pa_options.purge_delay)
		return false;
	pa_cache_bound(live);
	if (pa_cache_bytes + bytes <= pa_cache_limit)
		return true;
	pa_cache_refuse(bytes);
	return false;
}

/**
 * pa_cache_old() - take out what has been kept long enough
 * @now: pa_os_clock()
 * @delay: ms; 0 for all
 * @most: bytes that are enough
 *
 * Return: a list of PA_CACHE_PURGE mappings at most, linked by @next.
 */
struct pa_mapping *pa_cache_old(u64 now, u64 delay, size_t most)
{
	struct pa_mapping *old = NULL;
	unsigned int n = 0;
	size_t bytes = 0;
	u64 lists;

	if (now - pa_missed_stamp > PA_CACHE_MS && now - pa_served_stamp > PA_CACHE_MS)
		pa_cache_limit = PA_CACHE_LEAST;
	for (lists = pa_cache_used; lists && n < PA_CACHE_PURGE && bytes < most;
	     lists &= lists - 1) {
		unsigned int list = (unsigned int)__builtin_ctzll(lists);
		struct pa_mapping **at = &pa_cache[list];

		while (*at && n < PA_CACHE_PURGE && bytes < most) {
			struct pa_mapping *m = *at;

			if (delay && now - m->stamp < delay) {
				at = &m->next;
				continue;
			}
			pa_cache_unlink(at, list);
			bytes += m->bytes;
			m->next = old;
			old = m;
			n++;
		}
	}
	return old;
}
