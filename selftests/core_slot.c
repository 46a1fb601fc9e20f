// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * common/pa_life.c, pa_owner.c, pa_shared.c: several slots driven in random order, parked, stopped and
 * abandoned.
 */
#include "shared/slots.h"

static void rare_operation(void)
{
	unsigned int i = some_slot();

	switch (below(6)) {
	case 0:
		stop(i);
		break;
	case 1:
		pa_slot_flush(&slots[i]);
		break;
	case 2:
		pa_shared_sweep(&slots[i], &node);
		break;
	case 3:
		pa_slot_drain(&slots[i]);
		break;
	case 4:	/* let go and taken by a new thread at once */
		stop(i);
		start(i);
		break;
	case 5:
		pa_arenas_release(&node, below(3));
		break;
	}
}

static void one_operation(unsigned int classes, size_t target)
{
	unsigned int r = below(1000);
	bool want = oracle.n < target ? r % 8 < 5 : r % 8 < 3;

	if (r < 4)
		rare_operation();
	else if (r < 40 && nhand)
		enqueue_one();
	else if (want || !oracle.n)
		alloc_from(some_slot(), some_class(classes));
	else if (r < 500)
		free_through((int)some_slot(), below((unsigned int)oracle.n), false);
	else if (r < 600)
		free_through(-1, below((unsigned int)oracle.n), false);
	else
		free_through((int)some_slot(), below((unsigned int)oracle.n), nhand < IN_HAND);
}

static void random_scenario(unsigned int classes, size_t most)
{
	size_t ops = tap_scaled(400000, 6000), k, target = 0;

	for (k = 0; k < ops; k++) {
		if (k % 5000 == 0)
			target = below((unsigned int)most);
		one_operation(classes, target);
		if (k % (ops / 16) == 0)
			check_all();
	}
	check_all();
	empty_everything();
}

static void one_class(void)
{
	random_scenario(1, 400);
}

static void few_classes(void)
{
	random_scenario(8, 2000);
}

static void many_classes(void)
{
	random_scenario(0, 3000);
}

/* A parked slot keeps blocks of its current pools only, and all others can be adopted. */
static void parked(void)
{
	static struct pa_bins keep;
	unsigned int cls, r, k;

	for (r = 0; r < tap_scaled(100, 5); r++) {
		start(0);
		start(1);
		for (k = 0; k < 3000; k++) {
			alloc_from(0, some_class(below(8)));
			if (oracle.n > 200 || below(3) == 0)
				free_through(0, below((unsigned int)oracle.n), false);
		}
		memset(&keep, 0, sizeof(keep));
		pa_slot_park(&slots[0], &keep);
		for (cls = 1; cls < PA_BINS; cls++) {
			void *p = keep.bin[cls];

			TAP_CHECK(!bins[0].bin[cls] && (cls < PA_FIRST_MEDIUM || !p));
			for (; p; p = pa_load_link(p))
				TAP_CHECK(pa_desc_of(p) == slots[0].cls[cls].current_pool);
		}
		TAP_CHECK(!slots[0].full);
		check_all();
		for (k = 0; k < 100; k++)
			free_through(1, below((unsigned int)oracle.n), false);
		memset(&bins[0], 0, sizeof(bins[0]));
		pa_slot_resume(&slots[0], &bins[0]);
		check_all();
		for (k = 0; k < 100; k++)
			alloc_from(0, some_class(8));
		while (oracle.n)
			free_through((int)below(2), below((unsigned int)oracle.n), false);
		empty_everything();
	}
}

/* A slot that goes while a freer has its pool in hand, in every order of the halves. */
static void exit_orders(void)
{
	unsigned int order;

	for (order = 0; order < 64; order++) {
		unsigned int i;

		start(0);
		start(1);
		/* A full pool, a pool with room, and both with a freer that has only pushed. */
		for (i = 0; i < 12 * pa_class[64].capacity / 8; i++)
			alloc_from(0, 64);
		if (order & 1)
			free_through(0, 0, false);
		free_through(1, order & 2 ? 0 : oracle.n - 1, true);
		free_through(1, order & 4 ? 0 : oracle.n / 2, true);
		if (order & 8)
			while (nhand)
				enqueue_one();
		stop(0);
		if (order & 16)
			start(0);
		while (nhand)
			enqueue_one();
		if (order & 32)
			pa_shared_sweep(&slots[1], &node);
		check_all();
		while (oracle.n)
			free_through(1, oracle.n - 1, false);
		for (i = 0; i < 2; i++)
			if (alive[i])
				pa_slot_drain(&slots[i]);
		empty_everything();
	}
}

