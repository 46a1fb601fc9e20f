// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every exported function with every kind of argument, from a task.
 */
#include <linux/align.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "test.h"

/* The class of a request, by the documentation and not by the table. */
static size_t documented_size(size_t size)
{
	if (size <= 512)
		return size ? ALIGN(size, 8) : 8;
	return ALIGN(size, rounddown_pow_of_two(size - 1) / 8);
}

static bool aligned(const void *p, size_t size)
{
	size_t want = is_power_of_2(size) ? min_t(size_t, size, PAGE_SIZE) : 8;

	return IS_ALIGNED((uintptr_t)p, want);
}

static void one_size(size_t size)
{
	size_t usable = documented_size(size);
	void *a = poolalloc_alloc(size, GFP_KERNEL);
	void *z;

	if (!test_check(a))
		return;
	test_check(poolalloc_size(a) == usable);
	test_check(aligned(a, usable));
	test_fill(a, usable, 0xa5);
	z = poolalloc_zalloc(size, GFP_KERNEL);
	test_check(z && z != a && !memchr_inv(z, 0, usable));
	test_check(test_intact(a, usable, 0xa5));
	poolalloc_free(a);
	/* The most recently freed block comes back dirty, or zeroed if asked. */
	a = poolalloc_alloc(size, GFP_KERNEL | __GFP_ZERO);
	test_check(a && !memchr_inv(a, 0, usable));
	poolalloc_free_sized(a, size);
	poolalloc_free_sized(z, size);
}

static void every_size(void)
{
	size_t size, step = 61 * 520 / test_scaled(520);

	for (size = 0; size <= 1100; size++)
		one_size(size);
	for (; size <= POOLALLOC_MAX_SIZE; size += step)
		one_size(size);
	one_size(POOLALLOC_MAX_SIZE);
	test_check(!poolalloc_alloc(POOLALLOC_MAX_SIZE + 1, GFP_KERNEL));
	test_check(!poolalloc_alloc(ULONG_MAX, GFP_KERNEL));
	test_check(!poolalloc_alloc_node(POOLALLOC_MAX_SIZE + 1, GFP_KERNEL, 0));
	test_check(!poolalloc_alloc_bulk(POOLALLOC_MAX_SIZE + 1, GFP_KERNEL, 1, NULL));
	poolalloc_free(NULL);
	poolalloc_free_sized(NULL, 8);
	poolalloc_free_rcu(NULL);
	test_check(poolalloc_size(NULL) == 0);
	test_ok(true, "sizes 0 to %d, beyond it NULL", POOLALLOC_MAX_SIZE);
}

#define BULK	300

static void bulk_of(size_t size, gfp_t gfp, void **blocks)
{
	unsigned int i, n, want = test_scaled(BULK);
	size_t usable = documented_size(size);

	n = poolalloc_alloc_bulk(size, gfp, want, blocks);
	test_check(n == want);
	for (i = 0; i < n; i++) {
		test_check(!(gfp & __GFP_ZERO) || !memchr_inv(blocks[i], 0, usable));
		test_fill(blocks[i], usable, i);
	}
	for (i = 0; i < n; i++)
		test_check(test_intact(blocks[i], usable, i));
	poolalloc_free(blocks[n / 2]);
	blocks[n / 2] = NULL;
	poolalloc_free_bulk(n, blocks);
}

static void bulk(void)
{
	void **blocks = kcalloc(BULK, sizeof(void *), GFP_KERNEL);
	unsigned int i;

	if (!test_check(blocks))
		return;
	for (i = 0; i < test_nsizes; i++) {
		bulk_of(test_sizes[i], GFP_KERNEL, blocks);
		bulk_of(test_sizes[i], GFP_ATOMIC | __GFP_ZERO, blocks);
	}
	test_check(!poolalloc_alloc_bulk(64, GFP_KERNEL, 0, blocks));
	poolalloc_free_bulk(0, blocks);
	kfree(blocks);
	test_ok(true, "bulk");
}

static void nodes(void)
{
	static const int nids[] = { NUMA_NO_NODE, 0, 1, 255, 256, MAX_NUMNODES, -2 };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(nids); i++)
		for (j = 0; j < test_nsizes; j++) {
			void *p = poolalloc_alloc_node(test_sizes[j], GFP_KERNEL, nids[i]);

			test_check(p && poolalloc_size(p) == documented_size(test_sizes[j]));
			poolalloc_free(p);
		}
	test_ok(true, "node numbers, real or not");
}

static void refused_flags(void)
{
	test_check(!poolalloc_alloc(8000, GFP_KERNEL | __GFP_NOFAIL));
	test_check(!poolalloc_alloc(8000, GFP_KERNEL | GFP_DMA));
	test_ok(true, "gfp bits that no block can give");
}

void test_api(unsigned long arg)
{
	every_size();
	bulk();
	nodes();
	refused_flags();
	poolalloc_trim();
}

/* Blocks that are kept from one scenario to another, linked. */
static void *held;
static unsigned long nheld;

static bool keep(void **p)
{
	if (!p)
		return false;
	*p = held;
	held = p;
	nheld++;
	return true;
}

bool test_hold(size_t size)
{
	return keep(poolalloc_alloc(size, GFP_KERNEL | __GFP_NOWARN));
}

void test_api_release(unsigned long arg)
{
	while (held) {
		void *p = held;

		held = *(void **)p;
		poolalloc_free(p);
	}
	test_note("released %lu blocks", nheld);
	nheld = 0;
}

