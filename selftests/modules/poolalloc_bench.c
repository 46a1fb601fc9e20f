// SPDX-License-Identifier: GPL-2.0-only
/*
 * poolalloc_bench: what an allocation costs, beside kmalloc and kmem_cache.
 *
 * Meant for a guest whose clock counts instructions (lib/qemu.sh --icount):
 * then a nanosecond is an instruction. Each figure is the least of many passes
 * over a fixed number of operations, minus those of the same loop without the
 * calls. The results are in /proc/poolalloc_bench, which runs it when read.
 */
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/poolalloc.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/utsname.h>

/* A cache of its own, where there is a flag for that. */
#ifdef SLAB_NO_MERGE
#define BENCH_CACHE_FLAGS	SLAB_NO_MERGE
#else
#define BENCH_CACHE_FLAGS	0
#endif

#define OPS	1000
#define PASSES	25

static void *ptrs[OPS];
static u16 in_order[OPS], at_random[OPS], sizes[OPS];
static struct kmem_cache *cache;
static u32 seed;

static u32 next_random(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 8;
}

static void prepare(void)
{
	unsigned int i, j;

	seed = 1;
	for (i = 0; i < OPS; i++) {
		in_order[i] = i;
		j = next_random() % (i + 1);
		at_random[i] = at_random[j];
		at_random[j] = i;
		sizes[i] = 8 + next_random() % 505;
	}
}

/* One set of loops per allocator, so that the calls are direct ones. */
#define LOOPS(name, alloc, free)						\
static u64 name##_pair(size_t size)						\
{										\
	u64 start = ktime_get_ns();						\
	unsigned int i;								\
										\
	for (i = 0; i < OPS; i++) {						\
		void *p = alloc;						\
										\
		OPTIMIZER_HIDE_VAR(p);						\
		free;								\
	}									\
	return ktime_get_ns() - start;						\
}										\
										\
static u64 name##_allocs(size_t size, const u16 *order)			\
{										\
	u64 start = ktime_get_ns();						\
	unsigned int i;								\
										\
	for (i = 0; i < OPS; i++)						\
		WRITE_ONCE(ptrs[order[i]], alloc);				\
	return ktime_get_ns() - start;						\
}										\
										\
static u64 name##_frees(size_t size, const u16 *order)				\
{										\
	u64 start = ktime_get_ns();						\
	unsigned int i;								\
										\
	for (i = 0; i < OPS; i++) {						\
		void *p = READ_ONCE(ptrs[order[i]]);				\
										\
		free;								\
	}									\
	return ktime_get_ns() - start;						\
}										\
										\
static u64 name##_mixed(size_t size)						\
{										\
	u64 start = ktime_get_ns();						\
	unsigned int i;								\
										\
	for (i = 0; i < OPS; i++) {						\
		void *p = READ_ONCE(ptrs[at_random[i]]);			\
										\
		size = READ_ONCE(sizes[i]);					\
		OPTIMIZER_HIDE_VAR(size);					\
		free;								\
		WRITE_ONCE(ptrs[at_random[i]], alloc);				\
	}									\
	return ktime_get_ns() - start;						\
}

LOOPS(nothing, (void *)(size), barrier_data(p))
LOOPS(kmalloc, kmalloc(size, GFP_KERNEL), kfree(p))
LOOPS(kmem_cache, kmem_cache_alloc(cache, GFP_KERNEL), kmem_cache_free(cache, p))
LOOPS(poolalloc, poolalloc_alloc(size, GFP_KERNEL), poolalloc_free(p))
LOOPS(poolalloc_sized, poolalloc_alloc(size, GFP_KERNEL), poolalloc_free_sized(p, size))

struct loops {
	const char *name;
	u64 (*pair)(size_t size);
	u64 (*allocs)(size_t size, const u16 *order);
	u64 (*frees)(size_t size, const u16 *order);
	u64 (*mixed)(size_t size);
};

#define LOOPS_OF(n) { #n, n##_pair, n##_allocs, n##_frees, n##_mixed }

