// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * A slot's begin and end: it is stopped, parked, resumed, abandoned, and
 * started again. The ordering rules R1..R7 that the comments name are in
 * common/README.md.
 */
#include "pa_owner.h"

/* Never an owner, so nobody asks if it is @dead; and never written to: it takes no memory. */
struct pa_slot pa_slot_none;
struct pa_slot *pa_slots;

static void pa_slot_let_go_usable(struct pa_slot *slot, unsigned int cls)
{
	struct pa_slot_class *c = &slot->cls[cls];
	struct pa_pool *pool;

	while ((pool = c->usable)) {
		pa_list_del(&c->usable, pool);
		pa_pool_let_go(slot, pool);
	}
}

static void pa_slot_let_go_class(struct pa_slot *slot, unsigned int cls)
{
	struct pa_slot_class *c = &slot->cls[cls];
	struct pa_pool *pool;

	if (!c->pools) {
		pa_bin_forget(slot, cls);
		return;
	}
	pa_slot_empty_bin(slot, cls);
	pool = c->current_pool;
	if (pool) {
		WRITE_ONCE(c->current_pool, NULL);
		pa_pool_let_go(slot, pool);
	}
	pa_slot_let_go_usable(slot, cls);
}

static void pa_slot_let_go_full(struct pa_slot *slot)
{
	struct pa_pool *pool;

	while ((pool = slot->full)) {
		pa_pool_wake(slot, pool);
		pa_pool_let_go(slot, pool);
	}
}

/**
 * pa_slot_stop() - the owner of a slot goes away (thread exit, CPU offline)
 * @slot: the entered slot; not to be entered again before pa_slot_start()
 *
 * All pools go back to their arenas or to the shared lists. Rule R5: @dead is
 * set after every pool has lost its owner; then a full barrier; then the last
 * look into the inbox. Pairs with pa_pool_post().
 */
void pa_slot_stop(struct pa_slot *slot)
{
	unsigned int cls;

	pa_slot_drain(slot);
	for (cls = 1; cls < PA_CLASSES; cls++)
		pa_slot_let_go_class(slot, cls);
	pa_slot_let_go_full(slot);
	pa_slot_forget_empty(slot);
	pa_bins_lock();
	WRITE_ONCE(slot->bins, NULL);
	pa_bins_unlock();
	/* No pool has this owner any more when it reads as dead. */
	smp_store_release(&slot->dead, PA_SLOT_STOPPED);
	/* @dead before the last look. Pairs with pa_pool_post(). */
	smp_mb();
	pa_inbox_pass_on(slot);
}

/* Hands the bins of an entered slot from one place to another. */
static void pa_bins_move(struct pa_slot *slot, struct pa_bins *from, struct pa_bins *to)
{
	unsigned int cls;

	pa_bins_lock();
	/* In one step each: a signal handler may pop from a bin in between. */
	for (cls = 1; cls < PA_FIRST_MEDIUM; cls++)
		if (READ_ONCE(from->bin[cls]))
			WRITE_ONCE(to->bin[cls], xchg(&from->bin[cls], NULL));
	WRITE_ONCE(slot->bins, to);
	pa_bins_unlock();
}

/* Of a bin, leaves the current pool's blocks; the others go to their pools. */
static void pa_slot_sift_bin(struct pa_slot *slot, unsigned int cls)
{
	void **bin = pa_slot_bin(slot, cls), *p, *next, *stay = NULL;
	u32 left = PA_BIN_STEPS;

	pa_bin_forget(slot, cls);
	for (p = xchg(bin, NULL); p && left; p = next, left--) {
		struct pa_pool *pool = pa_desc_of(p);

		next = pa_load_link(p);
		if (pool == slot->cls[cls].current_pool) {
			pa_store_link(p, stay);
			stay = p;
		} else {
			pa_slot_free(slot, pool, p);
		}
	}
	PA_WRITE_OWN(*bin, stay);
}

/**
 * pa_slot_park() - the owner of a slot goes away, and another one is likely
 * @slot: the entered slot
 * @keep: empty bins that live as long as the slot
 *
 * The current pools of the small classes stay, and what the bins have of them,
 * for the next owner. All other pools are let go. The slot is not dead: what
 * others free into its pools waits in the inbox, for the next owner or for
 * pa_slot_stop().
 *
 * Rule R7: the platform hands the slot on under a lock.
 */
void pa_slot_park(struct pa_slot *slot, struct pa_bins *keep)
{
	unsigned int cls;

	pa_slot_drain(slot);
	for (cls = 1; cls < PA_FIRST_MEDIUM; cls++) {
		if (pa_slot_has_one_pool(slot, cls))
			pa_bin_forget(slot, cls);
		else if (READ_ONCE(slot->bins->bin[cls]))
			pa_slot_sift_bin(slot, cls);
		if (slot->cls[cls].usable)
			pa_slot_let_go_usable(slot, cls);
	}
	for (; cls < PA_CLASSES; cls++)
		pa_slot_let_go_class(slot, cls);
	pa_slot_let_go_full(slot);
	pa_slot_forget_empty(slot);
	pa_bins_move(slot, slot->bins, keep);
}

/**
 * pa_slot_resume() - give a parked slot to its new owner
 * @slot: the slot. What its last owner did to it comes before this call (R7).
 * @bins: its hot part; all bins are empty
 */
void pa_slot_resume(struct pa_slot *slot, struct pa_bins *bins)
{
	pa_bins_move(slot, slot->bins, bins);
	bins->slot = slot;
}

/**
 * pa_slot_abandon() - the owner of a slot is gone without a word (fork)
 * @slot: a slot that no running thread owns and that may be in any state
 *
 * Its pools keep it as their owner until a block of theirs is freed; then
 * they can be adopted. The slot is never used again. What it held in its bins
 * stays out.
 *
 * Context: the forked child, before it has a second thread.
 */
void pa_slot_abandon(struct pa_slot *slot)
{
	WRITE_ONCE(slot->bins, NULL);
	WRITE_ONCE(slot->dead, PA_SLOT_ABANDONED);
	slot->node->loans += slot->loans;
	slot->loans = 0;
	pa_inbox_pass_on(slot);
}

/**
 * pa_slot_init() - make a slot of zeroed memory, without an owner
 * @slot: the slot
 * @node: its node
 * @bins: its bins, or NULL if pa_slot_start() will tell
 */
void pa_slot_init(struct pa_slot *slot, struct pa_node *node, struct pa_bins *bins)
{
	slot->dead = PA_SLOT_STOPPED;
	if (bins)
		pa_slot_start(slot, node, bins);
}

/**
 * pa_slot_register() - show a slot to the statistics
 * @slot: an initialised slot that is never going to be unmapped
 *
 * Context: any. Lock-free.
 */
void pa_slot_register(struct pa_slot *slot)
{
	struct pa_slot *head = READ_ONCE(pa_slots);

	do {
		slot->next_slot = head;
		slot->id = head ? head->id + 1 : 0;
	} while (!try_cmpxchg(&pa_slots, &head, slot));
}

/**
 * pa_slot_start() - give a slot to a new owner
 * @slot: a slot after pa_slot_init() or pa_slot_stop()
 * @node: where its pools will come from
 * @bins: its hot part; all bins are empty
 */
void pa_slot_start(struct pa_slot *slot, struct pa_node *node, struct pa_bins *bins)
{
	slot->node = node;
	slot->kept_pools = 0;
	bins->slot = slot;
	WRITE_ONCE(slot->bins, bins);
	/* A freer that sees it alive finds it whole. Pairs with pa_pool_post(). */
	smp_store_release(&slot->dead, 0);
}
