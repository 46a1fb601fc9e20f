// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Every function of include/poolalloc.h, its limits and its errors.
 * test-kselftest: yes
 */
#include <errno.h>
#include <pthread.h>

#include "shared/oracle.h"
#include "shared/report.h"

static uint64_t rng;
static struct oracle oracle;

static const size_t sizes[] = {
	0, 1, 7, 8, 9, 10, 16, 17, 63, 64, 65, 255, 256, 257, 488, 504, 511, 512, 513, 575, 576, 577, 1000,
	1024, 1025, 2047, 4095, 4096, 4097, 8192, 12000, 16384, 18432, 32767, 32768, 32769, 40000, 65536,
	100000, 131072, 131073, 262144, 300000, 1048576, 1048577, 3000000, 5242880,
};

#define NSIZES	(sizeof(sizes) / sizeof(sizes[0]))

static uint64_t live_small(void)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < oracle.n; i++)
		n += oracle.block[i].size <= POOLALLOC_CLASS_MAX;
	return n;
}

static void forget(size_t i)
{
	struct oracle_block b = oracle.block[i];

	oracle_del(&oracle, i);
	if (b.tag % 2)
		poolalloc_free(b.p);
	else
		poolalloc_free_sized(b.p, b.asked);
}

static void forget_all(void)
{
	while (oracle.n)
		forget(oracle.n - 1);
	TAP_CHECK(report_accounts(0));
}

static size_t remember(void *p, size_t asked)
{
	size_t usable;

	if (!TAP_CHECK(p))
		return 0;
	usable = poolalloc_usable_size(p);
	TAP_CHECK(usable >= asked && usable >= 8);
	if (asked <= 512)
		TAP_CHECK(usable == (asked ? (asked + 7) / 8 * 8 : 8));
	else if (asked <= POOLALLOC_CLASS_MAX)
		TAP_CHECK((usable - asked) * 8 < asked);
	oracle_add(&oracle, p, asked, usable, 0);
	return usable;
}

static void remember_aligned(size_t align, size_t asked)
{
	void *p = poolalloc_alloc_aligned(align, asked);

	if (!TAP_CHECK(p && !((uintptr_t)p & (align - 1))))
		tap_diag("%zu bytes aligned to %zu: %p", asked, align, p);
	if (!p)
		return;
	TAP_CHECK(poolalloc_usable_size(p) >= asked);
	oracle_add(&oracle, p, asked, poolalloc_usable_size(p), 0);
}

static void every_size(void)
{
	size_t size, i;

	for (size = 0; size <= 1100; size++)
		remember(poolalloc_alloc(size), size);
	for (; size < 40000; size += 509)
		remember(poolalloc_alloc(size), size);
	for (i = 0; i < NSIZES; i++)
		remember(poolalloc_alloc(sizes[i]), sizes[i]);
	TAP_CHECK(report_accounts(live_small()));
	for (i = 0; i < oracle.n; i++)
		oracle_intact(&oracle.block[i]);
	forget_all();
}

static bool all_zero(const unsigned char *p, size_t n)
{
	return !n || (!p[0] && !memcmp(p, p + 1, n - 1));
}

static void zeroed(void)
{
	size_t i, round;

	/* Dirty blocks of each size come back first. */
	for (round = 0; round < 3; round++)
		for (i = 0; i < NSIZES; i++) {
			unsigned char *a = poolalloc_alloc(sizes[i]), *z;

			if (!TAP_CHECK(a))
				continue;
			memset(a, 0xee, poolalloc_usable_size(a));
			poolalloc_free(a);
			z = poolalloc_zalloc(sizes[i]);
			if (!TAP_CHECK(z && all_zero(z, sizes[i])))
				tap_diag("size %zu is not zeroed", sizes[i]);
			memset(z, 0xee, poolalloc_usable_size(z));
			poolalloc_free(z);
		}
}

