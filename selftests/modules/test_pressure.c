// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that is fragmented, or gone, or somebody else's who would give it back.
 */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>

#include "test.h"

#define FRAGMENT_ORDER	3
#define FRAGMENT_GFP	(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN)

static struct page **taken;
static unsigned long ntaken, taken_room;

static bool take_with(gfp_t gfp, unsigned int order)
{
	struct page *page = ntaken < taken_room ? alloc_pages(gfp, order) : NULL;

	if (!page)
		return false;
	set_page_private(page, order);
	taken[ntaken++] = page;
	return true;
}

static bool take_page(unsigned int order)
{
	return take_with(FRAGMENT_GFP, order);
}

static void give_page(struct page *page)
{
	unsigned int order = page_private(page);

	set_page_private(page, 0);
	__free_pages(page, order);
}

/* Buddies are never free together: nothing merges. */
static bool to_free(struct page *page)
{
	return !((page_to_pfn(page) >> FRAGMENT_ORDER) & 1);
}

/*
 * Takes all memory in blocks of 32 KiB and frees every second one: half of it
 * is free, and no block is larger than that.
 */
void test_pressure_fragment(unsigned long arg)
{
	unsigned long i;

	taken_room = totalram_pages() >> FRAGMENT_ORDER;
	taken = vzalloc(array_size(taken_room, sizeof(*taken)));
	if (!test_check(taken))
		return;
	while (take_page(FRAGMENT_ORDER))
		;
	for (i = 0; i < ntaken; i++)
		if (to_free(taken[i])) {
			give_page(taken[i]);
			taken[i] = NULL;
		}
	test_note("took %lu blocks of %lu KiB, freed every second one", ntaken,
		  (PAGE_SIZE << FRAGMENT_ORDER) / 1024);
	/* Larger ones that were free all the same, or become so by reclaim. */
	while (take_with(GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN, FRAGMENT_ORDER + 1))
		;
	test_note("and %lu larger ones", ntaken - i);
}

void test_pressure_defragment(unsigned long arg)
{
	while (ntaken)
		if (taken[--ntaken])
			give_page(taken[ntaken]);
	vfree(taken);
	taken = NULL;
}

/* What an interrupt gets when no page is free. */
#define INTERRUPT_BLOCKS	200

static void *interrupt_blocks[INTERRUPT_BLOCKS];
static unsigned int interrupt_got;
static struct irq_work interrupt_work;

static void in_interrupt_take(struct irq_work *work)
{
	interrupt_got = poolalloc_alloc_bulk(512, GFP_ATOMIC | __GFP_NOWARN, INTERRUPT_BLOCKS,
					     interrupt_blocks);
}

static void take_in_interrupt(void)
{
	interrupt_work = IRQ_WORK_INIT_HARD(in_interrupt_take);
	irq_work_queue(&interrupt_work);
	irq_work_sync(&interrupt_work);
}

/*
 * All memory is gone, page by page: a task gets NULL at last, an interrupt
 * still has the spare arena.
 */
void test_pressure_interrupt(unsigned long arg)
{
	taken_room = totalram_pages();
	taken = vzalloc(array_size(taken_room, sizeof(*taken)));
	if (!test_check(taken))
		return;
	poolalloc_trim();
	rcu_barrier();
	while (take_page(0))
		;
	/* What arenas of other CPUs still have. */
	while (test_hold(512))
		;
	take_in_interrupt();
	/* The first try to replace the spare arena fails. */
	msleep(300);
	while (ntaken)
		give_page(taken[--ntaken]);
	vfree(taken);
	taken = NULL;
	poolalloc_free_bulk(interrupt_got, interrupt_blocks);
	test_api_release(0);
	test_ok(interrupt_got == INTERRUPT_BLOCKS,
		"without memory an interrupt got %u of %u blocks", interrupt_got, INTERRUPT_BLOCKS);
}

static DEFINE_SPINLOCK(cache_lock);	/* guards what is taken while it is a cache */

static unsigned long cache_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	return READ_ONCE(ntaken) ?: SHRINK_EMPTY;
}

/* Reclaim may allocate, and does not reclaim for that: it has reserves, or gets NULL. */
static atomic_t in_reclaim;
static bool reclaim_allocates;

static void allocate_in_reclaim(void)
{
	unsigned int i;

	if (!reclaim_allocates || !(current->flags & PF_MEMALLOC))
		return;
	atomic_inc(&in_reclaim);
	for (i = 0; i < test_nsizes; i++)
		poolalloc_free(poolalloc_alloc(test_sizes[i], GFP_KERNEL));
}

static unsigned long cache_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	unsigned long n = 0;

	allocate_in_reclaim();
	spin_lock(&cache_lock);
	while (ntaken && n < sc->nr_to_scan) {
		give_page(taken[--ntaken]);
		n++;
	}
	spin_unlock(&cache_lock);
	return n ?: SHRINK_STOP;
}

