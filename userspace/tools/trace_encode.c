// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Writer of trace files: see trace_encode.h and TRACE-FORMAT.md. */
#include "trace_encode.h"

#include <errno.h>
#include <stdlib.h>

#define SLOT_NONE	0xffffffffu

static void put_le(u8 *p, u64 v, unsigned int bytes)
{
	for (; bytes--; v >>= 8)
		*p++ = v;
}

static u8 *put_varint(u8 *p, u64 v)
{
	for (; v > 0x7f; v >>= 7)
		*p++ = v | 0x80;
	*p++ = v;
	return p;
}

static void put_body(struct pa_trace_encoder *e, const void *data, size_t len)
{
	e->crc = pa_trace_crc32(e->crc, data, len);
	if (fwrite(data, 1, len, e->file) != len)
		e->failed = true;
}

static void put_record(struct pa_trace_encoder *e, u8 op, const u64 *arg, unsigned int args)
{
	u8 buf[1 + 2 * PA_TRACE_VARINT_BYTES];
	u8 *p = buf;

	*p++ = op;
	while (args--)
		p = put_varint(p, *arg++);
	put_body(e, buf, p - buf);
}

static void begin_record(struct pa_trace_encoder *e, u32 thread)
{
	u64 arg = thread;

	if (thread != e->thread)
		put_record(e, PA_TRACE_THREAD, &arg, 1);
	e->thread = thread;
	e->header.records++;
}

static int slots_grow(struct pa_trace_encoder *e)
{
	u32 room = e->room ? e->room * 2 : 1024;
	u64 *size;
	u32 *link;

	if (room > PA_TRACE_MAX_SLOTS) {
		errno = EOVERFLOW;
		return -1;
	}
	size = realloc(e->size, room * sizeof(*size));
	if (!size)
		return -1;
	e->size = size;
	link = realloc(e->link, room * sizeof(*link));
	if (!link)
		return -1;
	e->link = link;
	e->room = room;
	return 0;
}

/* The slot rule of the format: last freed, first used; else the next new one. */
static u32 slot_take(struct pa_trace_encoder *e)
{
	u32 slot = e->free_slot;

	if (slot != SLOT_NONE) {
		e->free_slot = e->link[slot];
		return slot;
	}
	if (e->header.slots == e->room && slots_grow(e)) {
		e->failed = true;
		return SLOT_NONE;
	}
	e->header.peak_record = e->header.records;
	return e->header.slots++;
}

static void add_bytes(struct pa_trace_encoder *e, u64 size)
{
	e->bytes += size;
	if (e->bytes > e->header.peak_bytes)
		e->header.peak_bytes = e->bytes;
}

void pa_trace_encode_init(struct pa_trace_encoder *e, FILE *file)
{
	static const u8 room[PA_TRACE_HEADER_BYTES];

	memset(e, 0, sizeof(*e));
	e->file = file;
	e->free_slot = SLOT_NONE;
	if (fwrite(room, 1, sizeof(room), file) != sizeof(room))
		e->failed = true;
}

/**
 * pa_trace_encode_create() - record a call that made an object
 * @e: encoder
 * @thread: thread that called
 * @op: MALLOC, CALLOC, ALIGNED or REALLOC_NEW
 * @size: requested bytes
 * @align_log2: for ALIGNED
 *
 * Return: the object's slot, to be used until the object ends.
 */
u32 pa_trace_encode_create(struct pa_trace_encoder *e, u32 thread, u8 op, u64 size,
			   unsigned int align_log2)
{
	u64 arg[2] = { align_log2, size };
	bool aligned = op == PA_TRACE_ALIGNED;
	u32 slot;

	if (e->failed)
		return 0;
	begin_record(e, thread);
	put_record(e, op, aligned ? arg : arg + 1, aligned ? 2 : 1);
	slot = slot_take(e);
	if (slot == SLOT_NONE)
		return 0;
	e->size[slot] = size;
	e->trailer.live++;
	add_bytes(e, size);
	return slot;
}

void pa_trace_encode_resize(struct pa_trace_encoder *e, u32 thread, u32 slot, u64 size)
{
	u64 arg[2] = { slot, size };

	if (e->failed)
		return;
	begin_record(e, thread);
	put_record(e, PA_TRACE_REALLOC, arg, 2);
	e->bytes -= e->size[slot];
	e->size[slot] = size;
	add_bytes(e, size);
}

void pa_trace_encode_end(struct pa_trace_encoder *e, u32 thread, u8 op, u32 slot)
{
	u64 arg = slot;

	if (e->failed)
		return;
	begin_record(e, thread);
	put_record(e, op, &arg, 1);
	e->bytes -= e->size[slot];
	e->link[slot] = e->free_slot;
	e->free_slot = slot;
	e->trailer.live--;
}

static void put_trailer(struct pa_trace_encoder *e)
{
	u8 buf[PA_TRACE_TRAILER_BYTES];

	put_record(e, PA_TRACE_END, NULL, 0);
	put_le(buf, e->header.records, 8);
	put_le(buf + 8, e->trailer.live, 8);
	put_le(buf + 16, e->trailer.null_frees, 8);
	put_le(buf + 24, e->trailer.failed, 8);
	put_le(buf + 32, e->trailer.foreign, 8);
	put_le(buf + 40, pa_trace_crc32(e->crc, buf, 40), 4);
	if (fwrite(buf, 1, sizeof(buf), e->file) != sizeof(buf))
		e->failed = true;
}

static void put_header(struct pa_trace_encoder *e)
{
	u8 buf[PA_TRACE_HEADER_BYTES] = { 0 };

	memcpy(buf, PA_TRACE_MAGIC, PA_TRACE_MAGIC_BYTES);
	put_le(buf + 8, PA_TRACE_VERSION, 2);
	put_le(buf + 10, PA_TRACE_HEADER_BYTES, 2);
	put_le(buf + 16, e->header.records, 8);
	put_le(buf + 24, e->header.slots, 4);
	put_le(buf + 28, e->header.threads, 4);
	put_le(buf + 32, e->header.peak_record, 8);
	put_le(buf + 40, e->header.peak_bytes, 8);
	put_le(buf + 60, pa_trace_crc32(0, buf, 60), 4);
	if (fseek(e->file, 0, SEEK_SET) || fwrite(buf, 1, sizeof(buf), e->file) != sizeof(buf))
		e->failed = true;
}

int pa_trace_encode_finish(struct pa_trace_encoder *e, u32 threads)
{
	e->header.threads = threads ? threads : 1;
	if (!e->failed)
		put_trailer(e);
	if (!e->failed)
		put_header(e);
	if (fflush(e->file))
		e->failed = true;
	free(e->size);
	free(e->link);
	e->size = NULL;
	e->link = NULL;
	return e->failed ? -1 : 0;
}
