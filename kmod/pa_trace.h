/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events, all on slow paths: events/poolalloc/ in tracefs.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM poolalloc

#if !defined(PA_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define PA_TRACE_H

#include <linux/tracepoint.h>

DECLARE_EVENT_CLASS(pa_arena,
		    TP_PROTO(int nid, size_t bytes),
		    TP_ARGS(nid, bytes),
		    TP_STRUCT__entry(__field(int, nid)
				     __field(size_t, bytes)),
		    TP_fast_assign(__entry->nid = nid;
				   __entry->bytes = bytes;),
		    TP_printk("node=%d bytes=%zu", __entry->nid, __entry->bytes)
);

/* An arena was taken from the page allocator. */
DEFINE_EVENT(pa_arena, arena_map, TP_PROTO(int nid, size_t bytes), TP_ARGS(nid, bytes));

/* An arena was given back; its pages are free after a grace period. */
DEFINE_EVENT(pa_arena, arena_unmap, TP_PROTO(int nid, size_t bytes), TP_ARGS(nid, bytes));

/* Likewise pools of an arena that stays. */
DEFINE_EVENT(pa_arena, pools_unmap, TP_PROTO(int nid, size_t bytes), TP_ARGS(nid, bytes));

/* Reclaim asked for memory and got so much at once. */
DEFINE_EVENT(pa_arena, heap_shrink, TP_PROTO(int nid, size_t bytes), TP_ARGS(nid, bytes));

DECLARE_EVENT_CLASS(pa_block,
		    TP_PROTO(size_t size),
		    TP_ARGS(size),
		    TP_STRUCT__entry(__field(size_t, size)),
		    TP_fast_assign(__entry->size = size;),
		    TP_printk("size=%zu", __entry->size)
);

/* A CPU filled its bin of a class. */
DEFINE_EVENT(pa_block, pool_refill, TP_PROTO(size_t size), TP_ARGS(size));

/* A CPU took blocks over that others had freed into a pool of its own. */
DEFINE_EVENT(pa_block, remote_drain, TP_PROTO(size_t size), TP_ARGS(size));

/* A CPU took a pool over that had no owner. */
DEFINE_EVENT(pa_block, pool_adopt, TP_PROTO(size_t size), TP_ARGS(size));

/* An allocation returned NULL. */
DEFINE_EVENT(pa_block, alloc_failure, TP_PROTO(size_t size), TP_ARGS(size));

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE pa_trace
#include <trace/define_trace.h>
