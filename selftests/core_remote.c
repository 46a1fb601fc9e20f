// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * common/pa_remote.h: the remote word against a plain array, in one thread and with several freers.
 * test-kselftest: yes
 */
#include <sys/mman.h>

#include "pa_remote.h"
#include "tap.h"

#define FREERS	4

static struct pa_arena *arena;
static uint64_t rng;

/* A pool of class @cls that starts at pool @index; nothing of the heap knows it. */
static struct pa_pool *make_pool(unsigned int index, unsigned int cls)
{
	struct pa_pool *pool = pa_arena_desc(arena, index);

	memset(pool, 0, sizeof(*pool));
	pool->cls = (u8)cls;
	pool->capacity = pa_class[cls].capacity;
	pool->npools = (u8)pa_class[cls].npools;
	return pool;
}

static void *block(struct pa_pool *pool, unsigned int i)
{
	return pa_pool_base(pool) + i * pa_class_size(pool->cls);
}

/* The blocks of a taken word must be those in @expect, the last pushed first. */
static void compare(struct pa_pool *pool, u64 word, void **expect, unsigned int n)
{
	void *p = n ? pa_remote_head(pool, word) : NULL;
	unsigned int i;

	TAP_CHECK(word & PA_QUEUED || !n);
	TAP_CHECK(pa_remote_count(word) == n);
	TAP_CHECK(!n || pa_remote_tail(pool, word) == expect[0]);
	for (i = n; i; i--) {
		if (!TAP_CHECK(p == expect[i - 1])) {
			tap_diag("class %u: block %u of %u is %p, %p was pushed", pool->cls, i, n, p,
				 expect[i - 1]);
			return;
		}
		p = pa_load_link(p);
	}
	TAP_CHECK(!p);
}

static void one_class(unsigned int cls, bool high)
{
	static void *pushed[65536];
	struct pa_pool *pool = make_pool(high ? 64 - pa_class[cls].npools : 1, cls);
	unsigned int n = 0, i;

	/* The last block first: the largest offsets. */
	for (i = pool->capacity; i; i--) {
		bool first = pa_remote_push(pool, block(pool, i - 1));

		TAP_CHECK(first == !n);
		pushed[n++] = block(pool, i - 1);
	}
	compare(pool, pool->remote, pushed, n);
	compare(pool, pa_remote_take(pool), pushed, n);
	TAP_CHECK(!pool->remote);
}

static void all_classes(void)
{
	unsigned int cls;

	for (cls = 1; cls < PA_CLASSES; cls++) {
		one_class(cls, false);
		one_class(cls, true);
	}
}

static void random_operations(void)
{
	size_t ops = tap_scaled(200000, 2000), k;
	static void *pushed[65536];
	struct pa_pool *pool = NULL;
	unsigned int n = 0, i = 0;
	bool queued = false;

	for (k = 0; k < ops; k++) {
		unsigned int what = tap_random(&rng) % 16;

		if (!pool || (!queued && what == 0)) {
			pool = make_pool(1, 1 + tap_random(&rng) % (PA_CLASSES - 1));
			n = 0;
			i = tap_random(&rng) % pool->capacity;
		} else if (what <= 1) {
			compare(pool, pa_remote_take(pool), pushed, n);
			n = 0;
			queued = false;
		} else if (what == 2) {
			TAP_CHECK(pa_remote_queue(pool) == !queued);
			queued = true;
		} else if (n < pool->capacity) {
			/* Any block that is not on the list already: go round. */
			i = (i + 1) % pool->capacity;
			TAP_CHECK(pa_remote_push(pool, block(pool, i)) == !queued);
			pushed[n++] = block(pool, i);
			queued = true;
		}
		TAP_CHECK(!!(pool->remote & PA_QUEUED) == queued);
		TAP_CHECK(pa_remote_count(pool->remote) == n);
	}
}

static struct pa_pool *crowd_pool;
static unsigned int queued_by_us[FREERS];
static unsigned int running;

static void *crowd_freer(void *arg)
{
	unsigned int me = (unsigned int)(uintptr_t)arg, i;

	for (i = me; i < crowd_pool->capacity; i += FREERS)
		queued_by_us[me] += pa_remote_push(crowd_pool, block(crowd_pool, i));
	__atomic_sub_fetch(&running, 1, __ATOMIC_RELEASE);
	return NULL;
}

static unsigned int crowd_count(u64 word, bool *seen)
{
	unsigned int n = pa_remote_count(word), i;
	void *p = n ? pa_remote_head(crowd_pool, word) : NULL;

	for (i = 0; i < n; i++, p = pa_load_link(p)) {
		u32 k = pa_class_index(crowd_pool->cls, (size_t)((char *)p - pa_pool_base(crowd_pool)));

		if (!TAP_CHECK(p && k < crowd_pool->capacity && !seen[k]))
			return n;
		seen[k] = true;
	}
	return n;
}

/* Every block arrives once; QUEUED is set as often as it is cleared. */
static void crowd(void)
{
	size_t rounds = tap_scaled(2000, 20), r;

	for (r = 0; r < rounds; r++) {
		bool seen[PA_POOL_SIZE / 8] = { false };
		unsigned int got = 0, takes = 0, sets = 0, i;
		pthread_t thread[FREERS];
		u64 word;

		crowd_pool = make_pool(1, 1 + r % 3);
		memset(queued_by_us, 0, sizeof(queued_by_us));
		running = FREERS;
		for (i = 0; i < FREERS; i++)
			if (pthread_create(&thread[i], NULL, crowd_freer, (void *)(uintptr_t)i))
				tap_bail_out("cannot create a thread");
		do {
			bool last = !__atomic_load_n(&running, __ATOMIC_ACQUIRE);

			word = READ_ONCE(crowd_pool->remote) ? pa_remote_take(crowd_pool) : 0;
			takes += !!word;
			got += crowd_count(word, seen);
			if (last)
				break;
		} while (true);
		for (i = 0; i < FREERS; i++) {
			pthread_join(thread[i], NULL);
			sets += queued_by_us[i];
		}
		if (!TAP_CHECK(got == crowd_pool->capacity && sets == takes))
			tap_diag("round %zu: %u of %u blocks, QUEUED set %u times, taken %u times", r, got,
				 crowd_pool->capacity, sets, takes);
	}
}

int main(void)
{
	char *p = mmap(NULL, 2 * PA_ARENA_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		tap_bail_out("cannot map an arena");
	arena = (struct pa_arena *)(((uintptr_t)p + PA_ARENA_MASK) & ~PA_ARENA_MASK);
	pa_class_init();
	tap_start(3);
	rng = tap_seed();
	tap_test("every block of every class survives the word", all_classes);
	tap_test("random pushes, takes and queueing", random_operations);
	tap_test("several freers, one taker", crowd);
	return tap_finish();
}
