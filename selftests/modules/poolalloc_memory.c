// SPDX-License-Identifier: GPL-2.0-only
/*
 * poolalloc_memory: holds many objects of given sizes, so that a script can
 * see how many pages that takes, with kmalloc and with poolalloc.
 *
 * /proc/poolalloc_memory takes lines:
 *	SIZE WEIGHT	objects of that size, so often in relation to the others
 *	fill N		allocates N objects, their sizes drawn by weight
 *	free PERCENT	frees so much of what there was after the fill, at random
 * Everything is the same in each run.
 */
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/poolalloc.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#define SIZES_MAX	2048
#define OBJECTS_MAX	4000000

static bool with_kmalloc;
module_param_named(kmalloc, with_kmalloc, bool, 0644);
MODULE_PARM_DESC(kmalloc, "Use kmalloc instead of poolalloc");

/* @upto: the sum of the weights up to this one. */
static struct {
	u32 size;
	u32 upto;
} sizes[SIZES_MAX];

static unsigned int nsizes;
static void **objects;
static unsigned long filled, live;
static u64 seed;

static u32 next_random(u32 below)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (u32)(((seed >> 32) * below) >> 32);
}

static int add_size(unsigned int size, unsigned int weight)
{
	u32 sum = nsizes ? sizes[nsizes - 1].upto : 0;

	if (nsizes == SIZES_MAX || !size || size > POOLALLOC_MAX_SIZE)
		return -EINVAL;
	sizes[nsizes].size = size;
	sizes[nsizes++].upto = sum + weight;
	return 0;
}

static u32 draw_size(void)
{
	u32 x = next_random(sizes[nsizes - 1].upto);
	unsigned int low = 0, high = nsizes - 1;

	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (x < sizes[middle].upto)
			high = middle;
		else
			low = middle + 1;
	}
	return sizes[low].size;
}

static void *take(size_t size)
{
	return with_kmalloc ? kmalloc(size, GFP_KERNEL) : poolalloc_alloc(size, GFP_KERNEL);
}

static void give(void *p)
{
	if (with_kmalloc)
		kfree(p);
	else
		poolalloc_free(p);
}

static int fill(unsigned long n)
{
	unsigned long i, j;

	if (live || !nsizes || !n || n > OBJECTS_MAX)
		return -EINVAL;
	seed = 1;
	for (i = 0; i < n; i++) {
		objects[i] = take(draw_size());
		if (!objects[i])
			break;
		cond_resched();
	}
	filled = i;
	live = i;
	/* From here on their order is a random one. */
	for (i = 1; i < filled; i++) {
		j = next_random(i + 1);
		swap(objects[i], objects[j]);
	}
	return filled == n ? 0 : -ENOMEM;
}

static int thin_out(unsigned int percent)
{
	unsigned long keep;

	if (percent > 100)
		return -EINVAL;
	keep = filled - filled / 100 * percent;
	if (percent == 100)
		keep = 0;
	while (live > keep) {
		give(objects[--live]);
		cond_resched();
	}
	return 0;
}

static int obey(const char *line)
{
	unsigned int a, b;

	if (sscanf(line, "%u %u", &a, &b) == 2)
		return add_size(a, b);
	if (sscanf(line, "fill %u", &a) == 1)
		return fill(a);
	if (sscanf(line, "free %u", &a) == 1)
		return thin_out(a);
	return -EINVAL;
}

static ssize_t memory_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	char *text, *rest, *line;
	int err = 0;

	if (len > PAGE_SIZE * 8)
		return -EINVAL;
	text = memdup_user_nul(buf, len);
	if (IS_ERR(text))
		return PTR_ERR(text);
	rest = text;
	while (!err && (line = strsep(&rest, "\n")))
		if (*line && *line != '#')
			err = obey(line);
	kfree(text);
	return err ?: len;
}

static const struct proc_ops memory_ops = {
	.proc_write = memory_write,
};

static int __init memory_init(void)
{
	objects = vzalloc(array_size(OBJECTS_MAX, sizeof(*objects)));
	if (!objects)
		return -ENOMEM;
	if (proc_create("poolalloc_memory", 0200, NULL, &memory_ops))
		return 0;
	vfree(objects);
	return -ENOMEM;
}

static void __exit memory_exit(void)
{
	remove_proc_entry("poolalloc_memory", NULL);
	thin_out(100);
	vfree(objects);
}

module_init(memory_init);
module_exit(memory_exit);

MODULE_DESCRIPTION("Memory that many objects take, beside kmalloc");
MODULE_AUTHOR("The poolalloc authors");
MODULE_LICENSE("GPL");
