/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Replays a trace against an allocator, in the kernel and in userspace from
 * this one source. It is fed the file in pieces, as the decoder is.
 *
 * Records run in the trace's order, never two at once. They are gathered into
 * batches of one trace thread, of at most PA_REPLAY_BATCH records, and each
 * batch is handed to the host, which decides where it runs: on another thread,
 * on another CPU.
 */
#ifndef TRACE_REPLAY_H
#define TRACE_REPLAY_H

#include "trace_classes.h"
#include "trace_decode.h"

#define PA_REPLAY_BATCH		256

/* Blocks up to this get the pattern throughout, larger ones at both ends. */
#define PA_REPLAY_WHOLE		32768
#define PA_REPLAY_END		4096

/* With a limit, larger alignments are left out too: poolalloc's own maximum. */
#define PA_REPLAY_MAX_ALIGN	4096

/**
 * struct pa_replay_ops - the allocator
 * @alloc: as malloc
 * @zalloc: the same, zeroed
 * @aligned: as aligned_alloc, any size
 * @realloc: as realloc, never with NULL or 0; NULL: allocate, copy, free
 * @free: never with NULL
 * @usable: bytes of the block, from which its class follows
 */
struct pa_replay_ops {
	void *(*alloc)(size_t size);
	void *(*zalloc)(size_t size);
	void *(*aligned)(size_t align, size_t size);
	void *(*realloc)(void *p, size_t size);
	void (*free)(void *p);
	size_t (*usable)(void *p);
};

/**
 * struct pa_replay_host - the world around
 * @table: zeroed memory from anywhere but the allocator under test, or NULL
 * @table_free: gives it back; NULL is fine
 * @run: runs @fn(@arg) for @thread and returns when it is done: 0, or not 0
 *	when it could not. NULL: it is called in place
 * @at_peak: the record after which the most objects are live is done; not 0
 *	stops. NULL: no such interest
 * @ctx: handed to @run and @at_peak
 */
struct pa_replay_host {
	void *(*table)(size_t bytes);
	void (*table_free)(void *table);
	int (*run)(void *ctx, u32 thread, void (*fn)(void *arg), void *arg);
	int (*at_peak)(void *ctx);
	void *ctx;
};

enum pa_replay_error {
	PA_REPLAY_OK,
	PA_REPLAY_CORRUPT,
	PA_REPLAY_NOT_ZERO,
	PA_REPLAY_NOT_KEPT,
	PA_REPLAY_MISALIGNED,
	PA_REPLAY_TOO_SMALL,
	PA_REPLAY_HOST,
};

/* What a replay did and what is live; equal for equal runs. */
struct pa_replay_result {
	u64 records;
	u64 created;		/* blocks allocated, by realloc too */
	u64 ended;		/* blocks freed, by realloc too */
	u64 left_out;		/* requests above the limit */
	u64 failed;		/* requests that got NULL */
	u64 live_blocks;
	u64 live_bytes;		/* requested */
	u64 live[PA_TRACE_CLASSES];	/* blocks by usable size */
};

struct pa_replay_block {
	void *ptr;		/* NULL: no object, left out, or failed */
	u64 size;		/* requested */
	u32 seed;		/* of its pattern */
	u32 cls;
};

struct pa_replay {
	/* Set by the caller before pa_replay_init() and constant. */
	const struct pa_replay_ops *ops;
	const struct pa_replay_host *host;
	u64 limit;		/* larger requests are left out; 0: none */
	u32 batch_max;		/* 0: PA_REPLAY_BATCH */
	bool check;		/* write and check patterns */
	/* Read by the caller. */
	struct pa_trace_decoder decoder;
	struct pa_replay_result result;
	enum pa_replay_error error;
	u64 error_record;
	u32 error_slot;
	/* Private. */
	struct pa_replay_block *block;	/* per slot */
	u32 *link;			/* the decoder's */
	u32 batched;
	struct pa_trace_record batch[PA_REPLAY_BATCH];
};

typedef void (*pa_replay_print)(void *ctx, const char *fmt, ...) __printf(2, 3);

void pa_replay_init(struct pa_replay *r);
int pa_replay_feed(struct pa_replay *r, const void *data, size_t len);
int pa_replay_finish(struct pa_replay *r);
int pa_replay_drain(struct pa_replay *r);
void pa_replay_report(const struct pa_replay *r, pa_replay_print print, void *ctx);
const char *pa_replay_strerror(enum pa_replay_error error);

#endif