static void too_large(void)
{
	static const size_t huge[] = {
		SIZE_MAX, SIZE_MAX - 8, SIZE_MAX - 4096, SIZE_MAX / 2, SIZE_MAX / 2 + 1, SIZE_MAX / 2 - 4096,
		(size_t)1 << 62, (size_t)1 << 48,
	};
	void *p = poolalloc_alloc(100), *out[2] = { &rng, &rng };
	size_t i;

	for (i = 0; i < sizeof(huge) / sizeof(huge[0]); i++) {
		volatile size_t n = huge[i];	/* the compiler must not refuse */

		errno = 0;
		TAP_CHECK(!poolalloc_alloc(n) && errno == ENOMEM);
		errno = 0;
		TAP_CHECK(!poolalloc_zalloc(n) && errno == ENOMEM);
		errno = 0;
		TAP_CHECK(!poolalloc_realloc(p, n) && errno == ENOMEM);
		errno = 0;
		TAP_CHECK(!poolalloc_realloc(NULL, n) && errno == ENOMEM);
		errno = 0;
		TAP_CHECK(!poolalloc_alloc_aligned(64, n) && errno == ENOMEM);
		errno = 0;
		TAP_CHECK(!poolalloc_alloc_bulk(n, 2, out) && errno == ENOMEM && out[1] == &rng);
	}
	poolalloc_free(p);
	TAP_CHECK(report_accounts(0));
}

/* Nothing that succeeds touches errno, and free never does. */
static void errno_kept(void)
{
	size_t i;

	for (i = 0; i < NSIZES; i++) {
		void *p, *q;

		errno = 12345;
		p = poolalloc_alloc(sizes[i]);
		q = poolalloc_alloc_aligned(256, sizes[i]);
		p = poolalloc_realloc(p, sizes[i] / 2 + 1);
		TAP_CHECK(p && q && errno == 12345);
		poolalloc_free(p);
		poolalloc_free_sized(q, sizes[i]);
		poolalloc_trim();
		TAP_CHECK(errno == 12345);
	}
	errno = 0;
}

static void nothing(void)
{
	void *none[3] = { NULL, NULL, NULL };

	poolalloc_free(NULL);
	poolalloc_free_sized(NULL, 64);
	poolalloc_free_rcu(NULL);
	poolalloc_free_bulk(3, none);
	poolalloc_free_bulk(0, NULL);
	TAP_CHECK(poolalloc_usable_size(NULL) == 0);
	TAP_CHECK(poolalloc_alloc_bulk(64, 0, none) == 0 && !none[0]);
	errno = 0;
	TAP_CHECK(poolalloc_stats(NULL) == -1 && errno == EINVAL);
	errno = 0;
	TAP_CHECK(poolalloc_walk(NULL, NULL) == -1 && errno == EINVAL);
	errno = 0;
	TAP_CHECK(poolalloc_stats_write(NULL, NULL, POOLALLOC_TEXT) == -1 && errno == EINVAL);
}

static void aligned_sizes(size_t align)
{
	size_t i;

	for (i = 0; i < NSIZES; i++)
		remember_aligned(align, sizes[i]);
}

static void alignment(void)
{
	static const size_t wrong[] = { 0, 3, 24, 1000, SIZE_MAX, 4097 };
	size_t align, i;
	volatile size_t huge;

	for (align = 1; align <= 4 << 20; align *= 2) {
		aligned_sizes(align);
		if (align >= 65536)
			while (oracle.n)
				forget(oracle.n - 1);
	}
	forget_all();
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		huge = wrong[i];
		errno = 0;
		TAP_CHECK(!poolalloc_alloc_aligned(huge, 64) && errno == EINVAL);
	}
	for (align = (size_t)1 << 50; align; align *= 2) {
		huge = align;
		errno = 0;
		TAP_CHECK(!poolalloc_alloc_aligned(huge, 64) && errno == ENOMEM);
	}
	/* Blocks that only native alignment can serve: natural, without asking. */
	for (i = 8; i <= 4096; i *= 2) {
		void *p = poolalloc_alloc(i);

		TAP_CHECK(!((uintptr_t)p & (i - 1)));
		poolalloc_free(p);
	}
}

/* Return: the new block, with what fits of the old contents still there. */
static void *resized(unsigned char *p, size_t old, size_t size, uint64_t tag)
{
	unsigned char *q = poolalloc_realloc(p, size);
	size_t kept = old < size ? old : size;

	if (!TAP_CHECK(q))
		return p;
	if (kept > ORACLE_EDGE)
		kept = ORACLE_EDGE;	/* what the oracle has filled without a gap */
	if (!TAP_CHECK(oracle_compare(q, kept, tag) == kept))
		tap_diag("realloc from %zu to %zu loses byte %zu", old, size,
			 oracle_compare(q, kept, tag));
	TAP_CHECK(poolalloc_usable_size(q) >= size);
	return q;
}

