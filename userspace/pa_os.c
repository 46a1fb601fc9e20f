// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Memory from the system.
 *
 * Address space is taken in chunks that grow with the heap and is carved into
 * arenas: few mappings, no giant reservation. An arena that the heap gives
 * back loses its block pages at once, but stays mapped and can be taken again
 * (it is "retired"): a reader may still look at its descriptors. Its
 * descriptor page goes after a grace period, which only pa_os_trim() waits
 * for.
 *
 * Hysteresis: taking a retired arena back shortly after it was retired means
 * that its pages should have been kept, so the reserve grows by one; it falls
 * back when that has not happened for a while.
 */
#define _GNU_SOURCE
#include "pa_os.h"
#include "pa_hole.h"
#include "pa_large.h"
#include "pa_options.h"

#include <errno.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PA_CHUNK_MIN	(1UL << 20)
#define PA_CHUNK_MAX	(64UL << 20)

/* Arenas that one call looks at, or gives back, at most. */
#define PA_PURGE_STEP	8

/* Heaps below this size are not worth huge pages; they would inflate them. */
#define PA_THP_HEAP	(32UL << 20)
#define PA_HUGE		(2UL << 20)

size_t pa_page_size = 4096;

/**
 * struct pa_chunk - address space that arenas are cut from; never unmapped
 * @base: where it starts
 * @size: bytes
 * @wiped: arenas that were retired and hold nothing at all, not even
 *	descriptors
 */
struct pa_chunk {
	char *base;
	size_t size;
	u64 wiped[PA_CHUNK_MAX / (256UL << 10) / 64];
};

/* Enough for 1 TiB; only what is used is ever touched. */
#define PA_CHUNKS	16384
static struct pa_chunk pa_chunks[PA_CHUNKS];
static unsigned int pa_nchunks;	/* written under pa_os_mutex */

static pa_lock_t pa_os_mutex = PTHREAD_MUTEX_INITIALIZER;

/* All under pa_os_mutex. */
static struct {
	char *next;		/* the rest of the newest chunk */
	char *end;
	size_t chunk;		/* size of the next chunk */
	struct pa_arena *retired;	/* linked by @next, newest first */
	size_t wiped;		/* arenas marked in their chunks */
	size_t heap;		/* bytes of arenas in use */
	u64 thrashed;		/* when the reserve grew last */

	bool busy;		/* somebody looks at idle memory; atomic */
	struct pa_arena *cursor;	/* where it goes on, pinned; who is busy */
	u64 looked;		/* when the last look ended; who is busy */
} pa_os;

static size_t pa_charged;	/* bytes mapped, against the limit; atomic */
static u64 pa_maps;		/* mappings asked for, for fail_nth; atomic */

void pa_os_lock(void)
{
	pa_lock(&pa_os_mutex);
}

void pa_os_unlock(void)
{
	pa_unlock(&pa_os_mutex);
}

/* Milliseconds of a clock that costs no system call. */
u64 pa_os_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (u64)ts.tv_sec * 1000 + (u64)ts.tv_nsec / 1000000;
}

void pa_os_init(void)
{
	pa_page_size = (size_t)sysconf(_SC_PAGESIZE);
	pa_reserve = (unsigned int)pa_options.arena_reserve;
	pa_os.chunk = PA_CHUNK_MIN;
}

/* Counts @bytes against the limit. Return: false if they do not fit. */
bool pa_os_charge(size_t bytes)
{
	size_t now = READ_ONCE(pa_charged);

	do {
		if (bytes > pa_options.limit || now > pa_options.limit - bytes)
			return false;
	} while (!try_cmpxchg(&pa_charged, &now, now + bytes));
	return true;
}

void pa_os_uncharge(size_t bytes)
{
	__atomic_fetch_sub(&pa_charged, bytes, __ATOMIC_RELAXED);
}

/* True if POOLALLOC=fail_nth=N says that this mapping fails. */
bool pa_os_inject_failure(void)
{
	u64 nth = pa_options.fail_nth;

	return nth && __atomic_add_fetch(&pa_maps, 1, __ATOMIC_RELAXED) % nth == 0;
}

