// SPDX-License-Identifier: GPL-2.0-only
/*
 * When memory is short: spare arenas for who may not wait for memory, the
 * shrinker, a last chance before a process is killed, trimming of all CPUs'
 * slots. When it goes down: what the CPUs keep follows.
 */
#include <linux/cpu.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/notifier.h>
#include <linux/oom.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/workqueue.h>

#include "pa_kmod.h"

/*
 * An interrupt that finds its CPU without blocks cannot reclaim or compact
 * memory to get an arena, and on PREEMPT_RT cannot call the page allocator at
 * all: so one is kept ready, and another one fetched when it was taken.
 */
unsigned int pa_spare = 1;
module_param_named(spare, pa_spare, uint, 0444);
MODULE_PARM_DESC(spare, "Arenas that each node keeps ready for callers that may not wait, 0 to 16 (default 1)");

/* Between a spare arena's use and the first try to replace it, and the next ones. */
#define PA_REFILL_DELAY	(HZ / 20)
#define PA_REFILL_AGAIN	HZ

/**
 * struct pa_spares - what a node keeps ready
 * @lock: guards @count and @pages
 * @count: how many there are
 * @pages: whole arenas
 * @refill: gets more
 * @nid: the node's number, constant
 */
struct pa_spares {
	raw_spinlock_t lock;
	unsigned int count;
	struct page *pages[PA_SPARE_MAX];
	struct delayed_work refill;
	unsigned int nid;
};

static struct pa_spares *pa_spares[PA_MAX_NODES];
static struct workqueue_struct *pa_workqueue;
static struct shrinker *pa_shrinker;

/*
 * Who is out of memory waits for this one, with any lock held: its work waits
 * for nothing and needs no memory.
 */
static struct workqueue_struct *pa_trim_queue;
static struct work_struct __percpu *pa_trim_works;

static bool pa_spare_put(struct pa_spares *s, struct page *page)
{
	unsigned long flags;
	bool room;

	raw_spin_lock_irqsave(&s->lock, flags);
	room = s->count < pa_spare;
	if (room)
		s->pages[s->count++] = page;
	raw_spin_unlock_irqrestore(&s->lock, flags);
	return room;
}

/* The shortage in which it was taken may last. */
static void pa_spare_refill(struct work_struct *work)
{
	struct pa_spares *s = container_of(work, struct pa_spares, refill.work);
	struct page *page;

	while (READ_ONCE(s->count) < pa_spare) {
		page = pa_pages_whole(s->nid, GFP_KERNEL);
		if (!page) {
			queue_delayed_work(pa_workqueue, &s->refill, PA_REFILL_AGAIN);
			return;
		}
		if (!pa_spare_put(s, page))
			__free_pages(page, PA_ARENA_ORDER);
	}
}

/**
 * pa_spare_take() - get the memory of an arena that was kept ready
 * @nid: the node
 * @gfp: what the caller may do
 *
 * Context: any.
 * Return: pages of PA_ARENA_ORDER, or NULL.
 */
struct page *pa_spare_take(unsigned int nid, gfp_t gfp)
{
	struct pa_spares *s = pa_spares[nid];
	struct page *page = NULL;
	unsigned long flags;

	if (!s || pa_may_reclaim(gfp))
		return NULL;
	raw_spin_lock_irqsave(&s->lock, flags);
	if (s->count)
		page = s->pages[--s->count];
	raw_spin_unlock_irqrestore(&s->lock, flags);
	queue_delayed_work(pa_workqueue, &s->refill, PA_REFILL_DELAY);
	return page;
}

/*
 * Free pools of arenas in which blocks live, too. The next ones to allocate get
 * new arenas, and what goes back is single pages: so not whenever reclaim asks,
 * which goes on while others fill the arenas that they have just got.
 */
static void pa_shed_all(void)
{
	unsigned int nid;

	for (nid = 0; nid < PA_MAX_NODES; nid++)
		if (pa_nodes[nid])
			pa_arenas_shed(pa_nodes[nid]);
}

/**
 * pa_trim_here() - give back all that can go without other CPUs' help
 * @all: free pools of arenas in which blocks live, too
 *
 * Context: any in which memory may be freed.
 * Return: bytes that are free after the next grace period; what others give
 * back meanwhile may be among them.
 */
size_t pa_trim_here(bool all)
{
	unsigned long before = pa_pages_unmapped();

	pa_trim();
	if (all)
		pa_shed_all();
	return (pa_pages_unmapped() - before) * PAGE_SIZE;
}