static void reallocation(void)
{
	size_t i, j;
	void *p;

	for (i = 0; i < NSIZES; i++)
		for (j = 0; j < NSIZES; j++) {
			p = poolalloc_realloc(NULL, sizes[i]);
			if (!TAP_CHECK(p))
				continue;
			oracle_fill(p, sizes[i], i * NSIZES + j);
			p = resized(p, sizes[i], sizes[j], i * NSIZES + j);
			memset(p, 1, poolalloc_usable_size(p));
			poolalloc_free(p);
		}
	/* It does not free, and it stays where it is within its rounded size. */
	p = poolalloc_alloc(64);
	TAP_CHECK(poolalloc_realloc(p, 57) == p);
	TAP_CHECK(poolalloc_realloc(p, 64) == p);
	/* Nor does it move when it shrinks to more than five eighths; to less gives the rest back. */
	TAP_CHECK(poolalloc_realloc(p, 41) == p);
	p = poolalloc_realloc(p, 40);
	TAP_CHECK(p && poolalloc_usable_size(p) < 64);
	poolalloc_free(p);
	/* From 1 KiB on it may have got more than it was asked for: to more than half. */
	p = poolalloc_alloc(2048);
	TAP_CHECK(poolalloc_realloc(p, 1025) == p);
	p = poolalloc_realloc(p, 1024);
	TAP_CHECK(p && poolalloc_usable_size(p) < 2048);
	p = poolalloc_realloc(p, 0);
	TAP_CHECK(p && poolalloc_usable_size(p) >= 1);
	poolalloc_free(p);
	TAP_CHECK(report_accounts(0));
}

/* Appending and shrinking step by step, through all kinds of blocks. */
static void growing(void)
{
	size_t size = 2;
	unsigned char *p = poolalloc_alloc(size), *q;

	p[0] = oracle_byte(7, 0);
	for (; size < (6 << 20); size += size / 7 + 1) {
		q = poolalloc_realloc(p, size);
		if (!TAP_CHECK(q))
			break;
		p = q;
		TAP_CHECK(p[0] == oracle_byte(7, 0));
		p[size - 1] = 1;
	}
	for (; size > 1; size -= size / 5 + 1) {
		q = poolalloc_realloc(p, size);
		if (!TAP_CHECK(q && q[0] == oracle_byte(7, 0)))
			break;
		p = q;
	}
	poolalloc_free(p);
	TAP_CHECK(report_accounts(0));
}

static void bulk(void)
{
	static void *out[2000];
	size_t i, j, n;

	for (i = 0; i < NSIZES; i++) {
		n = sizes[i] > 100000 ? 5 : sizes[i] > 4096 ? 70 : 2000;
		if (!TAP_CHECK(poolalloc_alloc_bulk(sizes[i], n, out) == n))
			continue;
		for (j = 0; j < n; j++)
			remember(out[j], sizes[i]);
		oracle_walk_start(&oracle);
		for (j = 0; j < n; j++)
			oracle_intact(&oracle.block[j]);
		while (oracle.n)
			oracle_del(&oracle, oracle.n - 1);
		poolalloc_free(out[n / 2]);
		out[n / 2] = NULL;
		poolalloc_free_bulk(n, out);
	}
	TAP_CHECK(report_accounts(0));
}

static void walk(void)
{
	size_t i, k;

	for (k = 0; k < 3000; k++) {
		i = tap_random(&rng) % (NSIZES - (k % 40 ? 8 : 0));
		remember(poolalloc_alloc(sizes[i]), sizes[i]);
		if (k % 3 == 0)
			forget(tap_random(&rng) % oracle.n);
	}
	remember_aligned(1 << 20, 100);
	remember_aligned(1 << 15, 1000000);
	oracle_walk_start(&oracle);
	TAP_CHECK(poolalloc_walk(oracle_visit, &oracle) == 0);
	oracle_walk_end(&oracle);
	forget_all();
}

/* More than one piece of the table of large blocks; entries are used again. */
static void many_large(void)
{
	struct poolalloc_stats s;
	size_t k;

	while (oracle.n < 2500)
		remember(poolalloc_alloc(140000), 140000);
	for (k = 0; k < 1500; k++)
		forget(tap_random(&rng) % oracle.n);
	while (oracle.n < 2100)
		remember(poolalloc_alloc(140000 + 4 * oracle.n), 140000 + 4 * oracle.n);
	TAP_CHECK(!poolalloc_stats(&s) && s.large_blocks == oracle.n);
	oracle_walk_start(&oracle);
	TAP_CHECK(poolalloc_walk(oracle_visit, &oracle) == 0);
	oracle_walk_end(&oracle);
	forget_all();
	TAP_CHECK(!poolalloc_stats(&s) && !s.large_blocks && !s.large_bytes);
}