/**
 * pa_os_reserve() - map memory that starts at a multiple of @align
 * @size: bytes, a multiple of the page size
 * @align: a power of two, at least the page size
 *
 * Maps more than needed and cuts it to size.
 * Context: any; leaves errno alone.
 * Return: zeroed memory, or NULL.
 */
void *pa_os_reserve(size_t size, size_t align)
{
	size_t slack = align - pa_page_size;
	int saved = errno;
	size_t front;
	char *p;

	if (size > (size_t)PTRDIFF_MAX - slack)
		return NULL;
	p = mmap(NULL, size + slack, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		errno = saved;
		return NULL;
	}
	front = -(uintptr_t)p & (align - 1);
	if (front)
		munmap(p, front);
	if (slack > front)
		munmap(p + front + size, slack - front);
	errno = saved;
	return p + front;
}

/* Contract: the memory stays, what is in it goes. */
void pa_pages_release(void *p, size_t size)
{
	int saved = errno;

	madvise(p, size, MADV_DONTNEED);
	errno = saved;
}

/* Asks for huge pages where they pay: large heaps, whole 2 MiB runs. */
static void pa_chunk_advise(char *p, size_t size)
{
	int saved = errno;

	if (pa_options.thp == PA_THP_NEVER)
		return;
	if (pa_options.thp == PA_THP_AUTO &&
	    (pa_os.heap < PA_THP_HEAP || size < PA_HUGE))
		return;
	madvise(p, size, MADV_HUGEPAGE);
	errno = saved;
}

/* Maps the next chunk; when memory is short, smaller ones are tried. */
static bool pa_chunk_map(void)
{
	unsigned int n = pa_nchunks;
	size_t size = pa_os.chunk;
	char *p = NULL;

	if (n == PA_CHUNKS)
		return false;
	for (; size >= PA_ARENA_SIZE; size /= 2) {
		p = pa_os_reserve(size, size >= PA_HUGE ? PA_HUGE : PA_ARENA_SIZE);
		if (p)
			break;
	}
	if (!p)
		return false;
	pa_chunk_advise(p, size);
	pa_chunks[n].base = p;
	pa_chunks[n].size = size;
	/* Readers see a chunk whole. Pairs with pa_chunk_of(). */
	smp_store_release(&pa_nchunks, n + 1);
	pa_os.next = p;
	pa_os.end = p + size;
	if (pa_os.chunk < PA_CHUNK_MAX && pa_os.chunk <= pa_os.heap)
		pa_os.chunk *= 2;
	return true;
}

/* The chunk that an address lies in. NULL: none, it is not an arena's. */
static struct pa_chunk *pa_chunk_of(const void *p)
{
	/* Pairs with pa_chunk_map(). */
	unsigned int n = smp_load_acquire(&pa_nchunks);

	while (n--)
		if ((uintptr_t)p - (uintptr_t)pa_chunks[n].base < pa_chunks[n].size)
			return &pa_chunks[n];
	return NULL;
}

/* Contract: read a word that may not be there. */
__pa_racy bool pa_peek(const void *p, void **word)
{
	if (!pa_chunk_of(p))
		return false;
	*word = pa_peek_link(p);
	return true;
}

static void pa_chunk_wipe(void *arena)
{
	struct pa_chunk *chunk = pa_chunk_of(arena);
	size_t i = (size_t)((char *)arena - chunk->base) / PA_ARENA_SIZE;

	chunk->wiped[i / 64] |= 1ULL << (i % 64);
	pa_os.wiped++;
}

static void *pa_chunk_unwipe(void)
{
	unsigned int n, w;

	for (n = 0; pa_os.wiped && n < pa_nchunks; n++) {
		for (w = 0; w < sizeof(pa_chunks[n].wiped) / 8; w++) {
			u64 *word = &pa_chunks[n].wiped[w];
			size_t i;

			if (!*word)
				continue;
			i = w * 64 + (size_t)__builtin_ctzll(*word);
			*word &= *word - 1;
			pa_os.wiped--;
			return pa_chunks[n].base + i * PA_ARENA_SIZE;
		}
	}
	return NULL;
}