/* Releases all but every @nth. */
void test_api_thin(unsigned long nth)
{
	void *list = held, *next;
	unsigned long i = 0;

	held = NULL;
	nheld = 0;
	for (; list; list = next) {
		next = *(void **)list;
		if (i++ % nth)
			poolalloc_free(list);
		else
			keep(list);
	}
	test_note("holding %lu blocks", nheld);
}

/* @arg blocks of each size, by a thread on each CPU in turn. */
static void hold_on_cpu(unsigned int cpu, unsigned long n)
{
	static DEFINE_MUTEX(lock);
	unsigned int i;

	mutex_lock(&lock);
	while (n--)
		for (i = 1; i < 27; i++)
			test_check(test_hold(test_sizes[i]));
	mutex_unlock(&lock);
}

void test_api_hold(unsigned long arg)
{
	test_on_cpus(hold_on_cpu, arg);
	test_note("holding %lu blocks", nheld);
}

void test_api_hold512(unsigned long n)
{
	while (n-- && test_hold(512))
		;
	test_note("holding %lu blocks", nheld);
}

/* 500 blocks from one node. */
void test_api_on_node(unsigned long nid)
{
	unsigned int i;

	for (i = 0; i < 500; i++)
		test_check(keep(poolalloc_alloc_node(test_sizes[1 + i % 26], GFP_KERNEL, nid)));
}

/* Is a block's memory wiped when it is freed and when it is allocated? */
void test_api_wiped(unsigned long expected)
{
	unsigned int i, clean_free = 0, clean_alloc = 0, n = 0;

	for (i = 0; i < test_nsizes; i++) {
		size_t size = test_sizes[i];
		u8 *p = poolalloc_alloc(size, GFP_KERNEL);
		size_t usable = poolalloc_size(p);

		if (usable < 24) {
			poolalloc_free(p);
			continue;
		}
		n++;
		test_fill(p, usable, 9);
		poolalloc_free(p);
		/* The first words are the free list's. */
		clean_free += !memchr_inv(p + 8, 0, usable - 8);
		memset(p + 8, 1, usable - 8);
		p = poolalloc_alloc(size, GFP_KERNEL);
		clean_alloc += !memchr_inv(p, 0, usable);
		poolalloc_free(p);
	}
	test_ok(clean_free == (expected ? n : 0), "%u of %u were wiped by free", clean_free, n);
	/* Another block may have come, which nobody has ever used. */
	test_ok(expected ? clean_alloc == n : clean_alloc < n, "%u of %u were wiped by alloc",
		clean_alloc, n);
}

/*
 * KASAN keeps freed objects of caches in a quarantine, and each allocation,
 * successful or not, lets the oldest part go. It has 1024 parts at most.
 */
static unsigned int quarantine_parts(const void *p)
{
	return IS_ENABLED(CONFIG_KASAN_GENERIC) && PageSlab(virt_to_head_page(p)) ? 1024 : 0;
}

static bool room_again(unsigned long size, unsigned int parts)
{
	unsigned int failed = 0;

	while (!test_hold(size))
		if (failed++ == parts)
			return false;
	if (failed)
		test_note("%u parts of a quarantine were let go first", failed);
	return true;
}

/* Until there is no more, which must come before the guest's memory ends. */
void test_api_exhaust(unsigned long size)
{
	unsigned int parts;
	unsigned long n;

	while (test_hold(size) && nheld < 100000000UL)
		;
	n = nheld;
	parts = n ? quarantine_parts(held) : 0;
	/* Interrupts may still have a spare arena; none of that is lost. */
	poolalloc_free(poolalloc_alloc(POOLALLOC_MAX_SIZE, GFP_ATOMIC | __GFP_NOWARN));
	test_api_release(0);
	test_ok(n > 0 && room_again(size, parts),
		"NULL after %lu blocks of %lu bytes, room again after free", n, size);
	test_api_release(0);
}

/*
 * Each call once, whatever it returns; the script lets the n-th arena fail.
 * The sizes are such that several arenas are needed.
 */
void test_api_fail(unsigned long arg)
{
	void *big[40], *bulk[40], *p;
	unsigned int i, n, failed = 0;

	poolalloc_trim();
	for (i = 0; i < ARRAY_SIZE(big); i++) {
		big[i] = poolalloc_alloc(POOLALLOC_MAX_SIZE, i & 1 ? GFP_ATOMIC : GFP_KERNEL);
		failed += !big[i];
	}
	p = poolalloc_zalloc(64, GFP_KERNEL);
	failed += !p;
	poolalloc_free_rcu(p);
	p = poolalloc_alloc_node(20000, GFP_KERNEL, 0);
	failed += !p;
	poolalloc_free_sized(p, 20000);
	n = poolalloc_alloc_bulk(30000, GFP_KERNEL, ARRAY_SIZE(bulk), bulk);
	test_check(n <= ARRAY_SIZE(bulk));
	failed += n < ARRAY_SIZE(bulk);
	for (i = 0; i < n; i++)
		test_fill(bulk[i], poolalloc_size(bulk[i]), i);
	poolalloc_free_bulk(n, bulk);
	for (i = 0; i < ARRAY_SIZE(big); i++)
		poolalloc_free(big[i]);
	rcu_barrier();
	rcu_barrier();
	poolalloc_trim();
	test_note("failed %u", failed);
}

/* Never freed: what unloading poolalloc must report. */
void test_api_leak(unsigned long n)
{
	while (n--) {
		test_check(poolalloc_alloc(64, GFP_KERNEL));
		test_check(poolalloc_alloc(3000, GFP_KERNEL));
	}
}