static const struct loops nothing = LOOPS_OF(nothing);

static const struct loops allocators[] = {
	LOOPS_OF(kmalloc), LOOPS_OF(kmem_cache), LOOPS_OF(poolalloc), LOOPS_OF(poolalloc_sized),
};

static u64 least_pair(const struct loops *l, size_t size)
{
	u64 least = U64_MAX;
	unsigned int i;

	for (i = 0; i < PASSES; i++)
		least = min(least, l->pair(size));
	return least;
}

static void least_batch(const struct loops *l, size_t size, const u16 *order, u64 *a, u64 *f)
{
	unsigned int i;

	*a = U64_MAX;
	*f = U64_MAX;
	for (i = 0; i < PASSES; i++) {
		*a = min(*a, l->allocs(size, in_order));
		*f = min(*f, l->frees(size, order));
	}
}

static u64 least_mixed(const struct loops *l)
{
	u64 least = U64_MAX;
	unsigned int i;

	l->allocs(64, in_order);
	for (i = 0; i < PASSES; i++)
		least = min(least, l->mixed(64));
	l->frees(64, in_order);
	return least;
}

static void put(struct seq_file *m, const char *name, const char *size, const char *pattern,
		u64 cost, u64 empty)
{
	u64 tenths = cost > empty ? div_u64((cost - empty) * 10, OPS) : 0;

	seq_printf(m, "bench-kernel %s %s %s %s %llu.%llu\n", utsname()->release, name, size,
		   pattern, div_u64(tenths, 10), tenths % 10);
}

static void bench_size(struct seq_file *m, const struct loops *l, size_t size)
{
	u64 empty_a, empty_f, a, f;
	char text[8];

	snprintf(text, sizeof(text), "%zu", size);
	put(m, l->name, text, "pair", least_pair(l, size), least_pair(&nothing, size));
	least_batch(&nothing, size, in_order, &empty_a, &empty_f);
	least_batch(l, size, in_order, &a, &f);
	put(m, l->name, text, "seq-alloc", a, empty_a);
	put(m, l->name, text, "seq-free", f, empty_f);
	least_batch(&nothing, size, at_random, &empty_a, &empty_f);
	least_batch(l, size, at_random, &a, &f);
	put(m, l->name, text, "rnd-alloc", a, empty_a);
	put(m, l->name, text, "rnd-free", f, empty_f);
}

static void bench_all(struct seq_file *m)
{
	static const u16 tried[] = { 16, 64, 256, 512 };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(tried); i++) {
		cache = kmem_cache_create("poolalloc_bench", tried[i], 0, BENCH_CACHE_FLAGS, NULL);
		for (j = 0; cache && j < ARRAY_SIZE(allocators); j++)
			bench_size(m, &allocators[j], tried[i]);
		kmem_cache_destroy(cache);
	}
	for (j = 0; j < ARRAY_SIZE(allocators); j++)
		if (j != 1)
			put(m, allocators[j].name, "8-512", "mixed", least_mixed(&allocators[j]),
			    least_mixed(&nothing));
}

static int bench_show(struct seq_file *m, void *v)
{
	prepare();
	bench_all(m);
	return 0;
}

static int bench_open(struct inode *inode, struct file *file)
{
	return single_open_size(file, bench_show, NULL, 32768);
}

static const struct proc_ops bench_ops = {
	.proc_open	= bench_open,
	.proc_read	= seq_read,
	.proc_lseek	= seq_lseek,
	.proc_release	= single_release,
};

static int __init bench_init(void)
{
	return proc_create("poolalloc_bench", 0400, NULL, &bench_ops) ? 0 : -ENOMEM;
}

static void __exit bench_exit(void)
{
	remove_proc_entry("poolalloc_bench", NULL);
}

module_init(bench_init);
module_exit(bench_exit);

MODULE_DESCRIPTION("Cost of poolalloc's functions beside kmalloc and kmem_cache");
MODULE_AUTHOR("The poolalloc authors");
MODULE_LICENSE("GPL");