#define SWAPPERS	4
#define SWAP_PLACES	16

static uint64_t *swapped[SWAP_PLACES];
static unsigned int swapping, swap_wrong;

/* Writes where the block is into its first and last word; another thread looks, and frees it. */
static void *swap_large(void *arg)
{
	uint64_t seed = (uintptr_t)arg + 1, *p, size;
	size_t n = tap_scaled(60000, 3000);

	for (; n; n--) {
		unsigned int i = (unsigned int)(tap_random(&seed) % SWAP_PLACES);

		size = (POOLALLOC_CLASS_MAX + 8 + tap_random(&seed) % (n % 8 ? 200000 : 700000)) / 8;
		p = poolalloc_alloc(size * 8);
		if (!p) {
			__atomic_fetch_add(&swap_wrong, 1, __ATOMIC_RELAXED);
			break;
		}
		p[0] = size;
		p[size - 1] = (uintptr_t)p;
		p = __atomic_exchange_n(&swapped[i], p, __ATOMIC_ACQ_REL);
		if (p && p[p[0] - 1] != (uintptr_t)p)
			__atomic_fetch_add(&swap_wrong, 1, __ATOMIC_RELAXED);
		poolalloc_free(p);
	}
	__atomic_fetch_sub(&swapping, 1, __ATOMIC_RELEASE);
	return NULL;
}

static int count_large(void *ctx, void *block, size_t size)
{
	(void)block;
	*(size_t *)ctx += size > POOLALLOC_CLASS_MAX;
	return 0;
}

/* Threads free each other's large blocks while somebody walks over them and gives kept ones back. */
static void large_in_threads(void)
{
	pthread_t t[SWAPPERS];
	struct poolalloc_stats s;
	size_t n = 0;
	uintptr_t i;

	swapping = SWAPPERS;
	for (i = 0; i < SWAPPERS; i++)
		TAP_CHECK(!pthread_create(&t[i], NULL, swap_large, (void *)i));
	while (__atomic_load_n(&swapping, __ATOMIC_ACQUIRE)) {
		n = 0;
		TAP_CHECK(!poolalloc_walk(count_large, &n) && n <= SWAP_PLACES + 2 * SWAPPERS);
		poolalloc_trim();
	}
	for (i = 0; i < SWAPPERS; i++)
		pthread_join(t[i], NULL);
	TAP_CHECK(!swap_wrong);
	for (n = 0, i = 0; i < SWAP_PLACES; i++)
		n += !!swapped[i];
	TAP_CHECK(!poolalloc_stats(&s) && s.large_blocks == n);
	for (i = 0; i < SWAP_PLACES; i++) {
		poolalloc_free(swapped[i]);
		swapped[i] = NULL;
	}
	TAP_CHECK(!poolalloc_stats(&s) && !s.large_blocks && !s.large_bytes);
	TAP_CHECK(poolalloc_trim() && !poolalloc_trim());
}

static int stop_at_third(void *ctx, void *block, size_t size)
{
	(void)block;
	(void)size;
	return ++*(int *)ctx == 3 ? 42 : 0;
}

/* A visitor may allocate and free, even the block it stands on. */
static int free_visited(void *ctx, void *block, size_t size)
{
	size_t *left = ctx;

	(void)size;
	poolalloc_free(block);
	--*left;
	poolalloc_free(poolalloc_alloc(size));
	return 0;
}

static void walk_visitors(void)
{
	size_t n = 500, i;
	int calls = 0;

	for (i = 0; i < n; i++)
		TAP_CHECK(poolalloc_alloc(sizes[1 + i % (NSIZES - 8)]));
	TAP_CHECK(poolalloc_walk(stop_at_third, &calls) == 42 && calls == 3);
	TAP_CHECK(poolalloc_walk(free_visited, &n) == 0);
	if (!TAP_CHECK(!n))
		tap_diag("%zu of 500 blocks were not visited", n);
	TAP_CHECK(report_accounts(0));
}

