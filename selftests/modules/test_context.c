// SPDX-License-Identifier: GPL-2.0-only
/*
 * Allocation from softirq and hardirq, and interrupts that land inside an
 * allocation of the same CPU.
 */
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/percpu.h>
#include <linux/smp.h>

#include "test.h"

/*
 * On PREEMPT_RT nobody can call the page allocator from here: the spare arenas
 * are for small blocks.
 */
static bool may_fail(size_t size)
{
	return IS_ENABLED(CONFIG_PREEMPT_RT) && !preemptible() && size > 512;
}

static void every_size_with(gfp_t gfp)
{
	unsigned int i;

	for (i = 0; i < test_nsizes; i++) {
		size_t size = test_sizes[i];
		void *a = poolalloc_alloc(size, gfp);
		void *b = poolalloc_zalloc(size, gfp);

		if (a && b) {
			test_fill(a, poolalloc_size(a), 1);
			test_check(!memchr_inv(b, 0, size));
			test_check(test_intact(a, poolalloc_size(a), 1));
		} else {
			test_check(may_fail(size));
		}
		poolalloc_free(a);
		poolalloc_free_sized(b, size);
	}
}

static void from_bulk(gfp_t gfp)
{
	void *blocks[40];
	unsigned int n = poolalloc_alloc_bulk(100, gfp, ARRAY_SIZE(blocks), blocks);

	test_check(n == ARRAY_SIZE(blocks));
	poolalloc_free_bulk(n, blocks);
}

static void from_any(gfp_t gfp)
{
	every_size_with(gfp);
	from_bulk(gfp);
	poolalloc_free_rcu(poolalloc_alloc(40, gfp));
	poolalloc_trim();
}

static void from_interrupt(void *unused)
{
	test_check(irqs_disabled());
	from_any(GFP_ATOMIC);
	from_any(GFP_NOWAIT | __GFP_NOWARN);
}

static void from_hardirq(struct irq_work *work)
{
	test_check(in_hardirq());
	from_interrupt(NULL);
}

static void from_softirq(struct tasklet_struct *t)
{
	test_check(in_softirq());
	from_any(GFP_ATOMIC);
	from_any(GFP_NOWAIT | __GFP_NOWARN);
}

static DECLARE_TASKLET(softirq_tasklet, from_softirq);
static struct irq_work hardirq_work;

static void from_task(unsigned int cpu, unsigned long arg)
{
	static const gfp_t flags[] = {
		GFP_KERNEL, GFP_NOFS, GFP_NOIO, GFP_ATOMIC, GFP_NOWAIT | __GFP_NOWARN,
		GFP_USER, GFP_KERNEL_ACCOUNT, GFP_KERNEL | __GFP_HIGH, GFP_KERNEL | __GFP_NORETRY,
		GFP_KERNEL | __GFP_RETRY_MAYFAIL, GFP_KERNEL | __GFP_THISNODE,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flags); i++)
		from_any(flags[i]);
	preempt_disable();
	from_any(GFP_ATOMIC);
	preempt_enable();
	local_bh_disable();
	from_any(GFP_ATOMIC);
	local_bh_enable();
	local_irq_disable();
	from_any(GFP_ATOMIC);
	local_irq_enable();
}

void test_context(unsigned long arg)
{
	unsigned int cpu;

	test_on_cpus(from_task, 0);
	test_ok(true, "every size from tasks, with every kind of flags");
	for_each_online_cpu(cpu)
		test_check(!smp_call_function_single(cpu, from_interrupt, NULL, 1));
	on_each_cpu(from_interrupt, NULL, 1);
	hardirq_work = IRQ_WORK_INIT_HARD(from_hardirq);
	test_check(irq_work_queue(&hardirq_work));
	irq_work_sync(&hardirq_work);
	test_ok(true, "every size from interrupts");
	tasklet_schedule(&softirq_tasklet);
	tasklet_kill(&softirq_tasklet);
	test_ok(true, "every size from a softirq");
	rcu_barrier();
	rcu_barrier();
}

#define STORM_BLOCKS	64
#define STORM_PERIOD	(20 * NSEC_PER_USEC)

/**
 * struct storm - what two timers and the task of one CPU do to each other
 * @hard: interrupts the task and the softirq
 * @soft: a softirq, which interrupts the task (on PREEMPT_RT a thread)
 * @fired: how often @hard was
 * @softs: how often @soft was
 * @nested: how often @hard interrupted @soft
 * @blocks: exchanged by all three: each takes one, checks it, frees it, and
 *	puts a new one there
 * @random: of @hard
 * @soft_random: of @soft
 * @in_soft: @soft is at work
 */
