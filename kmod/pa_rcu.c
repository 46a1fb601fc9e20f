// SPDX-License-Identifier: GPL-2.0-only
/*
 * poolalloc_free_rcu(): frees that wait for a grace period, in batches.
 *
 * A block may be smaller than an rcu_head, and until the grace period is over
 * its readers read all of it, so nothing can be linked through it: pointers
 * are collected in batches, each with two callbacks in a row and no timer.
 *
 *   first pointer     opens the CPU's batch and starts grace period 1
 *   more pointers     are added, by anybody on that CPU
 *   grace period 1    closes the batch and starts grace period 2 with it
 *   grace period 2    frees all its pointers
 *
 * So every pointer, also one added just before the close, waits for one whole
 * grace period at least, and for two at most. A batch that is full is replaced
 * earlier, but goes the same way.
 *
 * A batch is a block of the heap. When there is no memory, the CPU has one of
 * its own; when that is on its way, a caller that may sleep waits for a grace
 * period itself. One that may not has no place left for its pointer: the block
 * is leaked, which is reported. That takes a heap that is full and some hundred
 * frees on one CPU within two grace periods.
 */
#include <linux/export.h>
#include <linux/percpu.h>
#include <linux/poolalloc.h>
#include <linux/ratelimit.h>
#include <linux/spinlock.h>

#include "pa_kmod.h"

#define PA_BATCH_BYTES	512
#define PA_BATCH_ROOM	((PA_BATCH_BYTES - sizeof(struct pa_batch)) / sizeof(void *))
#define PA_SPARE_BYTES	2048
#define PA_SPARE_ROOM	((PA_SPARE_BYTES - sizeof(struct pa_batch)) / sizeof(void *))

/**
 * struct pa_batch - pointers that wait together
 * @rcu: for both grace periods, one after the other
 * @cpu: the CPU that it was opened on
 * @count: pointers in it. Its CPU's lock until it is closed.
 * @room: pointers that fit, constant
 * @ptrs: the pointers
 */
struct pa_batch {
	struct rcu_head rcu;
	u32 cpu;
	u16 count;
	u16 room;
	void *ptrs[];
};

/**
 * struct pa_deferred - the batches of a CPU
 * @lock: guards the rest; taken by others when they close a batch
 * @open: where pointers are added, or NULL
 * @spare_used: @spare is open or on its way
 * @spare: the batch for when there is no memory
 * @spare_bytes: its room
 */
struct pa_deferred {
	raw_spinlock_t lock;
	struct pa_batch *open;
	bool spare_used;
	union {
		struct pa_batch spare;
		u8 spare_bytes[PA_SPARE_BYTES];
	};
};

static struct pa_deferred __percpu *pa_deferred;

static void pa_batch_free(struct rcu_head *rcu)
{
	struct pa_batch *batch = container_of(rcu, struct pa_batch, rcu);
	struct pa_deferred *d = per_cpu_ptr(pa_deferred, batch->cpu);
	unsigned long flags;

	poolalloc_free_bulk(batch->count, batch->ptrs);
	if (batch != &d->spare) {
		poolalloc_free(batch);
		return;
	}
	raw_spin_lock_irqsave(&d->lock, flags);
	d->spare_used = false;
	raw_spin_unlock_irqrestore(&d->lock, flags);
}

/* The end of a batch's first grace period. */
static void pa_batch_close(struct rcu_head *rcu)
{
	struct pa_batch *batch = container_of(rcu, struct pa_batch, rcu);
	struct pa_deferred *d = per_cpu_ptr(pa_deferred, batch->cpu);
	unsigned long flags;

	raw_spin_lock_irqsave(&d->lock, flags);
	if (d->open == batch)
		d->open = NULL;
	raw_spin_unlock_irqrestore(&d->lock, flags);
	call_rcu(rcu, pa_batch_free);
}

static bool pa_batch_add(struct pa_deferred *d, void *p)
{
	struct pa_batch *batch = d->open;

	if (!batch || batch->count == batch->room)
		return false;
	batch->ptrs[batch->count++] = p;
	return true;
}

static void pa_batch_open(struct pa_deferred *d, struct pa_batch *batch,
			  unsigned int room, unsigned int cpu, void *p)
{
	batch->cpu = cpu;
	batch->count = 1;
	batch->room = room;
	batch->ptrs[0] = p;
	d->open = batch;
	call_rcu(&batch->rcu, pa_batch_close);
}

/*
 * Puts a pointer where it will be freed from: into the open batch, else into
 * *@fresh, which is taken, else, if @last, into the spare one.
 */
static bool pa_defer_to(void *p, struct pa_batch **fresh, bool last)
{
	unsigned int cpu = raw_smp_processor_id();
	struct pa_deferred *d = per_cpu_ptr(pa_deferred, cpu);
	unsigned long flags;
	bool done;

	raw_spin_lock_irqsave(&d->lock, flags);
	done = pa_batch_add(d, p);
	if (!done && *fresh) {
		pa_batch_open(d, *fresh, PA_BATCH_ROOM, cpu, p);
		*fresh = NULL;
		done = true;
	} else if (!done && last && !d->spare_used) {
		d->spare_used = true;
		pa_batch_open(d, &d->spare, PA_SPARE_ROOM, cpu, p);
		done = true;
	}
	raw_spin_unlock_irqrestore(&d->lock, flags);
	return done;
}

static bool pa_defer(void *p)
{
	struct pa_batch *fresh = NULL;
	bool done;

	if (pa_defer_to(p, &fresh, false))
		return true;
	fresh = poolalloc_alloc(PA_BATCH_BYTES, GFP_ATOMIC | __GFP_NOWARN);
	done = pa_defer_to(p, &fresh, true);
	poolalloc_free(fresh);
	return done;
}

/* Unknown (no preemption counter) counts as no. */
static bool pa_may_wait(void)
{
	return preemptible() && !rcu_preempt_depth();
}

/**
 * poolalloc_free_rcu() - free memory after a grace period
 * @p: what an allocating function returned, or NULL
 *
 * For memory that RCU readers may still be reading. One word per pointer is
 * kept meanwhile. A module that used this need not wait before it is unloaded:
 * poolalloc does, before its own.
 *
 * Context: Any but NMI. Sleeps only when there is no memory at all and the
 * caller may: outside of read sections, with preemption and interrupts on.
 */
void poolalloc_free_rcu(void *p)
{
	if (!p || pa_defer(p))
		return;
	if (pa_may_wait()) {
		synchronize_rcu();
		poolalloc_free(p);
		return;
	}
	pr_err_ratelimited("no memory to defer the free of a block, %zu bytes are leaked\n",
			   poolalloc_size(p));
}
EXPORT_SYMBOL_GPL(poolalloc_free_rcu);

/**
 * pa_rcu_init() - set up deferred frees
 *
 * Return: 0 or an error.
 */
int pa_rcu_init(void)
{
	unsigned int cpu;

	pa_deferred = alloc_percpu(struct pa_deferred);
	if (!pa_deferred)
		return -ENOMEM;
	for_each_possible_cpu(cpu)
		raw_spin_lock_init(&per_cpu_ptr(pa_deferred, cpu)->lock);
	return 0;
}

/**
 * pa_rcu_exit() - wait until everything deferred is freed
 *
 * Nobody defers any more. The first wait is for the batches to be closed,
 * which starts what the second one is for.
 */
void pa_rcu_exit(void)
{
	rcu_barrier();
	rcu_barrier();
	free_percpu(pa_deferred);
}