static void statistics(void)
{
	struct poolalloc_stats s;
	uint64_t live = 0, bytes = 0;
	size_t i, k;

	for (k = 0; k < 4000; k++) {
		i = tap_random(&rng) % NSIZES;
		if (sizes[i] <= 100000)
			remember(poolalloc_alloc(sizes[i]), sizes[i]);
		if (k % 2 && oracle.n)
			forget(tap_random(&rng) % oracle.n);
	}
	TAP_CHECK(!poolalloc_stats(&s));
	for (i = 0; i < POOLALLOC_CLASSES; i++) {
		uint64_t expect = 0;

		for (k = 0; k < oracle.n; k++)
			expect += oracle.block[k].size == s.cls[i].size;
		TAP_CHECK(s.cls[i].live == expect);
		TAP_CHECK(!i || s.cls[i].size > s.cls[i - 1].size);
		live += s.cls[i].live;
		bytes += s.cls[i].live * s.cls[i].size;
	}
	TAP_CHECK(s.cls[0].size == 8 && s.cls[POOLALLOC_CLASSES - 1].size == POOLALLOC_CLASS_MAX);
	TAP_CHECK(live == s.live_blocks && bytes == s.live_bytes);
	TAP_CHECK(s.arenas_peak >= s.arenas);
	for (k = 0, live = 0, bytes = 0; k < oracle.n; k++)
		if (oracle.block[k].size > POOLALLOC_CLASS_MAX) {
			live++;
			bytes += oracle.block[k].size;
		}
	TAP_CHECK(s.large_blocks == live && s.large_bytes >= bytes);
	TAP_CHECK(report_accounts(live_small()));
	forget_all();
	TAP_CHECK(!poolalloc_stats(&s) && !s.large_blocks && !s.large_bytes && !s.live_bytes);
}

static void trim(void)
{
	struct poolalloc_stats s;
	size_t i, bytes;

	for (i = 0; i < 20000; i++)
		remember(poolalloc_alloc(400), 400);
	for (i = 0; i < 8; i++)
		remember(poolalloc_alloc(1 << 20), 1 << 20);
	TAP_CHECK(!poolalloc_stats(&s) && s.arenas * s.arena_bytes >= 20000 * 400);
	forget_all();
	bytes = poolalloc_trim();
	TAP_CHECK(!poolalloc_stats(&s));
	if (!TAP_CHECK(!s.arenas && bytes))
		tap_diag("after trim: %" PRIu64 " arenas, %zu bytes given back", s.arenas, bytes);
	/* And it goes on. */
	remember(poolalloc_alloc(400), 400);
	forget_all();
}

static void random_sequence(void)
{
	size_t ops = tap_scaled(300000, 5000), k;

	for (k = 0; k < ops; k++) {
		size_t r = tap_random(&rng), size = r >> 32;
		bool more = oracle.n < 100 + (k / 3000 % 7) * 1500;

		if (!oracle.n || r % 16 < (more ? 9 : 5)) {
			size %= r % 64 == 3 ? 300000 : r % 8 == 1 ? 20000 : 520;
			if (r % 5 == 2)
				remember_aligned((size_t)1 << (size % 13), size);
			else
				remember(poolalloc_alloc(size), size);
		} else {
			forget((size_t)(tap_random(&rng) % oracle.n));
		}
	}
	TAP_CHECK(report_accounts(live_small()));
	forget_all();
}

int main(void)
{
	tap_start(18);
	rng = tap_seed();
	tap_test("every size, all of it usable", every_size);
	tap_test("zalloc", zeroed);
	tap_test("too large: NULL and ENOMEM", too_large);
	tap_test("errno is left alone", errno_kept);
	tap_test("NULL, zero and invalid arguments", nothing);
	tap_test("alignment from 1 to 4 MiB", alignment);
	tap_test("realloc between all sizes", reallocation);
	tap_test("realloc step by step", growing);
	tap_test("bulk", bulk);
	tap_test("the walk visits each live block once", walk);
	tap_test("thousands of large blocks", many_large);
	tap_test("large blocks go from thread to thread", large_in_threads);
	tap_test("visitors may stop, allocate and free", walk_visitors);
	tap_test("statistics are exact", statistics);
	tap_test("trim gives all empty arenas back", trim);
	tap_test("random sequence", random_sequence);
	tap_test("trim after it", trim);
	tap_ok(report_accounts(0), "nothing is left");
	oracle_done(&oracle);
	return tap_finish();
}