struct storm {
	struct hrtimer hard;
	struct hrtimer soft;
	unsigned long fired;
	unsigned long softs;
	unsigned long nested;
	void *blocks[STORM_BLOCKS];
	u64 random;
	u64 soft_random;
	bool in_soft;
};

static DEFINE_PER_CPU(struct storm, storms);

/* A block carries its size in its first two bytes. */
static void storm_check_and_free(u8 *p)
{
	size_t size;

	if (!p)
		return;
	size = p[0] | p[1] << 8;
	test_check(poolalloc_size(p) >= size && test_intact(p + 2, size - 2, 7));
	poolalloc_free(p);
}

static u8 *storm_new(size_t size)
{
	u8 *p = poolalloc_alloc(size, GFP_ATOMIC);

	if (!p)
		return NULL;
	p[0] = size;
	p[1] = size >> 8;
	test_fill(p + 2, size - 2, 7);
	return p;
}

static void storm_step(struct storm *s, u64 random)
{
	size_t size = 2 + (random >> 32) % ((random & 7) ? 250 : 3000);
	unsigned int i = random % STORM_BLOCKS;

	storm_check_and_free(xchg(&s->blocks[i], NULL));
	storm_check_and_free(xchg(&s->blocks[i], storm_new(size)));
}

/*
 * Where a handler takes longer than the period, on kernels that check each
 * access, what it interrupts gets as much time as it took.
 */
static void storm_next(struct hrtimer *timer, u64 *random)
{
	s64 took = ktime_to_ns(ktime_sub(ktime_get(), hrtimer_get_expires(timer)));
	s64 period = STORM_PERIOD + test_random(random) % STORM_PERIOD;

	hrtimer_forward_now(timer, max(period, 2 * took));
}

static enum hrtimer_restart storm_hard(struct hrtimer *timer)
{
	struct storm *s = container_of(timer, struct storm, hard);
	unsigned int i;

	s->fired++;
	s->nested += READ_ONCE(s->in_soft);
	for (i = 0; i < 4; i++)
		storm_step(s, test_random(&s->random));
	storm_next(timer, &s->random);
	return HRTIMER_RESTART;
}

static enum hrtimer_restart storm_soft(struct hrtimer *timer)
{
	struct storm *s = container_of(timer, struct storm, soft);
	unsigned int i;

	WRITE_ONCE(s->in_soft, true);
	s->softs++;
	for (i = 0; i < 16; i++)
		storm_step(s, test_random(&s->soft_random));
	WRITE_ONCE(s->in_soft, false);
	storm_next(timer, &s->soft_random);
	return HRTIMER_RESTART;
}

static void storm_begin(struct storm *s, unsigned int cpu)
{
	s->fired = 0;
	s->softs = 0;
	s->nested = 0;
	s->random = test_seed(cpu + 1000);
	s->soft_random = test_seed(cpu + 2000);
	hrtimer_setup(&s->hard, storm_hard, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	hrtimer_setup(&s->soft, storm_soft, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_SOFT);
	hrtimer_start(&s->hard, STORM_PERIOD, HRTIMER_MODE_REL_PINNED_HARD);
	hrtimer_start(&s->soft, STORM_PERIOD, HRTIMER_MODE_REL_PINNED_SOFT);
}

/* However slow the machine is, some hundred of each must have come. */
static bool storm_enough(struct storm *s)
{
	return READ_ONCE(s->fired) >= 500 && READ_ONCE(s->softs) >= 100 &&
	       READ_ONCE(s->nested) >= 20;
}

static void storm_on_cpu(unsigned int cpu, unsigned long n)
{
	struct storm *s = per_cpu_ptr(&storms, cpu);
	u64 random = test_seed(cpu);
	unsigned int i;

	storm_begin(s, cpu);
	while (n || !storm_enough(s)) {
		n -= !!n;
		storm_step(s, test_random(&random));
		if (!(n % 256))
			cond_resched();
	}
	hrtimer_cancel(&s->hard);
	hrtimer_cancel(&s->soft);
	for (i = 0; i < STORM_BLOCKS; i++)
		storm_check_and_free(xchg(&s->blocks[i], NULL));
}

void test_context_storm(unsigned long n)
{
	unsigned int cpu;

	test_on_cpus(storm_on_cpu, n);
	for_each_online_cpu(cpu) {
		struct storm *s = per_cpu_ptr(&storms, cpu);

		test_note("CPU %u: %lu hard interrupts, %lu of them in one of %lu softirqs", cpu,
			  s->fired, s->nested, s->softs);
	}
}
