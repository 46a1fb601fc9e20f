// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Magazines: the mappings of the large blocks that a thread freed last, for
 * its next ones, without pa_large_lock().
 *
 * There is a fixed number of them, and a slot's number says which one its
 * thread uses: those of 64 threads are their own. So nothing happens when a thread ends, and threads that share
 * one only get in each other's way. (Magazines: J. Bonwick, J. Adams,
 * "Magazines and Vmem", 2001; these are not exchanged but shared.)
 *
 * Protocol: a mapping is in a magazine when a place points at it. Whoever
 * changes a place from it to NULL by compare-and-swap owns the mapping, and
 * who owns a freed mapping may change NULL to it. Both are full barriers, so
 * the entry's contents go along. A mapping that was there may have gone and
 * another with the same entry have come: what was read of the entry before the
 * swap is looked at again after it. To unmap what is in a magazine, it is
 * taken under pa_large_mutex: a walk, which reads headers of blocks that it
 * saw live, holds that.
 */
#include "pa_magazine.h"
#include "pa_os.h"

#define PA_MAGAZINES		64
#define PA_MAGAZINE_PLACES	4

/* Bytes of one mapping, and of all in one magazine. */
#define PA_MAGAZINE_LARGEST	(256UL << 10)
#define PA_MAGAZINE_BYTES	(512UL << 10)

struct pa_magazine {
	struct pa_mapping *place[PA_MAGAZINE_PLACES];
} __attribute__((aligned(64)));

static struct pa_magazine pa_magazines[PA_MAGAZINES];
/* Bit i is set when magazine i was ever used. */
static u64 pa_magazines_used;

static_assert(PA_MAGAZINES == 64, "a bit for each");

/* A thread that has large blocks only has no slot: then where its data lies. */
static unsigned int pa_magazine_own(void)
{
	const struct pa_slot *slot = pa_thread.slot;

	if (likely(slot != &pa_slot_none))
		return slot->id % PA_MAGAZINES;
	return (unsigned int)(((uintptr_t)&pa_thread >> 6) * 0x9e3779b97f4a7c15ULL >> 58);
}

static bool pa_place_take(struct pa_mapping **place, struct pa_mapping *m)
{
	return try_cmpxchg(place, &m, NULL);
}

static bool pa_place_put(struct pa_mapping **place, struct pa_mapping *m)
{
	struct pa_mapping *none = NULL;

	return try_cmpxchg(place, &none, m);
}

/**
 * pa_magazine_put() - keep the mapping of a block that was freed
 * @m: its entry, owned by the caller, not live
 *
 * Context: any, also a signal handler; nothing is locked.
 * Return: false if there is no room for it.
 */
bool pa_magazine_put(struct pa_mapping *m)
{
	unsigned int i = pa_magazine_own(), k;
	struct pa_magazine *mag = &pa_magazines[i];
	struct pa_mapping **room = NULL;
	size_t bytes = READ_ONCE(m->bytes);

	if (bytes > PA_MAGAZINE_LARGEST)
		return false;
	for (k = 0; k < PA_MAGAZINE_PLACES; k++) {
		const struct pa_mapping *other = READ_ONCE(mag->place[k]);

		if (other)
			bytes += READ_ONCE(other->bytes);
		else
			room = &mag->place[k];
	}
	if (!room || bytes > PA_MAGAZINE_BYTES)
		return false;
	if (unlikely(!(READ_ONCE(pa_magazines_used) & 1ULL << i)))
		__atomic_fetch_or(&pa_magazines_used, 1ULL << i, __ATOMIC_SEQ_CST);
	return pa_place_put(room, m);
}

/**
 * pa_magazine_take() - a mapping that the thread has kept
 * @total: bytes
 * @most: bytes that it may have
 *
 * Context: any, also a signal handler; nothing is locked.
 * Return: its entry, owned by the caller; or NULL. It may be too small after
 * all: then another one came to its place.
 */
struct pa_mapping *pa_magazine_take(size_t total, size_t most)
{
	struct pa_magazine *mag = &pa_magazines[pa_magazine_own()];
	unsigned int k;

	if (total > PA_MAGAZINE_LARGEST)
		return NULL;
	for (k = 0; k < PA_MAGAZINE_PLACES; k++) {
		struct pa_mapping *m = READ_ONCE(mag->place[k]);
		size_t bytes = m ? READ_ONCE(m->bytes) : 0;

		if (bytes >= total && bytes <= most && pa_place_take(&mag->place[k], m))
			return m;
	}
	return NULL;
}

/**
 * pa_magazine_empty() - take out all that the thread has kept
 *
 * Context: any; nothing is locked.
 * Return: a list, linked by @next.
 */
struct pa_mapping *pa_magazine_empty(void)
{
	struct pa_magazine *mag = &pa_magazines[pa_magazine_own()];
	struct pa_mapping *list = NULL;
	unsigned int k;

	for (k = 0; k < PA_MAGAZINE_PLACES; k++) {
		struct pa_mapping *m = READ_ONCE(mag->place[k]);

		if (!m || !pa_place_take(&mag->place[k], m))
			continue;
		m->next = list;
		list = m;
	}
	return list;
}

/**
 * pa_magazine_old() - take out what has been kept long enough
 * @now: pa_os_clock()
 * @delay: ms; 0 for all
 * @most: bytes that are enough
 *
 * Context: under pa_large_mutex.
 * Return: a list of one magazine's mappings at most, linked by @next.
 */
struct pa_mapping *pa_magazine_old(u64 now, u64 delay, size_t most)
{
	u64 used = READ_ONCE(pa_magazines_used);
	struct pa_mapping *old = NULL;
	size_t bytes = 0;

	for (; used && !old; used &= used - 1) {
		struct pa_magazine *mag = &pa_magazines[__builtin_ctzll(used)];
		unsigned int k;

		for (k = 0; k < PA_MAGAZINE_PLACES && bytes < most; k++) {
			struct pa_mapping *m = READ_ONCE(mag->place[k]);

			if (!m || (delay && now - READ_ONCE(m->stamp) < delay) ||
			    !pa_place_take(&mag->place[k], m))
				continue;
			bytes += READ_ONCE(m->bytes);
			m->next = old;
			old = m;
		}
	}
	return old;
}

/**
 * pa_magazine_count() - what is in all magazines
 * @blocks: how many mappings
 * @bytes: their bytes
 *
 * Exact while nobody allocates or frees large blocks.
 */
void pa_magazine_count(u64 *blocks, u64 *bytes)
{
	u64 used = READ_ONCE(pa_magazines_used);

	*blocks = 0;
	*bytes = 0;
	for (; used; used &= used - 1) {
		const struct pa_magazine *mag = &pa_magazines[__builtin_ctzll(used)];
		unsigned int k;

		for (k = 0; k < PA_MAGAZINE_PLACES; k++) {
			const struct pa_mapping *m = READ_ONCE(mag->place[k]);

			*blocks += m ? 1 : 0;
			*bytes += m ? READ_ONCE(m->bytes) : 0;
		}
	}
}