static struct pa_arena *pa_arena_unretire(void)
{
	struct pa_arena *arena = pa_os.retired;
	u64 now;

	if (!arena)
		return NULL;
	pa_os.retired = arena->next;
	now = pa_os_clock();
	if (pa_options.purge_delay && now - (u64)atomic64_read(&arena->aged) <= 1000) {
		pa_reserve++;
		pa_os.thrashed = now;
	}
	return arena;
}

static void *pa_arena_take(bool *fresh)
{
	void *p = pa_arena_unretire();

	*fresh = !p;
	if (p)
		return p;
	p = pa_chunk_unwipe();
	if (p)
		return p;
	if (pa_os.next == pa_os.end && !pa_chunk_map())
		return NULL;
	p = pa_os.next;
	pa_os.next += PA_ARENA_SIZE;
	return p;
}

/**
 * pa_arena_map() - contract: memory for one arena
 * @nid: unused
 * @gfp: unused
 * @npools: unused: every arena is whole
 * @fresh: set to false if the descriptors are as pa_arena_unmap() left them
 *
 * Return: naturally aligned memory, or NULL: no memory, limit, fail_nth.
 */
void *pa_arena_map(unsigned int nid, pa_gfp_t gfp, unsigned int npools, bool *fresh)
{
	void *p;

	(void)nid;
	(void)gfp;
	(void)npools;
	if (pa_os_inject_failure() || !pa_os_charge(PA_ARENA_SIZE))
		return NULL;
	pa_os_lock();
	p = pa_arena_take(fresh);
	if (p)
		pa_os.heap += PA_ARENA_SIZE;
	pa_os_unlock();
	if (!p)
		pa_os_uncharge(PA_ARENA_SIZE);
	return p;
}

/**
 * pa_arena_unmap() - contract: an arena has left the heap
 * @arena: on no list any more; readers may still stand on it
 */
void pa_arena_unmap(struct pa_arena *arena)
{
	pa_pages_release((char *)arena + PA_DESC_BYTES, PA_ARENA_SIZE - PA_DESC_BYTES);
	pa_os_uncharge(PA_ARENA_SIZE);
	pa_os_lock();
	pa_os.heap -= PA_ARENA_SIZE;
	atomic64_set(&arena->aged, (s64)pa_os_clock());
	arena->next = pa_os.retired;
	pa_os.retired = arena;
	pa_os_unlock();
}

/* Gives the pages of held pools back, a run of neighbours at a time. */
static size_t pa_purge_held(struct pa_arena *arena, u64 held)
{
	size_t bytes = 0;

	while (held) {
		unsigned int first = (unsigned int)__builtin_ctzll(held);
		u64 rest = ~(held >> first);
		unsigned int n = rest ? (unsigned int)__builtin_ctzll(rest) : 64 - first;

		pa_pages_release((char *)arena + first * PA_POOL_SIZE, n * PA_POOL_SIZE);
		bytes += n * PA_POOL_SIZE;
		held &= n + first < 64 ? ~0ULL << (n + first) : 0;
	}
	return bytes;
}

/* Pages of free pools can only be given back if pools are whole pages. */
static bool pa_can_purge(void)
{
	return pa_page_size <= PA_POOL_SIZE;
}

static size_t pa_purge_arena(struct pa_arena *arena, u64 which)
{
	u64 held = pa_arena_hold(arena, which);
	size_t bytes;

	if (!held)
		return 0;
	bytes = pa_purge_held(arena, held);
	pa_arena_unhold(arena, held);
	return bytes;
}

/* Pages inside the calling thread's own pools. */
static size_t pa_punch_own(struct pa_arena *arena, bool now)
{
	struct pa_bins *bins;
	size_t bytes;

	if (pa_page_size != PA_PAGE)
		return 0;
	bins = pa_slot_enter();
	if (!bins)
		return 0;
	bytes = pa_hole_punch(bins->slot, arena, now);
	pa_slot_leave(bins);
	return bytes;
}