/*
 * Half of the blocks of many pools were freed by others, those of one class first, so that its pools are
 * what the slot comes to last. It takes them all the same before it gets a new pool.
 */
static void freed_by_others(void)
{
	const unsigned int first = 64, last = 40;
	unsigned int cls, k;
	u64 pools;

	start(0);
	start(1);
	for (cls = first; cls > last; cls--)
		for (k = 0; k < 4 * pa_class[cls].capacity; k++)
			alloc_from(0, cls);
	for (cls = first; cls > last; cls--)
		for (k = (unsigned int)oracle.n; k--;)
			if (oracle.block[k].group == cls && oracle.block[k].tag % 2)
				free_through(1, k, false);
	/* What the bin has does not count. */
	pa_slot_empty_bin(&slots[0], first);
	pools = slots[0].pools;
	for (k = 0; k < pa_class[first].capacity; k++)
		alloc_from(0, first);
	if (!TAP_CHECK(slots[0].pools <= pools))
		tap_diag("%llu pools instead of %llu", (unsigned long long)slots[0].pools,
			 (unsigned long long)pools);
	check_all();
	empty_everything();
}

/* A slot whose thread does not exist in a forked child: its blocks can be freed, its bins are lost. */
static void abandoned(void)
{
	static struct pa_slot child[8];
	static struct pa_bins child_bins[8];
	size_t rounds = tap_scaled(8, 2), r, k, lost = 0;

	for (r = 0; r < rounds; r++) {
		struct pa_slot *slot = &child[r];

		pa_slot_init(slot, &node, &child_bins[r]);
		pa_slot_register(slot);
		start(0);
		for (k = 0; k < 600; k++) {
			unsigned int cls = some_class(k % 3 ? 8 : 1);
			void *p = pa_slot_alloc(slot, cls);

			if (!p && pa_arenas_grow(&node, 0, pa_class[cls].npools))
				p = pa_slot_alloc(slot, cls);
			if (TAP_CHECK(p))
				oracle_add(&oracle, p, pa_class_size(cls), pa_class_size(cls), cls);
			if (k % 5 == 0)
				free_through(0, below((unsigned int)oracle.n), k % 2 && nhand < IN_HAND);
		}
		pa_stats_collect(&stats);
		TAP_CHECK(stats.total.count.live == oracle.n + lost);
		pa_slot_abandon(slot);
		pa_stats_collect(&stats);
		TAP_CHECK(stats.total.count.live >= oracle.n + lost);
		TAP_CHECK(pa_stats_identity(&stats.total));
		lost = stats.total.count.live - oracle.n;
		while (nhand)
			enqueue_one();
		for (k = 0; k < 300; k++)
			alloc_from(0, some_class(8));
		while (oracle.n)
			free_through(0, below((unsigned int)oracle.n), false);
		pa_slot_flush(&slots[0]);
		pa_shared_sweep(&slots[0], &node);
		stop(0);
		pa_stats_collect(&stats);
		TAP_CHECK(stats.total.count.live == lost && pa_stats_identity(&stats.total));
		/* What stays is what the bins held. */
		TAP_CHECK(lost <= (r + 1) * 8 * (PA_POOL_SIZE / 16 + 64));
	}
}

int main(void)
{
	slots_init();
	tap_start(7);
	rng = tap_seed();
	tap_test("one class, many changes of owner", one_class);
	tap_test("few classes, spans among them", few_classes);
	tap_test("all classes", many_classes);
	tap_test("a parked slot keeps what its next owner needs", parked);
	tap_test("a slot lets go while freers are half done", exit_orders);
	tap_test("what others have freed is taken before a new pool", freed_by_others);
	/* The last one: what bins held is lost. */
	tap_test("abandoned slots", abandoned);
	oracle_done(&oracle);
	return tap_finish();
}