static void pa_trim_this_cpu(struct work_struct *work)
{
	pa_trim();
}

/*
 * Each CPU flushes its own slot, since nobody else can enter it. Work for a CPU
 * that goes meanwhile is done by another one, and its slot is stopped.
 */
static void pa_trim_start(void)
{
	unsigned int cpu;

	for_each_online_cpu(cpu)
		queue_work_on(cpu, pa_trim_queue, per_cpu_ptr(pa_trim_works, cpu));
}

/**
 * pa_trim_cpus() - all CPUs give back what they keep
 *
 * Blocks that others freed may be most of the memory there is, and wait for
 * the CPU that owns their pools.
 *
 * Context: task, may sleep, with any lock that may be held while memory is
 *	allocated.
 */
void pa_trim_cpus(void)
{
	unsigned int cpu;

	pa_trim_start();
	for_each_possible_cpu(cpu)
		flush_work(per_cpu_ptr(pa_trim_works, cpu));
	pa_trim();
}

/*
 * What is ready for those who may not wait is so again, if there is memory:
 * what was given back is, after its grace period.
 */
static void pa_spares_refill(void)
{
	unsigned int nid;

	pa_pages_await();
	for (nid = 0; nid < PA_MAX_NODES; nid++) {
		if (!pa_spares[nid])
			continue;
		mod_delayed_work(pa_workqueue, &pa_spares[nid]->refill, 0);
		flush_delayed_work(&pa_spares[nid]->refill);
	}
}

/**
 * pa_trim_all() - give back all memory without a live block, of all CPUs
 *
 * Its pages are free when this returns. The spare arenas stay, and are made
 * complete.
 *
 * Context: task, may sleep.
 */
void pa_trim_all(void)
{
	pa_trim_cpus();
	pa_shed_all();
	pa_spares_refill();
}

/*
 * Pools come back: memory goes down. The blocks that the CPUs have in their
 * bins may be the last ones of many an arena, and without a shortage nobody
 * asks for them: so a little later each CPU puts its own back. That costs
 * nothing when memory only goes up, and little when it goes up and down. A
 * report that is read meanwhile is not exact, hence not by default.
 */
static unsigned int pa_purge;
module_param_named(purge, pa_purge, uint, 0444);
MODULE_PARM_DESC(purge, "Milliseconds after which the CPUs put back what they keep when memory goes down (default 0: never)");

static struct work_struct __percpu *pa_purge_works;
static bool pa_purging;

static void pa_purge_this_cpu(struct work_struct *work)
{
	pa_trim_slot();
}

static void pa_purge_all(struct work_struct *work)
{
	unsigned int cpu;

	cpus_read_lock();
	for_each_online_cpu(cpu)
		queue_work_on(cpu, pa_workqueue, per_cpu_ptr(pa_purge_works, cpu));
	cpus_read_unlock();
}

static DECLARE_DELAYED_WORK(pa_purge_work, pa_purge_all);

/**
 * pa_purge_later() - an arena or a pool has come back
 *
 * Context: any.
 */
void pa_purge_later(void)
{
	if (READ_ONCE(pa_purging) && !delayed_work_pending(&pa_purge_work))
		queue_delayed_work(pa_workqueue, &pa_purge_work, msecs_to_jiffies(pa_purge));
}

/* Before the workqueue goes: what comes back later is given back at once. */
static void pa_purge_stop(void)
{
	WRITE_ONCE(pa_purging, false);
	cancel_delayed_work_sync(&pa_purge_work);
}

/*
 * The empty arenas, and something for each CPU that owns pools: how many of
 * those are empty is known to the CPU itself only.
 */
static unsigned long pa_shrink_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct pa_node *node = pa_nodes[pa_node_number(sc->nid)];
	struct pa_slot *slot;
	unsigned long pages;

	if (!node)
		return SHRINK_EMPTY;
	pages = (unsigned long)READ_ONCE(node->empty) << PA_ARENA_ORDER;
	/* Pairs with the cmpxchg in pa_slot_register(). */
	for (slot = smp_load_acquire(&pa_slots); slot; slot = slot->next_slot)
		if (READ_ONCE(slot->node) == node && READ_ONCE(slot->pools))
			pages++;
	return pages ?: SHRINK_EMPTY;
}

/*
 * The other CPUs flush their slots a little later; what that empties is given
 * back then. Pages are free after a grace period, which reclaim can wait for.
 */
