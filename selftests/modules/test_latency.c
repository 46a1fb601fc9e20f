// SPDX-License-Identifier: GPL-2.0-only
/*
 * The longest that a call takes, in instructions: in a guest with -icount a
 * nanosecond is one. With interrupts off nothing else is counted, and no
 * section without preemption inside the call can be longer than the call.
 */
#include <linux/err.h>
#include <linux/hrtimer.h>
#include <linux/irqflags.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "test.h"

#define LIVE	4096

static const char * const names[] = { "alloc", "free", "free_rcu", "trim" };

enum { ALLOC, FREE, FREE_RCU, TRIM, OPS };

/* Per kind of call: the longest, of which size, and how many there were. */
static struct {
	u64 longest;
	size_t size;
	unsigned long calls;
} seen[OPS];

static void took(unsigned int op, size_t size, u64 start)
{
	u64 ns = ktime_get_ns() - start;

	seen[op].calls++;
	if (ns <= seen[op].longest)
		return;
	seen[op].longest = ns;
	seen[op].size = size;
}

static void *timed_alloc(size_t size)
{
	unsigned long flags;
	u64 start;
	void *p;

	local_irq_save(flags);
	start = ktime_get_ns();
	p = poolalloc_alloc(size, GFP_NOWAIT | __GFP_NOWARN);
	took(ALLOC, size, start);
	local_irq_restore(flags);
	return p;
}

static void timed_free(void *p, bool deferred)
{
	size_t size = poolalloc_size(p);
	unsigned long flags;
	u64 start;

	local_irq_save(flags);
	start = ktime_get_ns();
	if (deferred)
		poolalloc_free_rcu(p);
	else
		poolalloc_free(p);
	took(deferred ? FREE_RCU : FREE, size, start);
	local_irq_restore(flags);
}

static void timed_trim(void)
{
	unsigned long flags;
	u64 start;

	local_irq_save(flags);
	start = ktime_get_ns();
	poolalloc_trim();
	took(TRIM, 0, start);
	local_irq_restore(flags);
}

/* On PREEMPT_RT a new arena cannot come while interrupts are off. */
static void *alloc_somehow(size_t size)
{
	return timed_alloc(size) ?: poolalloc_alloc(size, GFP_KERNEL);
}

static size_t some_size(u64 random)
{
	return 1 + (random >> 20) % ((random & 15) ? 512 : POOLALLOC_MAX_SIZE);
}

static void replace_at_random(void **blocks, unsigned long n, u64 *random)
{
	while (n--) {
		u64 r = test_random(random);
		void **p = &blocks[(r >> 40) % LIVE];

		timed_free(*p, (r & 0xf0) == 0);
		*p = alloc_somehow(some_size(r));
		if (!(n % 64))
			cond_resched();
	}
}

static void free_all(void **blocks)
{
	unsigned int i;

	for (i = 0; i < LIVE; i++) {
		timed_free(blocks[i], false);
		blocks[i] = NULL;
	}
}

/* Each class in turn has all the memory: pools go from one to the next. */
static void class_by_class(void **blocks)
{
	unsigned int i, j;

	for (i = 0; i < test_nsizes; i++) {
		for (j = 0; j < LIVE && j * test_sizes[i] < 4 << 20; j++)
			blocks[j] = alloc_somehow(test_sizes[i]);
		cond_resched();
		free_all(blocks);
	}
}

/* As many empty pools as a slot keeps, with the longest lists: others need their memory. */
static void many_empty(void **blocks)
{
	unsigned int i, n = 10 * LIVE;
	void **small = kvcalloc(n, sizeof(void *), GFP_KERNEL);

	if (!test_check(small))
		return;
	n = poolalloc_alloc_bulk(8, GFP_KERNEL, n, small);
	poolalloc_free_bulk(n, small);
	kvfree(small);
	for (i = 0; i < LIVE; i++)
		blocks[i] = alloc_somehow(504);
	free_all(blocks);
}

/*
 * The other node's blocks are its fallback slot's: to free them is a remote
 * free, and the next allocation there, under a lock, finds all their pools in
 * that slot's inbox.
 */
static void remote_frees(void **blocks)
{
	unsigned int i, j;

	for (i = 0; i < test_nsizes; i += 3) {
		for (j = 0; j < LIVE; j++)
			blocks[j] = poolalloc_alloc_node(some_size(j * 0x100001ULL), GFP_KERNEL, 1);
		free_all(blocks);
		for (j = 0; j < 8; j++) {
			unsigned long flags;
			u64 start;

			local_irq_save(flags);
			start = ktime_get_ns();
			blocks[j] = poolalloc_alloc_node(test_sizes[i],
							 GFP_NOWAIT | __GFP_NOWARN, 1);
			took(ALLOC, test_sizes[i], start);
			local_irq_restore(flags);
		}
		free_all(blocks);
		cond_resched();
	}
}

