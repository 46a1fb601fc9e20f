// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads on all CPUs that free each other's blocks.
 */
#include <linux/atomic.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "test.h"

#define EXCHANGE	2048
#define MAX_RUNNERS	64

/* Blocks of all threads; whoever takes one out owns it. */
static void *exchange[EXCHANGE];

/* A block: its size, the rest filled. */
static void check_and_free(u32 *p)
{
	if (!p)
		return;
	test_check(test_intact(p + 1, *p - sizeof(u32), 3));
	poolalloc_free(p);
}

static u32 *new_block(u64 random)
{
	static const u16 limits[] = { 64, 64, 512, 512, 512, 512, 4096, 32768 };
	size_t size = sizeof(u32) + (random >> 20) % (limits[random & 7] - sizeof(u32));
	u32 *p = poolalloc_alloc(size, (random & 8) ? GFP_KERNEL : GFP_NOWAIT | __GFP_NOWARN);

	if (p) {
		*p = size;
		test_fill(p + 1, size - sizeof(u32), 3);
	}
	return p;
}

static void exchange_step(u64 *random)
{
	u64 r = test_random(random);

	check_and_free(xchg(&exchange[(r >> 40) % EXCHANGE], new_block(r)));
}

static void exchange_clear(void)
{
	unsigned int i;

	for (i = 0; i < EXCHANGE; i++)
		check_and_free(xchg(&exchange[i], NULL));
}

static void exchange_on_cpu(unsigned int cpu, unsigned long n)
{
	u64 random = test_seed(cpu);

	while (n--) {
		exchange_step(&random);
		if (!(n % 64))
			cond_resched();
	}
}

void test_threads(unsigned long n)
{
	test_on_cpus(exchange_on_cpu, n);
	exchange_clear();
	poolalloc_trim();
}

/* Threads that go on until they are stopped, and wander between CPUs. */
static struct task_struct *runners[MAX_RUNNERS];
static atomic_long_t steps = ATOMIC_LONG_INIT(0);

unsigned long test_threads_steps(void)
{
	return atomic_long_read(&steps);
}

static int runner(void *stream)
{
	u64 random = test_seed((uintptr_t)stream);
	unsigned int i;

	while (!kthread_should_stop()) {
		for (i = 0; i < 50; i++)
			exchange_step(&random);
		atomic_long_add(i, &steps);
		if ((test_random(&random) & 15) == 0)
			schedule_timeout_interruptible(1);
		else
			cond_resched();
	}
	return 0;
}

void test_threads_start(unsigned long n)
{
	unsigned long i;

	if (!n)
		n = 2 * num_online_cpus();
	for (i = 0; i < min_t(unsigned long, n, MAX_RUNNERS); i++) {
		if (runners[i])
			continue;
		runners[i] = kthread_run(runner, (void *)(i + 100), "test_poolalloc");
		if (!test_check(!IS_ERR(runners[i])))
			runners[i] = NULL;
	}
}

void test_threads_stop(unsigned long arg)
{
	unsigned int i;

	for (i = 0; i < MAX_RUNNERS; i++) {
		if (runners[i])
			kthread_stop(runners[i]);
		runners[i] = NULL;
	}
	exchange_clear();
	test_note("%lu steps", atomic_long_xchg(&steps, 0));
}

/*
 * A pipe between the first two CPUs: the even one only allocates, the odd one
 * only frees.
 */
#define PIPE_ROOM	512

static struct {
	void *blocks[PIPE_ROOM];
	unsigned long sent ____cacheline_aligned;
	unsigned long received ____cacheline_aligned;
} pipe;

static void pipe_send(unsigned long n)
{
	unsigned long i;

	for (i = 0; i < n; i++) {
		void *p = poolalloc_alloc(64, GFP_KERNEL);

		test_check(p);
		if (p)
			test_fill(p, 64, i);
		/* Pairs with the release in pipe_receive(). */
		while (i - smp_load_acquire(&pipe.received) >= PIPE_ROOM)
			cond_resched();
		pipe.blocks[i % PIPE_ROOM] = p;
		/* Pairs with the acquire in pipe_receive(). */
		smp_store_release(&pipe.sent, i + 1);
	}
}

