// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The table of large blocks: an entry for each, also of mappings that are kept.
 * Those that were mapped where no lock may be taken are only counted.
 */
#define _GNU_SOURCE
#include "pa_mapping.h"
#include "pa_cache.h"
#include "pa_magazine.h"
#include "pa_os.h"

#include <errno.h>
#include <sys/mman.h>

static pa_lock_t pa_large_mutex = PA_LOCK_INITIALIZER;

/* Entries come in pieces; the first is there already, but not in the table before it is needed. */
#define PA_MAPPING_PIECE	2048
#define PA_MAPPING_PIECES	512

static struct pa_mapping pa_mapping_first[PA_MAPPING_PIECE];

/* Under pa_large_mutex. */
static struct pa_mapping *pa_mapping_piece[PA_MAPPING_PIECES];
static size_t pa_mappings;
static struct pa_mapping *pa_mapping_unused;
/* Those in magazines count here. */
static u64 pa_large_blocks;
u64 pa_large_bytes;
/* Atomic: those in no table. */
static u64 pa_unlisted_blocks;
static u64 pa_unlisted_bytes;

void pa_large_lock(void)
{
	pa_lock(&pa_large_mutex);
}

void pa_large_unlock(void)
{
	pa_unlock(&pa_large_mutex);
}

void pa_large_fork_child(void)
{
	pa_lock_init(&pa_large_mutex);
}

/**
 * pa_unlisted_account() - a block that is in no table was mapped, or is unmapped
 * @large: its header
 * @add: mapped
 *
 * Context: any.
 */
void pa_unlisted_account(const struct pa_large *large, bool add)
{
	__atomic_fetch_add(&pa_unlisted_blocks, add ? 1 : (u64)-1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&pa_unlisted_bytes, add ? large->mapped : -large->mapped,
			   __ATOMIC_RELAXED);
}

/**
 * pa_mapping_get() - a new entry for the table
 *
 * Context: under pa_large_lock().
 * Return: the entry, of no block yet, or NULL: there is no memory for it.
 */
struct pa_mapping *pa_mapping_get(void)
{
	struct pa_mapping *m = pa_mapping_unused, **piece;

	if (m) {
		pa_mapping_unused = m->next;
		return m;
	}
	if (pa_mappings == (size_t)PA_MAPPING_PIECE * PA_MAPPING_PIECES)
		return NULL;
	piece = &pa_mapping_piece[pa_mappings / PA_MAPPING_PIECE];
	if (!*piece)
		*piece = pa_mappings ? pa_os_reserve(PA_MAPPING_PIECE * sizeof(*m), pa_page_size) :
				       pa_mapping_first;
	return *piece ? *piece + pa_mappings++ % PA_MAPPING_PIECE : NULL;
}

/**
 * pa_mapping_put() - an entry is not needed any more
 * @m: the entry; its mapping is gone, or about to go
 *
 * Context: under pa_large_lock().
 */
void pa_mapping_put(struct pa_mapping *m)
{
	WRITE_ONCE(m->stamp, PA_MAPPING_NONE);
	m->next = pa_mapping_unused;
	pa_mapping_unused = m;
}

/**
 * pa_large_account() - a listed block is in use from now on, or no longer
 * @m: its entry
 * @live: in use
 *
 * Context: under pa_large_lock().
 */
void pa_large_account(const struct pa_mapping *m, bool live)
{
	WRITE_ONCE(pa_large_blocks, pa_large_blocks + (live ? 1 : (u64)-1));
	WRITE_ONCE(pa_large_bytes, pa_large_bytes + (live ? m->bytes : -m->bytes));
	pa_cache_in_use(pa_large_bytes);
}

/**
 * pa_large_account_size() - the mapping of a listed block in use has another size now
 * @m: its entry
 * @bytes: that it has
 *
 * Not less and then more: what is in use has not been less meanwhile.
 *
 * Context: under pa_large_lock().
 */
void pa_large_account_size(struct pa_mapping *m, size_t bytes)
{
	WRITE_ONCE(pa_large_bytes, pa_large_bytes + bytes - m->bytes);
	WRITE_ONCE(m->bytes, bytes);
	pa_cache_in_use(pa_large_bytes);
}

/**
 * pa_large_register() - enter a new block into the table
 * @large: its header; @mapping is set
 *
 * Context: under pa_large_lock().
 * Return: false if there is no room in the table.
 */
bool pa_large_register(struct pa_large *large)
{
	struct pa_mapping *m = pa_mapping_get();

	if (!m)
		return false;
	m->large = large;
	WRITE_ONCE(m->bytes, large->mapped);
	large->mapping = m;
	pa_large_account(m, true);
	WRITE_ONCE(m->stamp, PA_MAPPING_LIVE);
	return true;
}

/**
 * pa_large_count() - how many large blocks there are
 * @blocks: those in use
 * @bytes: of their mappings
 *
 * Context: any; exact while nobody allocates or frees large blocks.
 */
void pa_large_count(u64 *blocks, u64 *bytes)
{
	u64 idle, idle_bytes;

	pa_magazine_count(&idle, &idle_bytes);
	*blocks = READ_ONCE(pa_large_blocks) - idle + READ_ONCE(pa_unlisted_blocks);
	*bytes = READ_ONCE(pa_large_bytes) - idle_bytes + READ_ONCE(pa_unlisted_bytes);
}

struct pa_large_seen {
	void *block;
	size_t size;
};

/* Fills @seen with what there is now. Return: how many, or would be. */
static size_t pa_large_snapshot(struct pa_large_seen *seen, size_t most)
{
	size_t i, n = 0;

	pa_large_lock();
	for (i = 0; i < pa_mappings; i++) {
		const struct pa_mapping *m = &pa_mapping_piece[i / PA_MAPPING_PIECE]
							      [i % PA_MAPPING_PIECE];

		if (READ_ONCE(m->stamp) != PA_MAPPING_LIVE)
			continue;
		if (n < most) {
			seen[n].block = m->large->block;
			seen[n].size = pa_large_usable(m->large);
		}
		n++;
	}
	pa_large_unlock();
	return n;
}

/**
 * pa_large_walk() - visit every large block
 * @visitor: as for pa_walk()
 * @ctx: for the visitor
 *
 * Goes over a copy of the table, so the visitor may allocate and free.
 * Return: 0, what the visitor returned, or -1 with errno ENOMEM.
 */
int pa_large_walk(int (*visitor)(void *ctx, void *block, size_t size), void *ctx)
{
	size_t n = pa_large_snapshot(NULL, 0) + 16;
	size_t bytes = (n * sizeof(struct pa_large_seen) + pa_page_size - 1) &
		       ~(pa_page_size - 1);
	struct pa_large_seen *seen = pa_os_reserve(bytes, pa_page_size);
	size_t i, have;
	int ret = 0;

	if (!seen) {
		errno = ENOMEM;
		return -1;
	}
	have = pa_large_snapshot(seen, n);
	for (i = 0; i < have && i < n && !ret; i++)
		ret = visitor(ctx, seen[i].block, seen[i].size);
	munmap(seen, bytes);
	return ret;
}
