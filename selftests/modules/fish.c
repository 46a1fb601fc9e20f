// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_fish: uses poolalloc wrongly, on purpose. Loading it with catch=NAME
 * makes one mistake; the kernel's checkers have to report it, with the name of
 * the function here that made it.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/poolalloc.h>
#include <linux/string.h>
#include <linux/slab.h>

#define FISH_SIZE	64

static char *catch = "";
module_param(catch, charp, 0444);
MODULE_PARM_DESC(catch, "The mistake to make");

static u8 fish_sink;

/* Hides from the compiler that the block is free, or shorter. */
static u8 *fish_block(size_t size)
{
	u8 *p = poolalloc_alloc(size, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(p);
	return p;
}

static noinline void fish_read_after_free(void)
{
	u8 *p = fish_block(FISH_SIZE);

	poolalloc_free(p);
	fish_sink = READ_ONCE(p[8]);
}

static noinline void fish_write_after_free(void)
{
	u8 *p = fish_block(8000);

	poolalloc_free_sized(p, 8000);
	WRITE_ONCE(p[4000], 1);
}

static noinline void fish_read_after_free_rcu(void)
{
	u8 *p = fish_block(FISH_SIZE);

	poolalloc_free_rcu(p);
	/* One for each of a batch's grace periods. */
	rcu_barrier();
	rcu_barrier();
	fish_sink = READ_ONCE(p[8]);
}

static noinline void fish_double_free(void)
{
	u8 *p = fish_block(FISH_SIZE);

	poolalloc_free(p);
	poolalloc_free(p);
	/* No tail call: the report must have this function. */
	barrier();
}

static noinline void fish_double_free_bulk(void)
{
	void *p[2];

	p[0] = fish_block(200);
	p[1] = p[0];
	poolalloc_free_bulk(2, p);
	barrier();
}

static noinline void fish_free_middle(void)
{
	u8 *p = fish_block(FISH_SIZE);

	poolalloc_free(p + 16);
	barrier();
	poolalloc_free(p);
}

static noinline void fish_write_beyond(void)
{
	u8 *p = fish_block(FISH_SIZE);

	WRITE_ONCE(p[FISH_SIZE], 1);
	poolalloc_free(p);
}

static noinline void fish_read_beyond(void)
{
	u8 *p = fish_block(20480);

	fish_sink = READ_ONCE(p[20480]);
	poolalloc_free(p);
}

/* Kept alive by a block only: no leak. */
static void **fish_kept;

static noinline void fish_keep(void)
{
	fish_kept = poolalloc_zalloc(FISH_SIZE, GFP_KERNEL);
	if (fish_kept)
		fish_kept[3] = kzalloc(96, GFP_KERNEL);
}

static noinline void fish_release(void)
{
	if (fish_kept)
		kfree(fish_kept[3]);
	poolalloc_free(fish_kept);
}

/* What fish_race() frees while others use it. */
static u8 *fish_shared;
static DECLARE_COMPLETION(fish_reads);

static noinline int fish_race_reader(void *unused)
{
	complete(&fish_reads);
	while (!kthread_should_stop()) {
		fish_sink = READ_ONCE(*READ_ONCE(fish_shared));
		cond_resched();
	}
	return 0;
}

static noinline void fish_leak(void)
{
	unsigned int i;

	fish_keep();
	for (i = 0; i < 10; i++)
		WRITE_ONCE(*fish_block(FISH_SIZE), i);
}

/*
 * The other CPU still reads what is freed here. KCSAN looks at one access in
 * thousands, and never at marked ones, as the reader's are: what it has to see
 * is the free. Which block comes back is poolalloc's choice.
 */
static noinline void fish_race(void)
{
	struct task_struct *reader;
	unsigned long end, i;

	fish_shared = fish_block(FISH_SIZE);
	reader = kthread_run(fish_race_reader, NULL, "fish_race_reader");
	if (IS_ERR(reader))
		return;
	wait_for_completion(&fish_reads);
	end = jiffies + 10 * HZ;
	for (i = 0; i < 20000 || time_before(jiffies, end); i++) {
		poolalloc_free(fish_shared);
		WRITE_ONCE(fish_shared, fish_block(FISH_SIZE));
		if (!(i % 64))
			cond_resched();
	}
	kthread_stop(reader);
	poolalloc_free(fish_shared);
}

static const struct {
	const char *name;
	void (*fn)(void);
} fishes[] = {
	{ "read_after_free", fish_read_after_free },
	{ "write_after_free", fish_write_after_free },
	{ "read_after_free_rcu", fish_read_after_free_rcu },
	{ "double_free", fish_double_free },
	{ "double_free_bulk", fish_double_free_bulk },
	{ "free_middle", fish_free_middle },
	{ "write_beyond", fish_write_beyond },
	{ "read_beyond", fish_read_beyond },
	{ "leak", fish_leak },
	{ "race", fish_race },
};

static int __init fish_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fishes); i++)
		if (!strcmp(catch, fishes[i].name)) {
			fishes[i].fn();
			return 0;
		}
	pr_err("catch=%s: no such mistake\n", catch);
	return -EINVAL;
}

static void __exit fish_exit(void)
{
	fish_release();
}

module_init(fish_init);
module_exit(fish_exit);

MODULE_DESCRIPTION("Mistakes in the use of poolalloc, for the kernel's checkers to find");
MODULE_AUTHOR("The poolalloc authors");
MODULE_LICENSE("GPL");
