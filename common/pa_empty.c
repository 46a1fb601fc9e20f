// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Empty pools that a slot keeps for its next allocations: how many, and when
 * they go back.
 */
#include "pa_owner.h"

/*
 * Room for more empty pools, for who has taken as many again as it has given back for
 * want of it: most programs would not need them any more. Many slots do not keep
 * much more than one.
 */
bool pa_slot_borrow(struct pa_slot *slot)
{
	struct pa_node *node = slot->node;
	bool lent;

	/* The fallback slot is nobody's: it is never looked after. */
	if (slot->missed < PA_EMPTY_LOAN || !READ_ONCE(node->loans) || slot == &node->fallback)
		return false;
	/* Both sides under the lock: a fork holds it. */
	pa_lock(&node->lock);
	lent = node->loans;
	if (lent) {
		WRITE_ONCE(node->loans, node->loans - 1);
		slot->loans++;
		slot->missed -= PA_EMPTY_LOAN;
	}
	pa_unlock(&node->lock);
	return lent;
}

/* Loans that @empty does not need go back. */
static void pa_slot_pay_back(struct pa_slot *slot)
{
	u64 spare = pa_slot_room(slot) - slot->empty;
	u32 n = 0;

	for (; n < slot->loans && spare >= PA_EMPTY_LOAN; n++)
		spare -= PA_EMPTY_LOAN;
	if (!n)
		return;
	pa_lock(&slot->node->lock);
	WRITE_ONCE(slot->node->loans, slot->node->loans + n);
	slot->loans -= n;
	pa_unlock(&slot->node->lock);
}

/* Gives empty pools on the usable list of a class back, and takes them off *@most. */
void pa_slot_release_empty(struct pa_slot *slot, unsigned int cls, unsigned int *most)
{
	struct pa_pool *pool = slot->cls[cls].usable;

	while (pool && slot->empty && *most) {
		struct pa_pool *next = pool->next;

		if (!pool->left) {
			slot->empty -= pool->npools;
			slot->unneeded -= pool->npools < slot->unneeded ? pool->npools :
									  slot->unneeded;
			pa_pool_unlist(slot, pool);
			pa_pool_release(slot, pool);
			--*most;
		}
		pool = next;
	}
}

/* Gives @most of them back, and empty current spans. Return: true if there were any. */
bool pa_slot_release_some_empty(struct pa_slot *slot, unsigned int most)
{
	u64 before = slot->pools;
	unsigned int cls;

	for (cls = 1; cls < PA_CLASSES && slot->empty && most; cls++)
		pa_slot_release_empty(slot, cls, &most);
	for (cls = PA_FIRST_MEDIUM; cls < PA_CLASSES; cls++) {
		struct pa_pool *pool = slot->cls[cls].current_pool;

		if (pool && !pool->left) {
			pa_pool_unlist(slot, pool);
			pa_pool_release(slot, pool);
		}
	}
	return slot->pools != before;
}

/**
 * pa_slot_release_all_empty() - give back all empty pools that a slot keeps
 * @slot: the entered slot
 */
void pa_slot_release_all_empty(struct pa_slot *slot)
{
	pa_slot_release_some_empty(slot, ~0u);
	pa_slot_pay_back(slot);
}

/* The slot has let go of all its pools. */
void pa_slot_forget_empty(struct pa_slot *slot)
{
	slot->empty = 0;
	slot->unneeded = 0;
	slot->surplus = 0;
	pa_slot_pay_back(slot);
}

/**
 * pa_slot_look() - find out what of the empty pools that a slot keeps is idle
 * @slot: the entered slot
 *
 * As many as there were all the time since the last call are.
 */
void pa_slot_look(struct pa_slot *slot)
{
	slot->surplus = slot->unneeded;
	slot->unneeded = slot->empty;
	slot->gone = 0;
	slot->missed = 0;
}

/**
 * pa_slot_release_surplus() - give back idle empty pools, some of them
 * @slot: the entered slot
 *
 * To be called until @surplus is 0.
 */
void pa_slot_release_surplus(struct pa_slot *slot)
{
	unsigned int cls, most = PA_SLOW_STEP;
	u64 before = slot->empty;

	/* Some may have been needed since the look. */
	if (slot->surplus > slot->unneeded)
		slot->surplus = slot->unneeded;
	if (most > slot->surplus)
		most = (unsigned int)slot->surplus;
	for (cls = PA_CLASSES - 1; cls && most; cls--)
		pa_slot_release_empty(slot, cls, &most);
	before -= slot->empty;
	slot->surplus -= before < slot->surplus ? before : slot->surplus;
	if (!slot->surplus)
		pa_slot_pay_back(slot);
}