static unsigned long pa_shrink_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	unsigned long pages = pa_trim_here(false) / PAGE_SIZE;

	pa_trim_start();
	trace_heap_shrink(sc->nid, pages * PAGE_SIZE);
	if (!pages)
		return SHRINK_STOP;
	mm_account_reclaimed_pages(pages);
	return pages;
}

/*
 * Before a process is killed: all that is given back, after its grace period.
 * What came back since the last time counts, since the caller may have looked
 * for memory just before it came.
 */
static int pa_out_of_memory(struct notifier_block *block, unsigned long event, void *freed)
{
	static atomic_long_t last = ATOMIC_LONG_INIT(0);
	unsigned long now;

	pa_trim_cpus();
	pa_shed_all();
	pa_pages_await();
	now = pa_pages_freed();
	*(unsigned long *)freed += now - (unsigned long)atomic_long_xchg(&last, now);
	return NOTIFY_OK;
}

static struct notifier_block pa_oom_block = {
	.notifier_call = pa_out_of_memory,
};

static void pa_spares_free(void)
{
	unsigned int nid;

	for (nid = 0; nid < PA_MAX_NODES; nid++) {
		struct pa_spares *s = pa_spares[nid];

		if (!s)
			continue;
		cancel_delayed_work_sync(&s->refill);
		while (s->count)
			__free_pages(s->pages[--s->count], PA_ARENA_ORDER);
		kfree(s);
		pa_spares[nid] = NULL;
	}
}

static int pa_spares_init(void)
{
	struct pa_spares *s;
	int nid;

	for_each_node_state(nid, N_MEMORY) {
		if (nid >= PA_MAX_NODES)
			break;
		s = kzalloc_node(sizeof(*s), GFP_KERNEL, nid);
		if (!s)
			return -ENOMEM;
		raw_spin_lock_init(&s->lock);
		s->nid = nid;
		INIT_DELAYED_WORK(&s->refill, pa_spare_refill);
		pa_spares[nid] = s;
		queue_delayed_work(pa_workqueue, &s->refill, 0);
	}
	return 0;
}

static int pa_shrinker_init(void)
{
	pa_shrinker = shrinker_alloc(SHRINKER_NUMA_AWARE, "poolalloc");
	if (!pa_shrinker)
		return -ENOMEM;
	pa_shrinker->count_objects = pa_shrink_count;
	pa_shrinker->scan_objects = pa_shrink_scan;
	shrinker_register(pa_shrinker);
	return 0;
}

/**
 * pa_pressure_init() - get ready for a shortage of memory
 *
 * Return: 0 or an error.
 */
int pa_pressure_init(void)
{
	unsigned int cpu;

	pa_trim_works = alloc_percpu(struct work_struct);
	pa_purge_works = alloc_percpu(struct work_struct);
	if (!pa_trim_works || !pa_purge_works)
		goto no_trim_queue;
	for_each_possible_cpu(cpu) {
		INIT_WORK(per_cpu_ptr(pa_trim_works, cpu), pa_trim_this_cpu);
		INIT_WORK(per_cpu_ptr(pa_purge_works, cpu), pa_purge_this_cpu);
	}
	pa_trim_queue = alloc_workqueue("poolalloc_trim", WQ_MEM_RECLAIM | WQ_PERCPU, 0);
	if (!pa_trim_queue)
		goto no_trim_queue;
	pa_workqueue = alloc_workqueue("poolalloc", WQ_MEM_RECLAIM | WQ_PERCPU, 0);
	if (!pa_workqueue)
		goto no_workqueue;
	if (pa_spares_init() || pa_shrinker_init())
		goto no_spares;
	if (register_oom_notifier(&pa_oom_block))
		goto no_notifier;
	WRITE_ONCE(pa_purging, pa_purge != 0);
	return 0;

no_notifier:
	shrinker_free(pa_shrinker);
no_spares:
	pa_spares_free();
	destroy_workqueue(pa_workqueue);
no_workqueue:
	destroy_workqueue(pa_trim_queue);
no_trim_queue:
	free_percpu(pa_purge_works);
	free_percpu(pa_trim_works);
	return -ENOMEM;
}

/* The heap is still there; nobody uses it. */
void pa_pressure_exit(void)
{
	unregister_oom_notifier(&pa_oom_block);
	shrinker_free(pa_shrinker);
	pa_purge_stop();
	pa_spares_free();
	destroy_workqueue(pa_workqueue);
	destroy_workqueue(pa_trim_queue);
	free_percpu(pa_purge_works);
	free_percpu(pa_trim_works);
}
