// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Blocks that cross threads, threads that end: nothing is lost, and memory stays constant.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/oracle.h"
#include "shared/report.h"

#define WORKERS	4
#define RING	1024

static uint64_t seed;

/* What a block carries: enough to see that nobody else wrote into it. */
struct load {
	uint64_t tag;
	uint64_t size;
};

static void *filled(size_t size, uint64_t tag)
{
	struct load *b;

	if (size < sizeof(*b))
		size = sizeof(*b);
	b = poolalloc_alloc(size);
	if (!TAP_CHECK(b))
		tap_bail_out("no memory for %zu bytes", size);
	b->tag = tag;
	b->size = size;
	if (size > sizeof(*b))
		memset(b + 1, (int)(tag & 0xff), size - sizeof(*b));
	return b;
}

static void emptied(struct load *b)
{
	unsigned char *rest = (unsigned char *)(b + 1);
	size_t n = b->size - sizeof(*b), i;

	if (!TAP_CHECK(b->size >= sizeof(*b) && b->size <= 70000))
		tap_bail_out("a block was overwritten: size %" PRIu64, b->size);
	for (i = 0; i < n && rest[i] == (unsigned char)b->tag; i += 1 + i / 16)
		;
	TAP_CHECK(i >= n);
	poolalloc_free_sized(b, b->size);
}

static void spawn(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	if (pthread_create(thread, NULL, fn, arg))
		tap_bail_out("cannot create a thread");
}

