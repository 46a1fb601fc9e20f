/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Statistics, heap walk and report: they read, and change nothing.
 *
 * Nothing is counted on the fast path. Every number is read from the
 * descriptors, arena by arena, while others go on. When nobody does, the
 * numbers are exact; otherwise each pool is counted as of the moment at which
 * it is looked at.
 */
#ifndef PA_STATS_H
#define PA_STATS_H

#include "pa_node.h"

/**
 * struct pa_count - what the pools of one class hold, or their sum
 * @pools: pools (a span counts as several)
 * @live: blocks in the hands of callers
 * @free: blocks that can be allocated: on pools' lists and in bins
 * @pending: blocks freed by others than the owner, not yet taken over
 * @live_bytes: @live in bytes of blocks
 * @free_bytes: @free and @pending in bytes
 * @uncarved_bytes: memory of these pools that was never cut into blocks, with
 *	what is left behind the last block
 */
struct pa_count {
	u64 pools;
	u64 live;
	u64 free;
	u64 pending;
	u64 live_bytes;
	u64 free_bytes;
	u64 uncarved_bytes;
};

/**
 * struct pa_node_count - the arenas of one node
 * @arenas: mapped now
 * @arenas_peak: the most there ever were
 * @bytes: what they take
 * @bytes_peak: the most there ever were
 * @mapped: mapped since the start
 * @unmapped: given back since the start
 * @empty: arenas without a pool in use
 * @pools: pools in use
 * @pools_peak: the most there ever were
 * @count: what the pools hold
 * @walked: arenas that the count saw
 * @descriptor_bytes: their pools 0
 * @free_pool_bytes: their free pools
 */
struct pa_node_count {
	u64 arenas;
	u64 arenas_peak;
	u64 bytes;
	u64 bytes_peak;
	u64 mapped;
	u64 unmapped;
	u64 empty;
	u64 pools;
	u64 pools_peak;
	struct pa_count count;
	u64 walked;
	u64 descriptor_bytes;
	u64 free_pool_bytes;
};

/**
 * struct pa_stats - the whole heap
 * @cls: by class
 * @total: sum of all nodes
 */
struct pa_stats {
	struct pa_count cls[PA_CLASSES];
	struct pa_node_count total;
};

/* Called for a live block; anything but 0 ends the walk and is returned. */
typedef int (*pa_visitor)(void *ctx, void *block, size_t size);

/* Takes @len bytes of the report. */
typedef void (*pa_writer)(void *ctx, const char *text, size_t len);

void pa_stats_node(struct pa_node *node, struct pa_node_count *sum,
		   struct pa_count *by_class);
void pa_stats_collect(struct pa_stats *stats);
u64 pa_stats_cached(struct pa_slot *slot);
bool pa_stats_identity(const struct pa_node_count *n);
int pa_walk(pa_visitor visitor, void *ctx);
void pa_report(struct pa_stats *scratch, pa_writer writer, void *ctx);

#endif
