/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Nodes: the arenas of one NUMA node (userspace has one node), its shared
 * pool lists, and its fallback slot.
 */
#ifndef PA_NODE_H
#define PA_NODE_H

#include "pa_slot.h"

/**
 * struct pa_node - what the slots of one NUMA node share
 * @lock: guards the lists of arenas, their nfree, and the counters below
 * @nonempty: bit n is set when @bucket[n] holds an arena
 * @bucket: arenas by number of free pools; [0] is never used, [63] are the
 *	wholly empty ones
 * @all: RCU list of all arenas
 * @arenas: arenas mapped
 * @arenas_peak: the most there ever were
 * @empty: those of them that are wholly empty, and not short; read by any
 * @empty_short: short ones that are wholly empty, and wait for a walker
 * @empty_least: the fewest there were since pa_arenas_unused()
 * @bytes: what they take; less than their number says when pools are missing
 * @bytes_peak: the most there ever were
 * @mapped: arenas mapped since the start; read without the lock, too
 * @unmapped: arenas given back since the start
 * @pools: pools in use
 * @pools_peak: the most there ever were
 * @wanted: a slot found no memory that was used before, and gives back empty
 *	pools of other classes until there is some: no time to let others go
 * @loans: so many times PA_EMPTY_LOAN empty pools slots may still borrow; set by the
 *	platform; read without the lock, too
 * @nid: number of the node
 * @shared: pools without an owner, by class: push and take-all only
 * @fallback_lock: guards @fallback and @fallback_bins
 * @fallback: the slot for who has none or cannot use it now
 * @fallback_bins: its bins
 */
struct pa_node {
	pa_lock_t lock;
	u64 nonempty;
	struct pa_arena *bucket[PA_POOLS_PER_ARENA];
	struct pa_arena __rcu *all;
	u64 arenas;
	u64 arenas_peak;
	unsigned int empty;
	unsigned int empty_least;
	unsigned int empty_short;
	u64 bytes;
	u64 bytes_peak;
	u64 mapped;
	u64 unmapped;
	u64 pools;
	u64 pools_peak;
	bool wanted;
	u32 loans;
	unsigned int nid;

	struct pa_stack shared[PA_CLASSES];

	pa_lock_t fallback_lock;
	struct pa_slot fallback;
	struct pa_bins fallback_bins;
};

/* One entry per possible node; set up by the platform, constant afterwards. */
extern struct pa_node *pa_nodes[PA_MAX_NODES];

/* Wholly empty arenas that a node keeps; a platform parameter. */
extern unsigned int pa_reserve;

void pa_node_init(struct pa_node *node, unsigned int nid);

#endif