static void pipe_receive(unsigned long n)
{
	unsigned long i;

	for (i = 0; i < n; i++) {
		void *p;

		/* Pairs with the release in pipe_send(). */
		while (i == smp_load_acquire(&pipe.sent))
			cond_resched();
		p = pipe.blocks[i % PIPE_ROOM];
		test_check(!p || test_intact(p, 64, i));
		poolalloc_free(p);
		/* Pairs with the acquire in pipe_send(). */
		smp_store_release(&pipe.received, i + 1);
	}
}

static void pipe_on_cpu(unsigned int cpu, unsigned long n)
{
	if (cpu == 0)
		pipe_send(n);
	else if (cpu == 1)
		pipe_receive(n);
}

void test_threads_pipe(unsigned long n)
{
	pipe.sent = 0;
	pipe.received = 0;
	if (num_online_cpus() < 2)
		test_note("needs two CPUs");
	else
		test_on_cpus(pipe_on_cpu, n);
}

/*
 * One CPU fills many pools of a class and then never allocates that class
 * again; the other one frees them all. The first one goes on with another
 * class, and so takes its pools back.
 */
static void **idle_blocks;

static void idle_allocate(unsigned int cpu, unsigned long n)
{
	unsigned long i;

	for (i = 0; cpu == 0 && i < n; i++) {
		idle_blocks[i] = poolalloc_alloc(64, GFP_KERNEL);
		test_check(idle_blocks[i]);
	}
}

static void idle_free(unsigned int cpu, unsigned long n)
{
	unsigned long i;

	for (i = 0; cpu == 1 && i < n; i++)
		poolalloc_free(idle_blocks[i]);
}

/* Enough blocks of the other class to refill some times. */
static void idle_go_on(unsigned int cpu, unsigned long n)
{
	void *p[200];
	unsigned int i;

	if (cpu)
		return;
	for (i = 0; i < ARRAY_SIZE(p); i++)
		p[i] = poolalloc_alloc(496, GFP_KERNEL);
	for (i = 0; i < ARRAY_SIZE(p); i++)
		poolalloc_free(p[i]);
}

void test_threads_idle_class(unsigned long n)
{
	idle_blocks = kvcalloc(n, sizeof(void *), GFP_KERNEL);
	if (!test_check(idle_blocks))
		return;
	test_on_cpus(idle_allocate, n);
	test_on_cpus(idle_free, n);
	test_on_cpus(idle_go_on, n);
	kvfree(idle_blocks);
}

/*
 * The first two CPUs, in turn: each frees what the other one has left for it, replaces some
 * blocks of its own, and leaves others. Blocks of all classes go round.
 */
#define TURN_OWN	600
#define TURN_GIVEN	200

static struct {
	void *own[2][TURN_OWN];
	void *given[2][TURN_GIVEN];
	unsigned long turn;
} turns;

static void turn_renew(void **p, u64 *random)
{
	u64 r = test_random(random);

	poolalloc_free(*p);
	*p = poolalloc_alloc(1 + (r >> 20) % (1 + (r & 0xffff) % 16000), GFP_KERNEL);
	test_check(*p);
}

static void turn_take(unsigned int cpu, u64 *random)
{
	unsigned int i;

	for (i = 0; i < TURN_GIVEN; i++) {
		poolalloc_free(turns.given[cpu][i]);
		turns.given[cpu][i] = NULL;
	}
	for (i = 0; i < TURN_GIVEN / 2; i++)
		turn_renew(&turns.own[cpu][test_random(random) % TURN_OWN], random);
	for (i = 0; i < TURN_GIVEN; i++)
		turn_renew(&turns.given[!cpu][i], random);
}

static void turns_on_cpu(unsigned int cpu, unsigned long n)
{
	u64 random = test_seed(200 + cpu);
	unsigned long i;

	for (i = cpu; cpu < 2 && i < 2 * n; i += 2) {
		/* Pairs with the release of the other CPU. */
		while (smp_load_acquire(&turns.turn) != i)
			cond_resched();
		turn_take(cpu, &random);
		/* Pairs with the acquire of the other CPU. */
		smp_store_release(&turns.turn, i + 1);
	}
}

static void turns_end(void **blocks, unsigned int n)
{
	while (n--)
		poolalloc_free(blocks[n]);
}

void test_threads_turns(unsigned long n)
{
	memset(&turns, 0, sizeof(turns));
	if (num_online_cpus() < 2)
		test_note("needs two CPUs");
	else
		test_on_cpus(turns_on_cpu, n);
	turns_end(turns.own[0], 2 * TURN_OWN);
	turns_end(turns.given[0], 2 * TURN_GIVEN);
	poolalloc_trim();
}
