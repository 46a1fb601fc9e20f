/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPUs: the per-CPU bins, entering the slot, locks.
 *
 * A slot is entered by disabling preemption and taking @idle from 1 to 0;
 * interrupts stay enabled. Whoever takes it to less has interrupted the
 * owner: it puts @idle back, does not touch the slot, frees as a remote freer
 * and allocates from the node's fallback slot, which has a lock of its own.
 *
 * Lock order: a node's fallback_lock, then its lock. Both are raw and taken
 * with interrupts off, so that no holder is ever interrupted by another
 * taker; neither is held while memory is mapped.
 */
#ifndef PA_CPU_H
#define PA_CPU_H

#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/spinlock.h>

struct pa_bins;
struct pa_node;
struct pa_slot;

#define PA_CPU_BINS	65
#define PA_CPU_CLASSES	113

/* Contract: how a bin's room is counted. One byte, and no slow path is missed here. */
typedef s8 pa_room_t;
#define PA_ROOM_TAKEN	1
#define PA_ROOM_GIVEN	1

/**
 * struct pa_cpu - the hot part of a CPU's slot
 * @slot: as struct pa_bins; never NULL once the module is loaded
 * @bin: as struct pa_bins
 * @room: as struct pa_bins
 * @idle: 1, less while somebody on this CPU has entered the slot
 *
 * Static, not from alloc_percpu(): its address costs no load. 648 of the
 * 8 KiB that all modules share; the cold part is allocated.
 */
struct pa_cpu {
	struct pa_slot *slot;
	void *bin[PA_CPU_BINS];
	pa_room_t room[PA_CPU_CLASSES];
	s32 idle;
};

DECLARE_PER_CPU_ALIGNED(struct pa_cpu, pa_cpu);

/*
 * pa_cpu_dec_is_not_0(), pa_cpu_dec_is_neg(): decrement a member and look at the
 * result. Where the flags of the one instruction tell, four are saved.
 */
#if defined(CONFIG_X86_64) && !defined(CONFIG_UML)
#include <asm/rmwcc.h>

#define pa_cpu_dec_is_not_0(member)						\
	GEN_UNARY_RMWcc("decl", __my_cpu_var(pa_cpu.member), ne, __percpu_arg([var]))
#define pa_cpu_dec_is_neg(member)						\
	GEN_UNARY_RMWcc("decb", __my_cpu_var(pa_cpu.member), s, __percpu_arg([var]))
#else
#define pa_cpu_dec_is_not_0(member)	(raw_cpu_dec_return(pa_cpu.member) != 0)
#define pa_cpu_dec_is_neg(member)	((s8)raw_cpu_dec_return(pa_cpu.member) < 0)
#endif

/*
 * Context: any but NMI. An interrupt in between is harmless: it leaves the
 * slot, and @idle as it was, before it returns.
 */
static __always_inline bool pa_cpu_try_enter(void)
{
	preempt_disable();
	if (unlikely(pa_cpu_dec_is_not_0(idle))) {
		raw_cpu_inc(pa_cpu.idle);
		preempt_enable();
		return false;
	}
	barrier();
	return true;
}

static __always_inline void pa_cpu_leave(void)
{
	barrier();
	raw_cpu_write(pa_cpu.idle, 1);
	preempt_enable();
}

static __always_inline struct pa_bins *pa_slot_enter(void)
{
	return pa_cpu_try_enter() ? (struct pa_bins *)raw_cpu_ptr(&pa_cpu) : NULL;
}

static __always_inline void pa_slot_leave(struct pa_bins *bins)
{
	pa_cpu_leave();
}

/**
 * struct pa_lock - a raw spinlock that keeps its holder's interrupt state
 * @lock: the lock
 * @flags: the holder's
 */
struct pa_lock {
	raw_spinlock_t lock;
	unsigned long flags;
};

/* A macro: each caller's locks are a lockdep class of their own. */
#define pa_lock_init(l)	raw_spin_lock_init(&(l)->lock)

static inline void pa_lock(struct pa_lock *l)
	__acquires(&l->lock)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&l->lock, flags);
	l->flags = flags;
}

static inline void pa_unlock(struct pa_lock *l)
	__releases(&l->lock)
{
	unsigned long flags = l->flags;

	raw_spin_unlock_irqrestore(&l->lock, flags);
}

/* Statistics read other CPUs' bins, which stay as long as the module. */
static inline void pa_bins_lock(void)
{
}

static inline void pa_bins_unlock(void)
{
}

/* The fallback slot, for interrupts that landed inside a slot operation. */
bool pa_fallback_enter(struct pa_node *node);
void pa_fallback_leave(struct pa_node *node);

/* Arenas are mapped with nothing held. */
static inline bool pa_may_grow(void)
{
	return true;
}

/* CPUs do not come and go often enough to keep their pools for the next one. */
static inline bool pa_reclaim(void)
{
	return false;
}

#endif
