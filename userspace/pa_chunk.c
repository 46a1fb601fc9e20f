// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Address space of arenas: a few large mappings, called chunks.
 *
 * An arena's place in its chunk is
 *
 *	in use	it belongs to the heap, or is retired (pa_os.c)
 *	idle	mapped, holds nothing, may be taken: @idle
 *	hidden	about to be unmapped, nobody may take it: @hidden
 *	away	not mapped. If nobody else has been given the addresses, it can
 *		be mapped again: @away, and @hidden too
 *
 * Unmapping (pa_chunk_unmap_hidden()) needs that no reader stands on the arena
 * or is about to read a word of it. First the arena leaves the heap's list and
 * its bit in @hidden is set; then a full barrier, and nobody is seen in a
 * read-side section (pa_no_readers(), pa_wait_for_readers()); then munmap.
 * Who enters a section later does not find the arena on the list, and pa_peek(),
 * which is only called inside, sees @hidden.
 *
 * A chunk of which everything is away has @size 0, and its entry is used for
 * another one when no reader is left that may have seen the old values.
 */
#define _GNU_SOURCE
#include "pa_chunk.h"
#include "pa_options.h"
#include "pa_os.h"
#include "pa_pagemap.h"

#include <errno.h>
#include <sys/mman.h>

#define PA_CHUNK_MIN	(1UL << 20)
#define PA_CHUNK_MAX	(64UL << 20)
#define PA_CHUNK_WORDS	((PA_CHUNK_MAX / PA_ARENA_SIZE + 63) / 64)

/* See pa_chunk_place(). */
#define PA_PLACE_GAP	(64UL << 20)
#define PA_PLACE_LEAST	(1ULL << 36)

/* Huge pages are asked for, or not, so many bytes at a time: see pa_step_shall_be_huge(). */
#define PA_STEP		(4UL << 20)

/* What part of a step may be missing if it is dense; and steps without another look, at most. */
#define PA_DENSE_PART	4
#define PA_DENSE_SKIP	16

/**
 * struct pa_chunk - address space that arenas are cut from
 * @size: bytes; 0: the entry is unused. Read before the others
 * @base: where it starts
 * @huge: a bit for each step of PA_STEP: huge pages were asked for
 * @idle: a bit for each arena, see above
 * @hidden: likewise
 * @away: likewise
 */
struct pa_chunk {
	size_t size;
	char *base;
	u32 huge;
	u64 idle[PA_CHUNK_WORDS];
	u64 hidden[PA_CHUNK_WORDS];
	u64 away[PA_CHUNK_WORDS];
};

/* Enough for 1 TiB; only what is used is ever touched. */
#define PA_CHUNKS	16384
static struct pa_chunk pa_chunks[PA_CHUNKS];
static unsigned int pa_nchunks;	/* entries that have ever been used */

static_assert(PA_CHUNK_MAX / PA_STEP <= 32, "bits of @huge");

/* Under the lock of pa_os.c, as all that is written here. */
static struct {
	char *next;		/* the rest of the newest chunk */
	char *end;
	size_t size;		/* of the next chunk; 0 at the start */
	unsigned int nidle;	/* arenas marked so */
	unsigned int naway;
	unsigned int try;	/* the chunk whose addresses are asked for next */
	uintptr_t next_place;	/* where the next chunk should end; 0: not known yet */
} pa_space;

/* Likewise: the step that arenas are cut from, or were last. */
static struct {
	char *base;
	size_t size;
	char *next;		/* where another one begins */
	bool huge;
	bool long_runs;		/* an arena was taken for one */
	bool sparse;		/* what the last look has found */
	unsigned int skip;	/* steps until the next look */
	unsigned int skipped;	/* how many were skipped before the last one */
	size_t proof;		/* the heap when one with long runs was found dense, or 0 */
} pa_step;

u32 pa_readers;
u32 pa_plain_readers;

/* Nobody is in a read-side section who entered before this call. */
bool pa_no_readers(void)
{
	/* What was taken out of sight is. Pairs with pa_read_lock(). */
	smp_mb();
	return !READ_ONCE(pa_readers);
}

/* The chunk that an address lies in. NULL: none, it is not an arena's. */
static struct pa_chunk *pa_chunk_of(const void *p)
{
	/* Pairs with pa_chunk_map(). */
	unsigned int n = smp_load_acquire(&pa_nchunks);