/*
 * A part of a look at the used arenas: pools that were free and dirty at the
 * last look, a delay ago, and still are, lose their pages. The arena where it
 * goes on stays pinned. The caller holds pa_os.busy.
 * Return: true if that was the last part.
 */
static bool pa_purge_aged(void)
{
	unsigned int n;

	for (n = 0; n < PA_PURGE_STEP; n++) {
		struct pa_arena *arena = pa_arenas_step(pa_nodes[0], pa_os.cursor);
		u64 dirty, aged;

		pa_os.cursor = arena;
		if (!arena)
			return true;
		dirty = (u64)(atomic64_read(&arena->dirty) & atomic64_read(&arena->free));
		aged = dirty & (u64)atomic64_read(&arena->aged);
		if (aged)
			pa_purge_arena(arena, aged);
		pa_punch_own(arena, false);
		atomic64_set(&arena->aged, (s64)(dirty & ~aged));
	}
	return false;
}

/* Wholly empty arenas beyond the reserve, a few, once thrashing is long ago. */
static void pa_settle_reserve(u64 now)
{
	u64 base = pa_options.arena_reserve;
	unsigned int keep = READ_ONCE(pa_reserve);

	if (keep <= base || now - READ_ONCE(pa_os.thrashed) <= pa_options.purge_delay)
		return;
	keep = keep - base > PA_PURGE_STEP ? keep - PA_PURGE_STEP : (unsigned int)base;
	WRITE_ONCE(pa_reserve, keep);
	pa_arenas_release(pa_nodes[0], keep);
}

static void pa_look(u64 now)
{
	pa_settle_reserve(now);
	if (now - pa_os.looked < pa_options.purge_delay && !pa_os.cursor)
		return;
	if (pa_can_purge() && !pa_purge_aged())
		return;
	pa_os.looked = now;
	pa_large_purge(now, pa_options.purge_delay);
}

/**
 * pa_idle() - contract: a pool became free; look after idle memory
 * @nid: unused
 *
 * Called on a slow path with nothing locked. Most calls only read the clock;
 * one that finds work to do looks at PA_PURGE_STEP arenas at most, and the
 * next one goes on.
 */
void pa_idle(unsigned int nid)
{
	(void)nid;
	if (pa_options.purge_delay == PA_NEVER || READ_ONCE(pa_os.busy) ||
	    xchg(&pa_os.busy, true))
		return;
	pa_look(pa_os_clock());
	/* What this look has seen, the next one finds. Pairs with the xchg above. */
	smp_store_release(&pa_os.busy, false);
}

/* Descriptor pages of retired arenas, after a grace period. */
static size_t pa_wipe_retired(void)
{
	struct pa_arena *list, *arena;
	size_t bytes = 0;

	if (rcu_read_ongoing())
		return 0;
	pa_os_lock();
	list = pa_os.retired;
	pa_os.retired = NULL;
	pa_os_unlock();
	if (!list)
		return 0;
	synchronize_rcu();
	while ((arena = list)) {
		list = arena->next;
		pa_pages_release(arena, PA_ARENA_SIZE);
		pa_os_lock();
		pa_chunk_wipe(arena);
		pa_os_unlock();
		bytes += PA_DESC_BYTES;
	}
	return bytes;
}

/**
 * pa_os_trim() - give back all idle memory now
 *
 * May wait for a grace period, unless the caller is in a read-side section.
 * Return: bytes.
 */
size_t pa_os_trim(void)
{
	struct pa_arena *arena = NULL;
	size_t bytes = 0;

	while (pa_can_purge() && (arena = pa_arenas_step(pa_nodes[0], arena))) {
		bytes += pa_purge_arena(arena, (u64)atomic64_read(&arena->dirty));
		bytes += pa_punch_own(arena, true);
	}
	bytes += pa_large_purge(0, 0);
	return bytes + pa_wipe_retired();
}

void pa_os_fork_child(void)
{
	pa_lock_init(&pa_os_mutex);
	pa_os.busy = false;
}