/*
 * All memory is taken, but for an eighth in pieces where no arena may begin:
 * enough for the page allocator to make larger ones of, if these were pages that
 * can be moved. It does not reclaim for what it believes that it can make.
 */
#define PIECE_ORDER	5

static struct page **small;
static unsigned long nsmall;

static void take_all_but_pieces(void)
{
	unsigned long i, pieces = totalram_pages() >> (PIECE_ORDER + 3);
	unsigned int order = PIECE_ORDER;

	while (take_page(PIECE_ORDER))
		;
	/* What is free in smaller ones is taken, too, and is no cache's. */
	small = taken + ntaken;
	nsmall = ntaken;
	while (order--)
		while (take_page(order))
			;
	swap(nsmall, ntaken);
	nsmall -= ntaken;
	test_note("%lu pieces, %lu smaller ones", ntaken, nsmall);
	for (i = 0; i < ntaken && pieces; i++)
		if ((page_to_pfn(taken[i]) >> PIECE_ORDER) & 1) {
			give_page(taken[i]);
			taken[i] = taken[--ntaken];
			pieces--;
		}
	test_note("%lu pieces less than are wanted", pieces);
}

/* Returns true if who may wait got blocks as long as there was something to ask for. */
static bool cache_once(unsigned long how)
{
	struct shrinker *shrinker = shrinker_alloc(0, "test_poolalloc");
	unsigned long cached, blocks;
	bool shrank;

	taken_room = totalram_pages();
	taken = vzalloc(array_size(taken_room, sizeof(*taken)));
	if (!test_check(taken && shrinker))
		return true;
	shrinker->count_objects = cache_count;
	shrinker->scan_objects = cache_scan;
	poolalloc_trim();
	rcu_barrier();
	if (how == 2)
		take_all_but_pieces();
	else
		while (take_page(0))
			;
	cached = ntaken;
	atomic_set(&in_reclaim, 0);
	reclaim_allocates = how == 1;
	shrinker_register(shrinker);
	for (blocks = 0; READ_ONCE(ntaken) > cached / 4 && test_hold(512); blocks++)
		;
	shrinker_free(shrinker);
	shrank = ntaken <= cached / 4;
	test_note("%lu blocks of 512 bytes while a cache shrank from %lu to %lu",
		  blocks, cached, ntaken);
	while (ntaken)
		give_page(taken[--ntaken]);
	while (nsmall)
		give_page(small[--nsmall]);
	vfree(taken);
	taken = NULL;
	test_api_release(0);
	return shrank;
}

/*
 * All memory is a cache that gives pages back when it is asked, as files' pages
 * do: who may wait gets blocks as long as there is something to ask for. Or less,
 * if reclaim itself allocates from poolalloc meanwhile (@how is 1). And if some
 * is free, but as if it were not (2): then the page allocator asks most times, but
 * not always, and it is tried again. It never asks without pa_pages_insist().
 */
#define PIECES_TRIES	5

void test_pressure_cache(unsigned long how)
{
	unsigned int tries = 1;
	bool shrank = cache_once(how);

	while (how == 2 && !shrank && tries < PIECES_TRIES) {
		shrank = cache_once(how);
		tries++;
	}
	if (how == 1)
		test_ok(atomic_read(&in_reclaim), "reclaim itself allocated %d times",
			atomic_read(&in_reclaim));
	else
		test_ok(shrank, "a cache shrank to a quarter, try %u", tries);
}

/* The other CPU has no time for others, but for a moment every two seconds. */
static int busy(void *unused)
{
	unsigned long end;

	sched_set_fifo(current);
	while (!kthread_should_stop()) {
		end = jiffies + 2 * HZ;
		while (time_before(jiffies, end) && !kthread_should_stop())
			cond_resched();
		msleep(20);
	}
	return 0;
}

/*
 * Blocks of CPU 1's pools have been freed by CPU 0, and wait for CPU 1, which
 * is busy. @n pages are wanted by who does not know of that: no process may be
 * killed for them.
 */
void test_pressure_claim(unsigned long n)
{
	struct task_struct *other;
	unsigned long got;

	taken_room = n;
	taken = vzalloc(array_size(n, sizeof(*taken)));
	other = kthread_create_on_cpu(busy, NULL, 1, "test_busy%u");
	if (!test_check(taken && !IS_ERR(other)))
		return;
	wake_up_process(other);
	while (take_with(GFP_KERNEL, 0))
		;
	got = ntaken;
	kthread_stop(other);
	while (ntaken)
		give_page(taken[--ntaken]);
	vfree(taken);
	taken = NULL;
	test_ok(got == n, "%lu of %lu pages that poolalloc had", got, n);
}

/* What the last trim of this CPU gives back is told. */
void test_pressure_trim(unsigned long least)
{
	size_t bytes = poolalloc_trim();

	test_ok(bytes >= least, "%zu bytes were trimmed, at least %lu expected", bytes, least);
}