	while (n--) {
		/* What the size belongs to comes with it. Pairs with pa_chunk_map(). */
		size_t size = smp_load_acquire(&pa_chunks[n].size);

		if ((uintptr_t)p - (uintptr_t)READ_ONCE(pa_chunks[n].base) < size)
			return &pa_chunks[n];
	}
	return NULL;
}

/*
 * Is nearly all of the memory of the last step there? Not if blocks of several pages are
 * used at their beginnings only, as buffers are.
 */
static bool pa_step_is_dense(void)
{
	size_t pages = pa_step.size / pa_page_size, n;
	int saved = errno;

	n = pa_pages_there(pa_step.base, pages);
	errno = saved;
	return n >= pages - pages / PA_DENSE_PART;
}

/* Looks at the last step, which has no huge pages; less often while all of them are sparse. */
static void pa_step_look(void)
{
	if (pa_step.skip) {
		pa_step.skip--;
		return;
	}
	pa_step.sparse = !pa_step_is_dense();
	if (!pa_step.sparse) {
		pa_step.skipped = 0;
		if (pa_step.long_runs)
			pa_step.proof = pa_os_heap();
		return;
	}
	pa_step.proof = 0;
	pa_step.skipped = pa_step.skipped ? pa_step.skipped * 2 : 1;
	if (pa_step.skipped > PA_DENSE_SKIP)
		pa_step.skipped = PA_DENSE_SKIP;
	pa_step.skip = pa_step.skipped;
}

/*
 * Huge pages pay for large heaps that are wholly used. Of a step that has them it cannot be
 * seen whether it would be there without them. So where the heap grows for long runs of
 * pools, that is for blocks of many pages, one step goes without, and is looked at, and
 * another one when the heap is twice as large. Small blocks may be what asks next.
 */
static bool pa_step_shall_be_huge(size_t size, bool long_run)
{
	if (pa_options.thp != PA_THP_AUTO || pa_os_heap() < PA_THP_LEAST || size < PA_HUGE)
		return pa_options.thp == PA_THP_ALWAYS;
	if (pa_step.size && !pa_step.huge)
		pa_step_look();
	if (pa_step.sparse)
		return false;
	return !(long_run || pa_step.long_runs) || pa_os_heap() / 2 < pa_step.proof;
}

static void pa_step_advise(char *p, size_t size)
{
	int saved = errno;

	madvise(p, size, MADV_HUGEPAGE);
	errno = saved;
}

/* The next step of the newest chunk begins. */
static void pa_step_begin(bool long_run)
{
	struct pa_chunk *chunk = pa_chunk_of(pa_space.next);
	size_t left = (size_t)(pa_space.end - pa_space.next);
	size_t size = left < PA_STEP ? left : PA_STEP;
	bool huge = pa_step_shall_be_huge(size, long_run);

	pa_step.base = pa_space.next;
	pa_step.size = size;
	pa_step.next = pa_step.base + size;
	pa_step.huge = huge;
	pa_step.long_runs = false;
	if (!huge)
		return;
	WRITE_ONCE(chunk->huge, chunk->huge | 1U << (pa_step.base - chunk->base) / PA_STEP);
	pa_step_advise(pa_step.base, size);
}

/* An entry for one more chunk, or NULL. */
static struct pa_chunk *pa_chunk_entry(void)
{
	unsigned int n;

	for (n = 0; n < pa_nchunks; n++)
		if (!pa_chunks[n].size && pa_no_readers())
			return &pa_chunks[n];
	return n < PA_CHUNKS ? &pa_chunks[n] : NULL;
}

/*
 * Maps a chunk at addresses where nobody is expected: below the library, with
 * room for others in between, each chunk below the last one. That takes one
 * call; for aligned memory anywhere it takes three. A program that is not
 * relocated has nothing below it.
 */
static void *pa_chunk_place(size_t size, size_t align)
{
	uintptr_t next = pa_space.next_place;
	char *want;

	if (!next && (uintptr_t)&pa_space > PA_PLACE_LEAST)
		next = (uintptr_t)&pa_space - PA_PLACE_GAP;
	want = (char *)((next - size) & ~(align - 1));
	if (next <= PA_PLACE_LEAST)
		return NULL;
	if (pa_os_map_at(want, size))
		return NULL;
	pa_space.next_place = (uintptr_t)want;
	return want;
}

