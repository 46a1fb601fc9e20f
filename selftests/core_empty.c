// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * common/pa_empty.c: how many empty pools a slot keeps, what it borrows, and when that goes back.
 */
#include "shared/slots.h"

#define CLS	PA_SMALL_CLASSES

/* Pools of a turn: more than all loans are for. */
#define POOLS	(PA_EMPTY_POOLS + (LOANS + 2) * PA_EMPTY_LOAN)

/* Allocates all blocks of so many pools, and frees them, the last one first. */
static void turn(unsigned int i, unsigned int pools)
{
	unsigned int k, n = pools * pa_class[CLS].capacity;

	for (k = 0; k < n; k++)
		alloc_from(i, CLS);
	for (k = 0; k < n; k++)
		free_through((int)i, oracle.n - 1, false);
}

static void turns(unsigned int i, unsigned int pools, unsigned int times)
{
	while (times--)
		turn(i, pools);
}

/* Has the slot so many loans, and as many empty pools as they let it keep? */
static bool is_full(const struct pa_slot *slot, u32 loans)
{
	u64 room = PA_EMPTY_POOLS + (u64)loans * PA_EMPTY_LOAN;

	return slot->loans == loans && slot->empty <= room && slot->empty + pa_class[CLS].npools > room;
}

/* Who frees all once does not borrow; who wants it again does, up to what the node has. */
static void borrowed(void)
{
	start(0);
	turn(0, POOLS);
	TAP_CHECK(is_full(&slots[0], 0) && node.loans == LOANS);
	turns(0, POOLS, 4);
	TAP_CHECK(is_full(&slots[0], LOANS) && !node.loans);
	check_all();
	/* Another one finds nothing left. */
	start(1);
	turns(1, POOLS, 4);
	TAP_CHECK(is_full(&slots[1], 0));
	check_all();
	empty_everything();
	TAP_CHECK(node.loans == LOANS);
}

/* With enough room no pool goes to an arena and comes back. */
static void stays(void)
{
	unsigned int pools = PA_EMPTY_POOLS + 2 * PA_EMPTY_LOAN;
	u64 held;

	start(0);
	turns(0, pools, 4);
	TAP_CHECK(slots[0].loans == 2);
	pa_slot_look(&slots[0]);
	held = slots[0].pools;
	turns(0, pools, 3);
	TAP_CHECK(!slots[0].gone && !slots[0].missed && slots[0].pools == held);
	check_all();
	empty_everything();
}

/* Of a slot that borrows: what has been empty since the look before goes, in steps; the rest stays. */
static void idle_goes(void)
{
	unsigned int pools = PA_EMPTY_POOLS + 2 * PA_EMPTY_LOAN, steps = 0;
	struct pa_slot *slot = &slots[0];
	u64 empty;

	start(0);
	turns(0, pools, 4);
	empty = slot->empty;
	pa_slot_look(slot);
	turn(0, pools);
	pa_slot_look(slot);
	TAP_CHECK(!slot->surplus);
	pa_slot_release_surplus(slot);
	TAP_CHECK(slot->empty == empty && slot->loans == 2);
	/* Idle at the look, and wanted before it goes. */
	pa_slot_look(slot);
	TAP_CHECK(slot->surplus == empty);
	turn(0, pools);
	pa_slot_release_surplus(slot);
	TAP_CHECK(!slot->surplus && slot->empty == empty);
	pa_slot_look(slot);
	turn(0, 10);
	pa_slot_look(slot);
	TAP_CHECK(slot->surplus >= empty - 12 && slot->surplus < empty);
	for (; slot->surplus && steps < 1000; steps++) {
		u64 before = slot->empty;

		pa_slot_release_surplus(slot);
		TAP_CHECK(before - slot->empty <= PA_SLOW_STEP);
		check_all();
	}
	TAP_CHECK(!slot->surplus && slot->empty <= 12 && slot->empty >= 8);
	TAP_CHECK(!slot->loans && node.loans == LOANS);
	empty_everything();
}

/* Whatever way a slot comes to its end, its loans go back. */
static void ends(void)
{
	static struct pa_bins keep;
	static struct pa_slot child;
	static struct pa_bins child_bins;

	start(0);
	turns(0, POOLS, 4);
	pa_slot_release_all_empty(&slots[0]);
	TAP_CHECK(!slots[0].empty && !slots[0].loans && node.loans == LOANS);
	check_all();
	turns(0, POOLS, 4);
	TAP_CHECK(slots[0].loans == LOANS);
	memset(&keep, 0, sizeof(keep));
	pa_slot_park(&slots[0], &keep);
	TAP_CHECK(!slots[0].empty && !slots[0].loans && node.loans == LOANS);
	memset(&bins[0], 0, sizeof(bins[0]));
	pa_slot_resume(&slots[0], &bins[0]);
	turns(0, POOLS, 4);
	TAP_CHECK(slots[0].loans == LOANS);
	stop(0);
	TAP_CHECK(!slots[0].loans && node.loans == LOANS);
	check_all();
	empty_everything();

	pa_slot_init(&child, &node, &child_bins);
	pa_slot_register(&child);
	child.loans = 3;
	node.loans -= 3;
	pa_slot_abandon(&child);
	TAP_CHECK(!child.loans && node.loans == LOANS);
}

/* The fallback slot is never looked after: it does not borrow. */
static void fallback(void)
{
	unsigned int n = POOLS * pa_class[CLS].capacity, r, k;
	void **block = calloc(n, sizeof(*block));

	for (r = 0; TAP_CHECK(block) && r < 4; r++) {
		for (k = 0; k < n; k++) {
			block[k] = pa_slot_alloc(&node.fallback, CLS);
			if (!block[k] && TAP_CHECK(pa_arenas_grow(&node, 0, 1)))
				block[k] = pa_slot_alloc(&node.fallback, CLS);
		}
		while (k--)
			if (TAP_CHECK(block[k]))
				pa_slot_free(&node.fallback, pa_pool_head(pa_desc_of(block[k])),
					     block[k]);
	}
	TAP_CHECK(is_full(&node.fallback, 0));
	pa_slot_flush(&node.fallback);
	free(block);
	empty_everything();
}

int main(void)
{
	slots_init();
	tap_start(5);
	rng = tap_seed();
	tap_test("empty pools: who needs them again borrows", borrowed);
	tap_test("with enough room they stay", stays);
	tap_test("idle ones go, needed ones do not", idle_goes);
	tap_test("a slot that ends pays back", ends);
	tap_test("the fallback slot does not borrow", fallback);
	oracle_done(&oracle);
	return tap_finish();
}
