// SPDX-License-Identifier: GPL-2.0-only
/*
 * poolalloc_free_rcu(): readers never see a block that was freed.
 */
#include <linux/rcupdate.h>
#include <linux/sched.h>

#include "test.h"

#define OBJECTS	64

/* The smallest blocks hold the check value only. */
struct object {
	u64 check;
	u64 more[];
};

static struct object __rcu *objects[OBJECTS];

static u64 check_value(const struct object *o)
{
	return (uintptr_t)o ^ 0x5a5a5a5a5a5a5a5aULL;
}

static void read_some(u64 *random)
{
	unsigned int i;

	rcu_read_lock();
	for (i = 0; i < 8; i++) {
		struct object *o = rcu_dereference(objects[test_random(random) % OBJECTS]);

		test_check(!o || READ_ONCE(o->check) == check_value(o));
	}
	rcu_read_unlock();
}

static void replace(u64 random)
{
	struct object *o = poolalloc_alloc(8 << (random & 3), GFP_KERNEL);
	struct object *old;

	if (o)
		o->check = check_value(o);
	old = unrcu_pointer(xchg(&objects[(random >> 8) % OBJECTS], RCU_INITIALIZER(o)));
	poolalloc_free_rcu(old);
}

static void deferred_on_cpu(unsigned int cpu, unsigned long n)
{
	u64 random = test_seed(cpu);

	while (n--) {
		read_some(&random);
		replace(test_random(&random));
		/* What is freed too early is soon overwritten. */
		poolalloc_free(poolalloc_zalloc(8 << (n & 3), GFP_KERNEL));
		cond_resched();
	}
}

static void clear_objects(void)
{
	unsigned int i;

	for (i = 0; i < OBJECTS; i++)
		poolalloc_free_rcu(unrcu_pointer(xchg(&objects[i], NULL)));
}

void test_deferred(unsigned long n)
{
	test_on_cpus(deferred_on_cpu, n);
	clear_objects();
	/* One for each of a batch's grace periods. */
	rcu_barrier();
	rcu_barrier();
	poolalloc_trim();
}

/* Does not wait: for unloading right after it. */
static void storm_on_cpu(unsigned int cpu, unsigned long n)
{
	while (n--) {
		poolalloc_free_rcu(poolalloc_alloc(8 + n % 500, GFP_KERNEL));
		if (!(n % 64))
			cond_resched();
	}
}

void test_deferred_storm(unsigned long n)
{
	test_on_cpus(storm_on_cpu, n);
}