/* Maps the next chunk; when memory is short, smaller ones are tried. */
static bool pa_chunk_map(void)
{
	struct pa_chunk *chunk = pa_chunk_entry();
	size_t size;
	char *p = NULL;

	if (!chunk)
		return false;
	if (!pa_space.size)
		pa_space.size = PA_CHUNK_MIN;
	for (size = pa_space.size; size >= PA_ARENA_SIZE && !p; size /= 2) {
		size_t align = size >= PA_HUGE ? PA_HUGE : PA_ARENA_SIZE;

		p = pa_chunk_place(size, align);
		if (!p)
			p = pa_os_reserve(size, align);
	}
	if (!p)
		return false;
	size *= 2;
	WRITE_ONCE(chunk->huge, 0);
	WRITE_ONCE(chunk->base, p);
	memset(chunk->idle, 0, sizeof(*chunk) - offsetof(struct pa_chunk, idle));
	/* Readers see a chunk whole. Pairs with pa_chunk_of(). */
	smp_store_release(&chunk->size, size);
	if (chunk == &pa_chunks[pa_nchunks])
		/* Pairs with pa_chunk_of(), too. */
		smp_store_release(&pa_nchunks, pa_nchunks + 1);
	pa_space.next = p;
	pa_space.end = p + size;
	pa_step.next = p;
	if (pa_space.size < PA_CHUNK_MAX && pa_space.size <= pa_os_heap())
		pa_space.size *= 2;
	return true;
}

/**
 * pa_chunks_settle() - ask for huge pages again where they were asked for, or for none
 * @huge: which of both
 *
 * Those that are there stay.
 */
