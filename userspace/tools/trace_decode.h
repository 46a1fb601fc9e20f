/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Incremental decoder of trace files: a push parser, fed with pieces of any
 * length, that never reads ahead and keeps no piece.
 */
#ifndef TRACE_DECODE_H
#define TRACE_DECODE_H

#include "trace_format.h"

enum pa_trace_error {
	PA_TRACE_OK,
	PA_TRACE_BAD_MAGIC,
	PA_TRACE_BAD_VERSION,
	PA_TRACE_BAD_HEADER_CRC,
	PA_TRACE_BAD_HEADER,
	PA_TRACE_NO_MEMORY,
	PA_TRACE_BAD_OP,
	PA_TRACE_BAD_VARINT,
	PA_TRACE_BAD_THREAD,
	PA_TRACE_BAD_ALIGN,
	PA_TRACE_BAD_SLOT,
	PA_TRACE_TOO_MANY_LIVE,
	PA_TRACE_TOO_MANY_RECORDS,
	PA_TRACE_BAD_COUNT,
	PA_TRACE_BAD_CRC,
	PA_TRACE_TRAILING,
	PA_TRACE_TRUNCATED,
	PA_TRACE_STOPPED,	/* a callback asked to stop */
};

struct pa_trace_decoder;

/**
 * struct pa_trace_sink - who receives what the decoder finds
 * @header: the header is complete and plausible; returns an array of
 *	@slots u32 for the decoder, or NULL when there is no memory
 * @record: one record; anything but 0 stops the decoder with
 *	PA_TRACE_STOPPED and it cannot go on
 * @ctx: handed to both
 */
struct pa_trace_sink {
	u32 *(*header)(void *ctx, const struct pa_trace_header *header);
	int (*record)(void *ctx, const struct pa_trace_record *record);
	void *ctx;
};

enum pa_trace_state {
	PA_TRACE_IN_HEADER,
	PA_TRACE_AT_OP,
	PA_TRACE_IN_ARG,
	PA_TRACE_IN_TRAILER,
	PA_TRACE_DONE,
};

/* All fields are the decoder's own; callers read header, trailer, error, error_offset. */
struct pa_trace_decoder {
	struct pa_trace_sink sink;
	struct pa_trace_header header;
	struct pa_trace_trailer trailer;
	enum pa_trace_state state;
	enum pa_trace_error error;
	u64 offset;		/* bytes taken so far */
	u64 record_offset;	/* where the current record began */
	u64 error_offset;	/* first byte that cannot be right */
	u64 records;
	u64 live;
	u64 arg[2];		/* arguments of the current record */
	u32 *link;		/* per slot: next free slot, or SLOT_LIVE */
	u32 free_slot;		/* top of the stack of free slots */
	u32 used_slots;		/* slots ever used */
	u32 thread;
	u32 crc;		/* of the body and the trailer */
	u8 op;
	u8 args_left;
	u8 args_seen;
	u8 shift;		/* bits of the current varint seen */
	u8 fill;		/* bytes in buf */
	u8 buf[PA_TRACE_HEADER_BYTES];
};

void pa_trace_decode_init(struct pa_trace_decoder *d, const struct pa_trace_sink *sink);

/*
 * Returns the error so far. After an error further calls change nothing.
 */
enum pa_trace_error pa_trace_decode(struct pa_trace_decoder *d, const void *data, size_t len);

/*
 * Says that no more data will come: PA_TRACE_TRUNCATED unless the trailer was
 * complete.
 */
enum pa_trace_error pa_trace_decode_finish(struct pa_trace_decoder *d);

const char *pa_trace_strerror(enum pa_trace_error error);

#endif
