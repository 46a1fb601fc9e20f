/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the preloaded recorder and the record command share while the traced
 * program runs: an unlinked file that both map.
 *
 *   offset 0     struct trace_raw_header, padded to the largest page size
 *   then         events, in windows of TRACE_RAW_WINDOW_EVENTS
 *
 * An event's place in the file is its ticket, drawn from one counter, so the
 * file is in one global order without any merging, and nothing is lost when
 * the program is killed. The order is valid for a replay because of where the
 * tickets are drawn: a free draws before it frees, an allocation after it has
 * its address, and a realloc, which is both, draws one each side. So whoever
 * is given an address draws after the one who gave it up.
 */
#ifndef TRACE_RAW_H
#define TRACE_RAW_H

#include <stdatomic.h>

#include "trace_host.h"

#define TRACE_RAW_MAGIC		0x5041545241573031ull
#define TRACE_RAW_HEADER_BYTES	65536
#define TRACE_RAW_WINDOW_EVENTS	(1u << 19)
#define TRACE_RAW_WINDOWS	8192u

#define TRACE_RAW_ENV		"POOLALLOC_TRACE_RAW"	/* the file, as a path */

struct trace_raw_header {
	u64 magic;
	u64 base;			/* first ticket of the program image that runs now */
	_Atomic u64 next;		/* next ticket */
	_Atomic u64 null_frees;
	_Atomic u64 failed;		/* calls that returned NULL */
	_Atomic u64 lost;		/* events that found no room in the file */
	_Atomic u32 threads;
	u32 pid;			/* the only process that records */
};

enum trace_raw_op {
	TRACE_RAW_HOLE,			/* ticket drawn, never used: the process died */
	TRACE_RAW_MALLOC,
	TRACE_RAW_CALLOC,
	TRACE_RAW_ALIGNED,
	TRACE_RAW_FREE,
	TRACE_RAW_REALLOC_BEGIN,	/* ptr: the old block, or NULL */
	TRACE_RAW_REALLOC_END,		/* ptr: the new block, or NULL; size: requested */
};

struct trace_raw_event {
	u64 ptr;
	u64 size;
	u32 thread;
	u16 align_log2;
	_Atomic u16 op;			/* stored last: HOLE until the rest is there */
};

#define TRACE_RAW_WINDOW_BYTES	\
	(TRACE_RAW_WINDOW_EVENTS * sizeof(struct trace_raw_event))

_Static_assert(sizeof(struct trace_raw_event) == 24, "an event is 24 bytes");
_Static_assert(TRACE_RAW_WINDOW_BYTES % 65536 == 0, "a window starts on a page of any size");
_Static_assert(sizeof(struct trace_raw_header) <= TRACE_RAW_HEADER_BYTES, "the header fits");

#endif