void pa_chunks_settle(bool huge)
{
	int saved = errno;
	unsigned int n, i;

	for (n = 0; n < pa_nchunks; n++) {
		const struct pa_chunk *chunk = &pa_chunks[n];

		for (i = 0; i * PA_STEP < chunk->size; i++) {
			size_t left = chunk->size - i * PA_STEP;

			if (chunk->huge >> i & 1)
				madvise(chunk->base + i * PA_STEP, left < PA_STEP ? left : PA_STEP,
					huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
		}
	}
	errno = saved;
}

/* Was memory in huge pages asked for here? @arena is in use. */
bool pa_chunk_is_huge(const void *arena)
{
	const struct pa_chunk *chunk = pa_chunk_of(arena);

	return chunk && READ_ONCE(chunk->huge) >>
	       ((size_t)((const char *)arena - READ_ONCE(chunk->base)) / PA_STEP) & 1;
}

static unsigned int pa_chunk_index(const struct pa_chunk *chunk, const void *arena)
{
	return (unsigned int)((size_t)((const char *)arena - READ_ONCE(chunk->base)) /
			      PA_ARENA_SIZE);
}

/* Contract: read a word that may not be there. Inside a read-side section. */
__pa_racy bool pa_peek(const void *p, void **word)
{
	struct pa_chunk *chunk = pa_chunk_of(p);
	unsigned int i;

	if (!chunk)
		return false;
	i = pa_chunk_index(chunk, p);
	if (READ_ONCE(chunk->hidden[i / 64]) >> (i % 64) & 1)
		return false;
	*word = pa_peek_link(p);
	return true;
}

static void *pa_chunk_take_idle(void)
{
	unsigned int n, w;

	for (n = 0; pa_space.nidle && n < pa_nchunks; n++) {
		for (w = 0; w < PA_CHUNK_WORDS; w++) {
			u64 *word = &pa_chunks[n].idle[w];
			size_t i;

			if (!*word)
				continue;
			i = w * 64 + (size_t)__builtin_ctzll(*word);
			*word &= *word - 1;
			pa_space.nidle--;
			return pa_chunks[n].base + i * PA_ARENA_SIZE;
		}
	}
	return NULL;
}

/* Maps arena @i of a chunk again. */
static void *pa_chunk_map_again(struct pa_chunk *chunk, unsigned int i)
{
	char *p = chunk->base + i * PA_ARENA_SIZE;

	if (pa_os_map_at(p, PA_ARENA_SIZE))
		return NULL;
	if (chunk->huge >> (i * PA_ARENA_SIZE / PA_STEP) & 1)
		pa_step_advise(p, PA_ARENA_SIZE);
	pa_space.naway--;
	WRITE_ONCE(chunk->away[i / 64], chunk->away[i / 64] & ~(1ULL << (i % 64)));
	/* Readable from here on. */
	smp_store_release(&chunk->hidden[i / 64],
			  chunk->hidden[i / 64] & ~(1ULL << (i % 64)));
	return p;
}

/* One try to get addresses back; where it failed, the next one does not begin. */
static void *pa_chunk_take_away(void)
{
	unsigned int n, w;

	for (n = 0; pa_space.naway && n < pa_nchunks; n++) {
		struct pa_chunk *chunk = &pa_chunks[(pa_space.try + n) % pa_nchunks];

		for (w = 0; chunk->size && w < PA_CHUNK_WORDS; w++) {
			void *p;

			if (!chunk->away[w])
				continue;
			p = pa_chunk_map_again(chunk, w * 64 +
					       (unsigned int)__builtin_ctzll(chunk->away[w]));
			pa_space.try += n + !p;
			return p;
		}
	}
	return NULL;
}

/**
 * pa_chunk_take() - address space for one arena
 * @long_run: it is wanted for a long run of pools
 *
 * Return: mapped memory that reads as zeros, or NULL.
 */
void *pa_chunk_take(bool long_run)
{
	void *p = pa_chunk_take_idle();

	if (!p && pa_space.next == pa_space.end) {
		p = pa_chunk_take_away();
		if (!p && !pa_chunk_map())
			return NULL;
	}
	if (p)
		return p;
	p = pa_space.next;
	if (p == pa_step.next)
		pa_step_begin(long_run);
	pa_step.long_runs |= long_run;
	pa_space.next += PA_ARENA_SIZE;
	return p;
}

/**
 * pa_chunk_hide() - readers may not peek at an arena any more
 * @arena: not in use
 */
void pa_chunk_hide(const void *arena)
{
	struct pa_chunk *chunk = pa_chunk_of(arena);
	unsigned int i = pa_chunk_index(chunk, arena);

	WRITE_ONCE(chunk->hidden[i / 64], chunk->hidden[i / 64] | 1ULL << (i % 64));
}

/* Likewise for all that is idle or was never cut. */
void pa_chunk_hide_idle(void)
{
	unsigned int n, w;

	for (n = 0; pa_space.nidle && n < pa_nchunks; n++) {
		for (w = 0; w < PA_CHUNK_WORDS; w++) {
			struct pa_chunk *chunk = &pa_chunks[n];

			WRITE_ONCE(chunk->hidden[w], chunk->hidden[w] | chunk->idle[w]);
			chunk->idle[w] = 0;
		}
	}
	pa_space.nidle = 0;
	for (; pa_space.next != pa_space.end; pa_space.next += PA_ARENA_SIZE)
		pa_chunk_hide(pa_space.next);
}

/* Unmaps @n arenas from @i on; if the map table is full, they stay, as idle. */
static size_t pa_chunk_unmap(struct pa_chunk *chunk, unsigned int i, unsigned int n)
{
	size_t bytes = n * PA_ARENA_SIZE;
	char *p = chunk->base + i * PA_ARENA_SIZE;
	bool gone = !munmap(p, bytes);

	if (!gone)
		pa_pages_release(p, bytes);
	for (; n--; i++) {
		u64 bit = 1ULL << (i % 64);

		if (gone) {
			chunk->away[i / 64] |= bit;
			pa_space.naway++;
		} else {
			chunk->idle[i / 64] |= bit;
			pa_space.nidle++;
			WRITE_ONCE(chunk->hidden[i / 64], chunk->hidden[i / 64] & ~bit);
		}
	}
	return gone ? bytes : 0;
}

static size_t pa_chunk_unmap_runs(struct pa_chunk *chunk)
{
	unsigned int arenas = (unsigned int)(chunk->size / PA_ARENA_SIZE), i, n, away = 0;
	size_t bytes = 0;

	for (i = 0; i < arenas; i += n + !n) {
		for (n = 0; i + n < arenas; n++) {
			u64 bit = 1ULL << ((i + n) % 64);

			if (!(chunk->hidden[(i + n) / 64] & ~chunk->away[(i + n) / 64] & bit))
				break;
		}
		if (n)
			bytes += pa_chunk_unmap(chunk, i, n);
	}
	for (i = 0; i < PA_CHUNK_WORDS; i++)
		away += hweight64(chunk->away[i]);
	if (away == arenas) {
		pa_space.naway -= away;
		WRITE_ONCE(chunk->size, 0);
	}
	return bytes;
}

/**
 * pa_chunk_unmap_hidden() - unmap what was hidden, a grace period after that
 *
 * Return: bytes of address space that went back.
 */
size_t pa_chunk_unmap_hidden(void)
{
	int saved = errno;
	size_t bytes = 0;
	unsigned int n;

	for (n = 0; n < pa_nchunks; n++)
		if (pa_chunks[n].size)
			bytes += pa_chunk_unmap_runs(&pa_chunks[n]);
	errno = saved;
	return bytes;
}