/* Loose and empty pools, for trim to find. */
static void trims(void **blocks)
{
	unsigned int i;

	for (i = 0; i < LIVE; i++)
		blocks[i] = poolalloc_alloc(some_size(i * 0x100001ULL), GFP_KERNEL);
	for (i = 0; i < LIVE; i += 2) {
		poolalloc_free(blocks[i]);
		blocks[i] = NULL;
	}
	timed_trim();
	free_all(blocks);
	timed_trim();
}

/* The clock's own part, which is in every figure. */
static u64 nothing(void)
{
	u64 start = ktime_get_ns();

	return ktime_get_ns() - start;
}

void test_latency(unsigned long n)
{
	void **blocks = kvcalloc(LIVE, sizeof(void *), GFP_KERNEL);
	u64 random = test_seed(77);
	unsigned int i;

	if (!test_check(blocks))
		return;
	memset(seen, 0, sizeof(seen));
	replace_at_random(blocks, n, &random);
	free_all(blocks);
	class_by_class(blocks);
	many_empty(blocks);
	if (num_online_nodes() > 1)
		remote_frees(blocks);
	rcu_barrier();
	rcu_barrier();
	trims(blocks);
	kvfree(blocks);
	for (i = 0; i < OPS; i++)
		test_note("longest %s %llu (%zu bytes; %lu calls; the clock's part %llu)",
			  names[i], seen[i].longest, seen[i].size, seen[i].calls, nothing());
}

/*
 * How late a thread is that goes before all others: by all that runs without
 * preemption, in a kernel in which the rest can be preempted.
 */
#define WATCH_PERIOD	30000

static u64 latest;

static int watcher(void *unused)
{
	u64 random = test_seed(78);

	sched_set_fifo(current);
	while (!kthread_should_stop()) {
		ktime_t due = ktime_add_ns(ktime_get(),
					   WATCH_PERIOD + test_random(&random) % WATCH_PERIOD);
		u64 late;

		set_current_state(TASK_UNINTERRUPTIBLE);
		schedule_hrtimeout_range(&due, 0, HRTIMER_MODE_ABS);
		late = ktime_to_ns(ktime_sub(ktime_get(), due));
		WRITE_ONCE(latest, max(latest, late));
	}
	return 0;
}

static void watched_trims(void **blocks)
{
	unsigned int i;

	for (i = 0; i < LIVE; i++) {
		poolalloc_free(blocks[i]);
		blocks[i] = poolalloc_alloc_node(some_size(i * 0x100001ULL), GFP_KERNEL,
						 i & 1 ? 1 : 0);
	}
	for (i = 0; i < LIVE; i++) {
		poolalloc_free(blocks[i]);
		blocks[i] = NULL;
	}
	poolalloc_free(poolalloc_alloc_node(64, GFP_KERNEL, 1));
	poolalloc_trim();
}

static void spin(u64 ns)
{
	u64 until = ktime_get_ns() + ns;

	while (ktime_get_ns() < until)
		cpu_relax();
}

/* The watcher sees a section without preemption. */
static void watcher_tried(void)
{
	u64 late;

	preempt_disable();
	spin(10 * WATCH_PERIOD);
	preempt_enable();
	spin(10 * WATCH_PERIOD);
	late = xchg(&latest, 0);
	test_ok(late >= 7 * WATCH_PERIOD, "%u without preemption are seen as %llu",
		10 * WATCH_PERIOD, late);
}

static void preempted(void **blocks, unsigned long n)
{
	u64 alone;

	spin(50 * NSEC_PER_MSEC);
	alone = xchg(&latest, 0);
	watcher_tried();
	while (n--)
		watched_trims(blocks);
	test_note("longest delay %llu, of an idle loop %llu", latest, alone);
}

void test_latency_preempt(unsigned long n)
{
	void **blocks = kvcalloc(LIVE, sizeof(void *), GFP_KERNEL);
	struct task_struct *task = kthread_run(watcher, NULL, "test_latency");

	if (test_check(blocks) && test_check(!IS_ERR(task)))
		preempted(blocks, n);
	if (!IS_ERR(task))
		kthread_stop(task);
	kvfree(blocks);
}
