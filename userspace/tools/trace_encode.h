/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Writer of trace files. The caller says what happened to which slot; the
 * encoder assigns slots, counts, and completes header and trailer.
 */
#ifndef TRACE_ENCODE_H
#define TRACE_ENCODE_H

#include <stdio.h>

#include "trace_format.h"

/* All fields are the encoder's own; callers fill trailer's last three counts. */
struct pa_trace_encoder {
	FILE *file;		/* seekable: the header is written last */
	struct pa_trace_header header;
	struct pa_trace_trailer trailer;
	u64 *size;		/* per slot: requested bytes, when live */
	u32 *link;		/* per slot: next free slot */
	u32 room;		/* slots that size and link have room for */
	u32 free_slot;		/* top of the stack of free slots */
	u32 thread;		/* of the last record */
	u32 crc;		/* of the body */
	u64 bytes;		/* requested bytes now live */
	bool failed;		/* a write or an allocation failed: errno says why */
};

void pa_trace_encode_init(struct pa_trace_encoder *e, FILE *file);
u32 pa_trace_encode_create(struct pa_trace_encoder *e, u32 thread, u8 op, u64 size,
			   unsigned int align_log2);
void pa_trace_encode_resize(struct pa_trace_encoder *e, u32 thread, u32 slot, u64 size);
void pa_trace_encode_end(struct pa_trace_encoder *e, u32 thread, u8 op, u32 slot);

/* Writes trailer and header. Returns 0, or -1 with errno set. */
int pa_trace_encode_finish(struct pa_trace_encoder *e, u32 threads);

#endif
