/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The trace file format, version 1. TRACE-FORMAT.md is the description; this
 * header is its constants. Shared by the recorder, the tool and both replayers.
 */
#ifndef TRACE_FORMAT_H
#define TRACE_FORMAT_H

#include "trace_host.h"

#define PA_TRACE_MAGIC		"\x89PATRC\r\n"
#define PA_TRACE_MAGIC_BYTES	8
#define PA_TRACE_VERSION	1
#define PA_TRACE_HEADER_BYTES	64
#define PA_TRACE_TRAILER_BYTES	44	/* after the END byte */
#define PA_TRACE_VARINT_BYTES	10	/* longest encoding of 64 bits */

/*
 * A slot is 4 bytes in the decoder and 24 in the replayer; a file that asks
 * for more live objects than this is taken for damaged.
 */
#define PA_TRACE_MAX_SLOTS	(1u << 28)
#define PA_TRACE_MAX_THREADS	(1u << 22)
#define PA_TRACE_MAX_ALIGN_LOG2	47

/* Record types: the first byte of each record. */
enum pa_trace_op {
	PA_TRACE_END,		/* the trailer follows */
	PA_TRACE_THREAD,	/* thread: following records are made by it */
	PA_TRACE_MALLOC,	/* size */
	PA_TRACE_CALLOC,	/* size: the product of the two arguments */
	PA_TRACE_ALIGNED,	/* log2 of the alignment, size */
	PA_TRACE_REALLOC_NEW,	/* size: realloc(NULL, size) */
	PA_TRACE_REALLOC,	/* slot, size: the object keeps its slot */
	PA_TRACE_REALLOC_FREE,	/* slot: realloc(p, 0) that freed p */
	PA_TRACE_FREE,		/* slot */
	PA_TRACE_OPS
};

/**
 * struct pa_trace_header - the decoded file header
 * @records: records in the body, THREAD and END not counted
 * @slots: most objects live at once, so the length of a slot table
 * @threads: threads that made a record
 * @peak_record: records up to and with the one that first made @slots live
 * @peak_bytes: most requested bytes live at once (maybe not at @peak_record)
 */
struct pa_trace_header {
	u64 records;
	u32 slots;
	u32 threads;
	u64 peak_record;
	u64 peak_bytes;
};

/**
 * struct pa_trace_trailer - the decoded file trailer
 * @records: same as in the header; a difference is damage
 * @live: objects never freed
 * @null_frees: free(NULL) calls, which make no record
 * @failed: calls that returned NULL, which make no record
 * @foreign: frees of objects that the recorder had not seen allocated
 */
struct pa_trace_trailer {
	u64 records;
	u64 live;
	u64 null_frees;
	u64 failed;
	u64 foreign;
};

/**
 * struct pa_trace_record - one decoded record
 * @seq: its number in the file, from 1
 * @size: requested size; 0 for FREE and REALLOC_FREE
 * @slot: object it creates, changes or ends
 * @thread: thread that made the call
 * @op: one of enum pa_trace_op, never END or THREAD
 * @align_log2: for ALIGNED, else 0
 */
struct pa_trace_record {
	u64 seq;
	u64 size;
	u32 slot;
	u32 thread;
	u8 op;
	u8 align_log2;
};

static inline bool pa_trace_op_creates(u8 op)
{
	return op >= PA_TRACE_MALLOC && op <= PA_TRACE_REALLOC_NEW;
}

static inline bool pa_trace_op_ends(u8 op)
{
	return op == PA_TRACE_FREE || op == PA_TRACE_REALLOC_FREE;
}

const char *pa_trace_op_name(u8 op);
u32 pa_trace_crc32(u32 crc, const void *data, size_t len);

#endif
