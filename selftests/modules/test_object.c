// SPDX-License-Identifier: GPL-2.0-only
/*
 * poolalloc_check_object(), and copies between blocks and user space.
 */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "test.h"

static int in_module;

/* Every start and, for the smaller ones, every length. */
static void borders(const char *p, bool exact)
{
	size_t size = poolalloc_size(p), step = size > 512 ? size / 16 - 1 : 1;
	size_t start;

	test_check(poolalloc_check_object(p, 0));
	test_check(poolalloc_check_object(p, size));
	test_check(!poolalloc_check_object(p, size + 1));
	for (start = 0; exact && start < size; start += step) {
		test_check(poolalloc_check_object(p + start, size - start));
		test_check(poolalloc_check_object(p + start, 1));
		test_check(!poolalloc_check_object(p + start, size - start + 1));
		test_check(!poolalloc_check_object(p + start, 2 * size));
		test_check(!poolalloc_check_object(p + start, SIZE_MAX));
	}
}

/* What a checked copy looks like in a module. */
static long copy_out(void __user *to, const void *p, size_t n)
{
	if (!poolalloc_check_object(p, n) || copy_to_user(to, p, n))
		return -EFAULT;
	return n;
}

static void copies(void __user *user, void *p)
{
	size_t size = poolalloc_size(p);

	test_fill(p, size, 5);
	test_check(copy_out(user, p, size) == size);
	test_check(copy_out(user, p, size + 1) == -EFAULT);
	memset(p, 0, size);
	test_check(!copy_from_user(p, user, size));
	test_check(test_intact(p, size, 5));
}

static void every_size(void __user *user, bool exact)
{
	unsigned int i;

	for (i = 0; i < test_nsizes; i++) {
		void *p = poolalloc_alloc(test_sizes[i], GFP_KERNEL);

		if (!test_check(p))
			return;
		borders(p, exact);
		copies(user, p);
		poolalloc_free(p);
	}
	test_ok(true, "every size: in a block, and beyond it; copies to and from user space");
}

static void foreign(bool exact)
{
	void *a = kmalloc(100, GFP_KERNEL), *b = vmalloc(PAGE_SIZE);
	int on_stack = 0;

	test_check(!poolalloc_check_object(NULL, 0));
	test_check(!poolalloc_check_object(NULL, 8));
	test_check(!poolalloc_check_object(ERR_PTR(-ENOMEM), 1));
	test_check(!poolalloc_check_object((void *)8, 8));
	test_check(!poolalloc_check_object(&in_module, sizeof(in_module)));
	test_check(!poolalloc_check_object(&on_stack, sizeof(on_stack)));
	/* SLUB may have had this page for poolalloc before. */
	test_check(!exact || !poolalloc_check_object(a, 8));
	test_check(!poolalloc_check_object(b, 8));
	vfree(b);
	kfree(a);
	test_ok(true, "memory of others");
}

/* The descriptors, the rest behind a pool's last block, what was given back. */
static void no_blocks(unsigned long arena_bytes, unsigned long pool_bytes)
{
	unsigned long size = 24, rest = pool_bytes % size;
	char *p = poolalloc_alloc(size, GFP_KERNEL);
	char *pool = (char *)((unsigned long)p & -pool_bytes);
	char *arena = (char *)((unsigned long)p & -arena_bytes);

	if (!test_check(p))
		return;
	test_check(!poolalloc_check_object(arena, 1));
	test_check(!poolalloc_check_object(arena + 64, 1));
	test_check(!poolalloc_check_object(pool + pool_bytes - rest, 1));
	test_check(!poolalloc_check_object(pool + pool_bytes - 1, 0));
	poolalloc_free(p);
	p = poolalloc_alloc(30000, GFP_KERNEL);
	test_check(p && poolalloc_check_object(p, 30000));
	poolalloc_free(p);
	poolalloc_trim();
	test_check(!poolalloc_check_object(p, 1));
	test_ok(true, "memory without blocks");
}

/* @pool_bytes: the geometry; an arena has 64 pools. 0: there are none. */
void test_object(unsigned long pool_bytes)
{
	unsigned long user = vm_mmap(NULL, 0, POOLALLOC_MAX_SIZE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, 0);

	if (!test_check(!IS_ERR_VALUE(user)))
		return;
	every_size((void __user *)user, pool_bytes);
	foreign(pool_bytes);
	if (pool_bytes)
		no_blocks(64 * pool_bytes, pool_bytes);
	vm_munmap(user, POOLALLOC_MAX_SIZE);
}