static void run_workers(unsigned int n, void *(*fn)(void *))
{
	pthread_t thread[16];
	unsigned int i;

	for (i = 0; i < n; i++)
		spawn(&thread[i], fn, (void *)(uintptr_t)i);
	for (i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
}

static uint64_t arenas(void)
{
	struct poolalloc_stats s;

	TAP_CHECK(!poolalloc_stats(&s));
	return s.arenas;
}

/* After everything was freed and the threads are gone: nothing may be left. */
static void all_back(void)
{
	TAP_CHECK(report_accounts(0));
	poolalloc_trim();
	if (!TAP_CHECK(arenas() == 0))
		tap_diag("%" PRIu64 " arenas are left", arenas());
}

static size_t random_size(uint64_t *rng)
{
	uint64_t r = tap_random(rng);

	return (r >> 8) % (r % 64 == 0 ? 60000 : r % 8 == 0 ? 5000 : 256) + 16;
}

/* A table that everybody exchanges blocks with: half of all frees are remote. */
static struct load *table[4096];
static size_t exchanges;

static void *exchanger(void *arg)
{
	uint64_t rng = seed + (uintptr_t)arg;
	size_t i;

	for (i = 0; i < exchanges; i++) {
		struct load *b = filled(random_size(&rng), tap_random(&rng));
		struct load **place = &table[tap_random(&rng) % 4096];

		b = __atomic_exchange_n(place, b, __ATOMIC_ACQ_REL);
		if (b)
			emptied(b);
	}
	return NULL;
}

static void exchange_blocks(void)
{
	size_t i;

	exchanges = tap_scaled(200000, 3000);
	run_workers(WORKERS, exchanger);
	for (i = 0; i < 4096; i++) {
		if (table[i])
			emptied(table[i]);
		table[i] = NULL;
	}
}

static void exchange(void)
{
	exchange_blocks();
	all_back();
}

/* The same, while somebody else counts, walks, writes reports and trims. */
static bool watching;

static int check_visited(void *ctx, void *block, size_t size)
{
	++*(size_t *)ctx;
	TAP_CHECK(block && size);
	return 0;
}

static void count_text(void *ctx, const char *text, size_t len)
{
	(void)text;
	*(size_t *)ctx += len;
}

static void *watcher(void *arg)
{
	size_t visited = 0, text = 0;

	(void)arg;
	while (__atomic_load_n(&watching, __ATOMIC_RELAXED)) {
		struct poolalloc_stats s;

		TAP_CHECK(!poolalloc_stats(&s));
		TAP_CHECK(!poolalloc_walk(check_visited, &visited));
		TAP_CHECK(!poolalloc_stats_write(count_text, &text, POOLALLOC_TEXT));
		poolalloc_trim();
	}
	return NULL;
}

static void watched(void)
{
	pthread_t thread;

	__atomic_store_n(&watching, true, __ATOMIC_RELAXED);
	spawn(&thread, watcher, NULL);
	exchange_blocks();
	__atomic_store_n(&watching, false, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	all_back();
}

/* A ring with one producer and one consumer. */
static struct load *ring[RING];
static size_t ring_items;
static bool ring_mixed;

static void *producer(void *arg)
{
	uint64_t rng = seed + 77;
	size_t i;

	(void)arg;
	for (i = 0; i < ring_items; i++) {
		struct load *b = filled(ring_mixed ? random_size(&rng) : 64, i);

		while (__atomic_load_n(&ring[i % RING], __ATOMIC_ACQUIRE))
			sched_yield();
		__atomic_store_n(&ring[i % RING], b, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void consume(void)
{
	size_t i;

	for (i = 0; i < ring_items; i++) {
		struct load *b;

		while (!(b = __atomic_load_n(&ring[i % RING], __ATOMIC_ACQUIRE)))
			sched_yield();
		__atomic_store_n(&ring[i % RING], NULL, __ATOMIC_RELEASE);
		TAP_CHECK(b->tag == i);
		emptied(b);
	}
}

static void pipeline(bool mixed)
{
	struct poolalloc_stats s;
	pthread_t thread;
	uint64_t most;

	poolalloc_trim();
	ring_mixed = mixed;
	ring_items = tap_scaled(mixed ? 300000 : 1000000, 5000);
	spawn(&thread, producer, NULL);
	consume();
	pthread_join(thread, NULL);
	TAP_CHECK(!poolalloc_stats(&s));
	/* At most the ring is live; each class may have a few pools more. */
	most = ((mixed ? RING * 4000 : RING * 64) + 113 * 40 * s.pool_bytes) / s.arena_bytes + 4;
	if (!TAP_CHECK(s.arenas <= most))
		tap_diag("%" PRIu64 " arenas for a ring of %d blocks", s.arenas, RING);
	tap_diag("%zu blocks through the ring, %" PRIu64 " arenas at the end", ring_items, s.arenas);
	all_back();
}

static void pipeline_one_size(void)
{
	pipeline(false);
}

static void pipeline_mixed(void)
{
	pipeline(true);
}

/* One thread allocates a lot of a class, then only other classes, while others free the first. */
#define LEGACY	60000
#define KEPT_BYTES	(1 << 20)	/* and arena_reserve empty arenas: 4 */
static struct load *legacy[LEGACY];
static size_t legacy_n, legacy_next;

static void *legacy_freer(void *arg)
{
	size_t i;

	(void)arg;
	while ((i = __atomic_fetch_add(&legacy_next, 1, __ATOMIC_RELAXED)) < legacy_n)
		emptied(legacy[i]);
	return NULL;
}

static void *legacy_owner(void *arg)
{
	struct poolalloc_stats s;
	pthread_t thread[2];
	uint64_t before;
	size_t i, round;

	(void)arg;
	for (round = 0; round < 4; round++) {
		for (i = 0; i < legacy_n; i++)
			legacy[i] = filled(96, i);
		legacy_next = 0;
		before = arenas();
		spawn(&thread[0], legacy_freer, NULL);
		spawn(&thread[1], legacy_freer, NULL);
		/* The owner goes on with other classes only. */
		for (i = 0; i < 20000; i++)
			emptied(filled(16 + i % 400 * (i % 32 == 0), i));
		pthread_join(thread[0], NULL);
		pthread_join(thread[1], NULL);
		/* Two refills of another class are enough to take everything over. */
		for (i = 0; i < 2000; i++)
			legacy[i] = filled(200, i);
		while (i)
			emptied(legacy[--i]);
		TAP_CHECK(!poolalloc_stats(&s));
		/* A slot may keep a few empty pools. */
		if (!TAP_CHECK(s.cls[96 / 8 - 1].pools * s.pool_bytes <= KEPT_BYTES &&
			       !s.cls[96 / 8 - 1].pending && s.arenas <= before + 4))
			tap_diag("round %zu: %" PRIu64 " pools of the class, %" PRIu64 " pending blocks",
				 round, s.cls[96 / 8 - 1].pools, s.cls[96 / 8 - 1].pending);
	}
	return NULL;
}

static void abandoned_class(void)
{
	legacy_n = tap_scaled(LEGACY, 4000);
	run_workers(1, legacy_owner);
	all_back();
}

/* Threads that end one after another and leave blocks behind, which the main thread frees. */
#define LEFT	24
static struct load *left[LEFT];

static void *leaver(void *arg)
{
	uint64_t rng = seed + (uintptr_t)arg;
	struct load *b[40];
	size_t i;

	for (i = 0; i < 40; i++)
		b[i] = filled(16 + tap_random(&rng) % 300, i);
	for (i = 0; i < LEFT; i++)
		left[i] = b[i];
	for (; i < 40; i++)
		emptied(b[i]);
	return NULL;
}

static void thread_after_thread(void)
{
	size_t threads = tap_scaled(100000, 300), t, i;
	uint64_t early = 0, late = 0;
	long early_kib = 0, late_kib = 0;

	for (t = 0; t < threads; t++) {
		pthread_t thread;

		spawn(&thread, leaver, (void *)t);
		pthread_join(thread, NULL);
		if (t % 10 == 3)	/* statistics while the blocks are ownerless */
			TAP_CHECK(t % 1000 != 3 || report_accounts(LEFT));
		for (i = 0; i < LEFT; i++)
			emptied(left[i]);
		if (t == threads / 10) {
			early = arenas();
			early_kib = report_kib("VmRSS");
		}
	}
	late = arenas();
	late_kib = report_kib("VmRSS");
	tap_diag("%zu threads: %" PRIu64 " arenas after a tenth, %" PRIu64 " at the end; %ld and %ld KiB",
		 threads, early, late, early_kib, late_kib);
	TAP_CHECK(late <= early + 2);
	/* A sanitizer remembers every thread. */
	TAP_CHECK(!report_memory_is_ours() || late_kib <= early_kib + 2048);
	all_back();
}

/* Ends while others free its blocks, over and over; many slots at once. */
static struct load *inherited[WORKERS][256];
static size_t lives;

static void *short_life(void *arg)
{
	unsigned int me = (unsigned int)(uintptr_t)arg, i;

	for (i = 0; i < 256; i++) {
		struct load *b = filled(16 + (i * 37 + me) % 500, i);

		b = __atomic_exchange_n(&inherited[(me + i) % WORKERS][i], b, __ATOMIC_ACQ_REL);
		if (b)
			emptied(b);
	}
	return NULL;
}

static void *family(void *arg)
{
	pthread_t thread;
	size_t i;

	for (i = 0; i < lives; i++) {
		spawn(&thread, short_life, arg);
		pthread_join(thread, NULL);
	}
	return NULL;
}

static void generations(void)
{
	size_t i, j;

	lives = tap_scaled(1500, 30);
	run_workers(WORKERS, family);
	for (i = 0; i < WORKERS; i++)
		for (j = 0; j < 256; j++) {
			if (inherited[i][j])
				emptied(inherited[i][j]);
			inherited[i][j] = NULL;
		}
	all_back();
}

/* What threads leave to the threads after them: a pool of a class that nobody else uses tells. */
#define KEPT_SIZE	472
#define TOGETHER	80
#define PARKED_MOST	64
#define PARKED_POOLS	1024
static pthread_barrier_t together;

static uint64_t kept_pools(void)
{
	struct poolalloc_stats s;

	TAP_CHECK(!poolalloc_stats(&s));
	TAP_CHECK(!s.cls[KEPT_SIZE / 8 - 1].live);
	return s.cls[KEPT_SIZE / 8 - 1].pools;
}

static uint64_t all_pools(void)
{
	struct poolalloc_stats s;
	uint64_t pools = 0;
	unsigned int i;

	TAP_CHECK(!poolalloc_stats(&s));
	for (i = 0; i < POOLALLOC_CLASSES; i++)
		pools += s.cls[i].pools;
	return pools;
}

static void *one_block(void *arg)
{
	emptied(filled(KEPT_SIZE, (uintptr_t)arg));
	if (arg)
		pthread_barrier_wait(&together);
	return NULL;
}

/* Likewise, but a pool of each small class. */
static void *all_small(void *arg)
{
	size_t size;

	for (size = 8; size <= 512; size += 8)
		if (size != KEPT_SIZE)
			emptied(filled(size, (uintptr_t)arg));
	return one_block(arg);
}

/* How many pools are kept when so many threads end that have all run at the same time. */
static uint64_t kept_by_many(void *(*work)(void *))
{
	pthread_t thread[TOGETHER];
	uintptr_t i;

	pthread_barrier_init(&together, NULL, TOGETHER);
	for (i = 0; i < TOGETHER; i++)
		spawn(&thread[i], work, (void *)(i + 1));
	for (i = 0; i < TOGETHER; i++)
		pthread_join(thread[i], NULL);
	pthread_barrier_destroy(&together);
	return kept_pools();
}

/* Until the heap grows: what is kept must have gone before. */
static void grow_heap(void)
{
	uint64_t before = arenas();
	struct load *list = NULL;

	while (arenas() == before) {
		struct load *b = filled(16384, (uintptr_t)list);

		if (!TAP_CHECK(b->tag == (uintptr_t)list))
			return;
		list = b;
	}
	TAP_CHECK(kept_pools() == 0);
	while (list) {
		struct load *next = (struct load *)(uintptr_t)list->tag;

		emptied(list);
		list = next;
	}
}

static void keepers_in_child(void)
{
	pid_t pid = fork();
	int status = -1;

	if (!TAP_CHECK(pid >= 0))
		return;
	if (!pid) {
		bool ok = kept_pools() == 1;

		run_workers(1, one_block);
		ok = ok && kept_pools() == 1 && report_accounts(0);
		poolalloc_trim();
		_exit(ok && !kept_pools() ? 0 : 1);
	}
	TAP_CHECK(waitpid(pid, &status, 0) == pid && !status);
}

static void keepers(void)
{
	const char *variant = getenv("TEST_VARIANT");
	uint64_t kept, others;
	unsigned int i;

	poolalloc_trim();
	TAP_CHECK(kept_pools() == 0);
	for (i = 0; i < 3; i++)
		run_workers(1, one_block);
	TAP_CHECK(kept_pools() == 1);
	/* TSan does not want threads after a fork. */
	if (!variant || !strstr(variant, "tsan"))
		keepers_in_child();
	grow_heap();

	kept = kept_by_many(one_block);
	TAP_CHECK(kept >= 1 && kept <= PARKED_MOST);
	poolalloc_trim();
	others = all_pools();
	kept = kept_by_many(all_small);
	TAP_CHECK(kept >= 1 && all_pools() <= others + PARKED_POOLS);
	all_back();
}

/* Destructors of other thread-specific data allocate and free after the library's own has run. */
static pthread_key_t late_key;
static unsigned int late_calls;

static void late_destructor(void *value)
{
	uintptr_t round = (uintptr_t)value;

	__atomic_fetch_add(&late_calls, 1, __ATOMIC_RELAXED);
	emptied(filled(40 + round * 100, round));
	if (round < 4)
		pthread_setspecific(late_key, (void *)(round + 1));
}

static void *late_thread(void *arg)
{
	pthread_setspecific(late_key, (void *)1);
	emptied(filled(100, (uintptr_t)arg));
	return NULL;
}

static void late_frees(void)
{
	const char *variant = getenv("TEST_VARIANT");
	size_t i, n = tap_scaled(200, 10);

	/* TSan ends a thread before the last round of destructors. */
	if (variant && strstr(variant, "tsan"))
		return;
	TAP_CHECK(!pthread_key_create(&late_key, late_destructor));
	for (i = 0; i < n; i++)
		run_workers(WORKERS, late_thread);
	TAP_CHECK(late_calls == n * WORKERS * 4);
	pthread_key_delete(late_key);
	all_back();
}

/* Statistics and walks read while others write, by design; ThreadSanitizer looks at the rest. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race:poolalloc_stats\nrace:poolalloc_walk\nrace:poolalloc_stats_write\n";
}

int main(void)
{
	tap_start(10);
	seed = tap_seed();
	tap_test("threads exchange blocks", exchange);
	tap_test("the same beside statistics, walks and trims", watched);
	tap_test("producer and consumer, one size", pipeline_one_size);
	tap_test("producer and consumer, all sizes", pipeline_mixed);
	tap_test("a class that its owner has stopped using", abandoned_class);
	tap_test("a thread after another leaves blocks behind", thread_after_thread);
	tap_test("generations of threads inherit from each other", generations);
	tap_test("a few ended threads leave warm pools, until memory is short", keepers);
	tap_test("allocation after the library's own destructor", late_frees);
	tap_ok(report_accounts(0), "nothing is left");
	return tap_finish();
}
