// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Incremental decoder of trace files. One byte is taken at a time, so a piece
 * may end anywhere; a record reaches the sink when its last byte is in.
 *
 * Nothing in a file is trusted: every count that sizes memory is bounded and
 * guarded by the header's own checksum, every slot is checked to be live, and
 * the trailer must repeat what was seen.
 */
#include "trace_decode.h"

#define SLOT_LIVE	0xffffffffu	/* link[] of a slot in use */
#define SLOT_NONE	0xfffffffeu	/* end of the stack of free slots */

struct op_desc {
	const char *name;
	u8 args;
};

static const struct op_desc op_desc[PA_TRACE_OPS] = {
	[PA_TRACE_END]		= { "end", 0 },
	[PA_TRACE_THREAD]	= { "thread", 1 },
	[PA_TRACE_MALLOC]	= { "malloc", 1 },
	[PA_TRACE_CALLOC]	= { "calloc", 1 },
	[PA_TRACE_ALIGNED]	= { "aligned", 2 },
	[PA_TRACE_REALLOC_NEW]	= { "realloc-new", 1 },
	[PA_TRACE_REALLOC]	= { "realloc", 2 },
	[PA_TRACE_REALLOC_FREE]	= { "realloc-free", 1 },
	[PA_TRACE_FREE]		= { "free", 1 },
};

const char *pa_trace_op_name(u8 op)
{
	return op < PA_TRACE_OPS ? op_desc[op].name : "unknown";
}

static const char * const error_text[] = {
	[PA_TRACE_OK]			= "no error",
	[PA_TRACE_BAD_MAGIC]		= "not a poolalloc trace",
	[PA_TRACE_BAD_VERSION]		= "trace version not supported",
	[PA_TRACE_BAD_HEADER_CRC]	= "header checksum does not match",
	[PA_TRACE_BAD_HEADER]		= "header has an impossible value",
	[PA_TRACE_NO_MEMORY]		= "not enough memory for the table of live objects",
	[PA_TRACE_BAD_OP]		= "unknown record type",
	[PA_TRACE_BAD_VARINT]		= "number of more than 64 bits",
	[PA_TRACE_BAD_THREAD]		= "thread not announced in the header",
	[PA_TRACE_BAD_ALIGN]		= "impossible alignment",
	[PA_TRACE_BAD_SLOT]		= "object is not live",
	[PA_TRACE_TOO_MANY_LIVE]	= "more live objects than the header says",
	[PA_TRACE_TOO_MANY_RECORDS]	= "more records than the header says",
	[PA_TRACE_BAD_COUNT]		= "count differs from the records seen",
	[PA_TRACE_BAD_CRC]		= "checksum does not match",
	[PA_TRACE_TRAILING]		= "data after the end of the trace",
	[PA_TRACE_TRUNCATED]		= "file ends too early",
	[PA_TRACE_STOPPED]		= "stopped",
};

const char *pa_trace_strerror(enum pa_trace_error error)
{
	return error <= PA_TRACE_STOPPED ? error_text[error] : "unknown error";
}

/* CRC-32 as in zlib and Ethernet (reflected 0xedb88320), four bits a step. */
u32 pa_trace_crc32(u32 crc, const void *data, size_t len)
{
	static const u32 table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
		0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	const u8 *p = data;

	crc = ~crc;
	while (len--) {
		crc ^= *p++;
		crc = (crc >> 4) ^ table[crc & 15];
		crc = (crc >> 4) ^ table[crc & 15];
	}
	return ~crc;
}

static u64 get_le(const u8 *p, unsigned int bytes)
{
	u64 v = 0;

	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

static int fail(struct pa_trace_decoder *d, enum pa_trace_error error, u64 offset)
{
	d->error = error;
	d->error_offset = offset;
	return -1;
}

static int check_header(struct pa_trace_decoder *d)
{
	const struct pa_trace_header *h = &d->header;

	if (get_le(d->buf + 8, 2) != PA_TRACE_VERSION)
		return fail(d, PA_TRACE_BAD_VERSION, 8);
	if (get_le(d->buf + 60, 4) != pa_trace_crc32(0, d->buf, 60))
		return fail(d, PA_TRACE_BAD_HEADER_CRC, 60);
	if (get_le(d->buf + 10, 2) != PA_TRACE_HEADER_BYTES)
		return fail(d, PA_TRACE_BAD_HEADER, 10);
	if (get_le(d->buf + 12, 4))
		return fail(d, PA_TRACE_BAD_HEADER, 12);
	if (h->slots > PA_TRACE_MAX_SLOTS || h->slots > h->records)
		return fail(d, PA_TRACE_BAD_HEADER, 24);
	if (!h->threads || h->threads > PA_TRACE_MAX_THREADS)
		return fail(d, PA_TRACE_BAD_HEADER, 28);
	if (h->peak_record > h->records || !h->peak_record != !h->slots)
		return fail(d, PA_TRACE_BAD_HEADER, 32);
	return 0;
}

static int end_header(struct pa_trace_decoder *d)
{
	d->header.records = get_le(d->buf + 16, 8);
	d->header.slots = get_le(d->buf + 24, 4);
	d->header.threads = get_le(d->buf + 28, 4);
	d->header.peak_record = get_le(d->buf + 32, 8);
	d->header.peak_bytes = get_le(d->buf + 40, 8);
	if (check_header(d))
		return -1;
	d->link = d->sink.header(d->sink.ctx, &d->header);
	if (!d->link)
		return fail(d, PA_TRACE_NO_MEMORY, 24);
	d->fill = 0;
	d->state = PA_TRACE_AT_OP;
	return 0;
}

/* A wrong magic is reported at its first wrong byte, not after 64 bytes. */
static int take_header(struct pa_trace_decoder *d, u8 byte)
{
	if (d->fill < PA_TRACE_MAGIC_BYTES && byte != (u8)PA_TRACE_MAGIC[d->fill])
		return fail(d, PA_TRACE_BAD_MAGIC, d->offset);
	d->buf[d->fill++] = byte;
	return d->fill == PA_TRACE_HEADER_BYTES ? end_header(d) : 0;
}

static int check_trailer(struct pa_trace_decoder *d)
{
	const struct pa_trace_trailer *t = &d->trailer;
	u64 start = d->offset + 1 - PA_TRACE_TRAILER_BYTES;

	if (get_le(d->buf + 40, 4) != d->crc)
		return fail(d, PA_TRACE_BAD_CRC, start + 40);
	if (t->records != d->records || d->header.records != d->records)
		return fail(d, PA_TRACE_BAD_COUNT, start);
	if (t->live != d->live || d->used_slots != d->header.slots)
		return fail(d, PA_TRACE_BAD_COUNT, start + 8);
	return 0;
}

static int take_trailer(struct pa_trace_decoder *d, u8 byte)
{
	d->buf[d->fill++] = byte;
	if (d->fill < PA_TRACE_TRAILER_BYTES)
		return 0;
	d->trailer.records = get_le(d->buf, 8);
	d->trailer.live = get_le(d->buf + 8, 8);
	d->trailer.null_frees = get_le(d->buf + 16, 8);
	d->trailer.failed = get_le(d->buf + 24, 8);
	d->trailer.foreign = get_le(d->buf + 32, 8);
	d->state = PA_TRACE_DONE;
	return check_trailer(d);
}

/* The slot rule of the format: last freed, first used; else the next new one. */
static int slot_take(struct pa_trace_decoder *d, u32 *slot)
{
	if (d->free_slot != SLOT_NONE) {
		*slot = d->free_slot;
		d->free_slot = d->link[*slot];
	} else if (d->used_slots < d->header.slots) {
		*slot = d->used_slots++;
	} else {
		return fail(d, PA_TRACE_TOO_MANY_LIVE, d->record_offset);
	}
	d->link[*slot] = SLOT_LIVE;
	d->live++;
	return 0;
}

static int slot_check(struct pa_trace_decoder *d, u64 slot)
{
	if (slot >= d->used_slots || d->link[slot] != SLOT_LIVE)
		return fail(d, PA_TRACE_BAD_SLOT, d->record_offset);
	return 0;
}

static void slot_release(struct pa_trace_decoder *d, u32 slot)
{
	d->link[slot] = d->free_slot;
	d->free_slot = slot;
	d->live--;
}

static int end_thread(struct pa_trace_decoder *d)
{
	if (d->arg[0] >= d->header.threads)
		return fail(d, PA_TRACE_BAD_THREAD, d->record_offset);
	d->thread = d->arg[0];
	return 0;
}

static int fill_record(struct pa_trace_decoder *d, struct pa_trace_record *r)
{
	const u64 *arg = d->arg;

	if (d->op == PA_TRACE_ALIGNED) {
		if (*arg > PA_TRACE_MAX_ALIGN_LOG2)
			return fail(d, PA_TRACE_BAD_ALIGN, d->record_offset);
		r->align_log2 = *arg++;
	}
	if (pa_trace_op_creates(d->op)) {
		r->size = *arg;
		return slot_take(d, &r->slot);
	}
	if (slot_check(d, *arg))
		return -1;
	r->slot = *arg;
	if (pa_trace_op_ends(d->op))
		slot_release(d, r->slot);
	else
		r->size = arg[1];
	return 0;
}

static int end_record(struct pa_trace_decoder *d)
{
	struct pa_trace_record r = { .op = d->op, .thread = d->thread };

	d->state = PA_TRACE_AT_OP;
	if (d->op == PA_TRACE_THREAD)
		return end_thread(d);
	if (d->records == d->header.records)
		return fail(d, PA_TRACE_TOO_MANY_RECORDS, d->record_offset);
	if (fill_record(d, &r))
		return -1;
	r.seq = ++d->records;
	if (d->sink.record(d->sink.ctx, &r))
		return fail(d, PA_TRACE_STOPPED, d->record_offset);
	return 0;
}

static int take_op(struct pa_trace_decoder *d, u8 byte)
{
	if (byte >= PA_TRACE_OPS)
		return fail(d, PA_TRACE_BAD_OP, d->offset);
	d->record_offset = d->offset;
	d->op = byte;
	d->args_left = op_desc[byte].args;
	d->args_seen = 0;
	d->shift = 0;
	d->arg[0] = 0;
	d->arg[1] = 0;
	d->state = byte == PA_TRACE_END ? PA_TRACE_IN_TRAILER : PA_TRACE_IN_ARG;
	return 0;
}

static int take_arg(struct pa_trace_decoder *d, u8 byte)
{
	if (d->shift == 63 && byte > 1)
		return fail(d, PA_TRACE_BAD_VARINT, d->record_offset);
	d->arg[d->args_seen] |= (u64)(byte & 0x7f) << d->shift;
	d->shift += 7;
	if (byte & 0x80)
		return 0;
	d->shift = 0;
	d->args_seen++;
	return --d->args_left ? 0 : end_record(d);
}

static int take(struct pa_trace_decoder *d, u8 byte)
{
	switch (d->state) {
	case PA_TRACE_IN_HEADER:
		return take_header(d, byte);
	case PA_TRACE_AT_OP:
		return take_op(d, byte);
	case PA_TRACE_IN_ARG:
		return take_arg(d, byte);
	case PA_TRACE_IN_TRAILER:
		return take_trailer(d, byte);
	default:
		return fail(d, PA_TRACE_TRAILING, d->offset);
	}
}

/* The trailer's own last four bytes are the checksum of all before them. */
static bool in_checksum(const struct pa_trace_decoder *d)
{
	return d->state != PA_TRACE_IN_HEADER &&
	       !(d->state == PA_TRACE_IN_TRAILER && d->fill >= PA_TRACE_TRAILER_BYTES - 4);
}

void pa_trace_decode_init(struct pa_trace_decoder *d, const struct pa_trace_sink *sink)
{
	memset(d, 0, sizeof(*d));
	d->sink = *sink;
	d->free_slot = SLOT_NONE;
}

enum pa_trace_error pa_trace_decode(struct pa_trace_decoder *d, const void *data, size_t len)
{
	const u8 *p = data;

	for (; len && !d->error; len--, p++) {
		if (in_checksum(d))
			d->crc = pa_trace_crc32(d->crc, p, 1);
		if (take(d, *p))
			break;
		d->offset++;
	}
	return d->error;
}

enum pa_trace_error pa_trace_decode_finish(struct pa_trace_decoder *d)
{
	if (!d->error && d->state != PA_TRACE_DONE)
		fail(d, PA_TRACE_TRUNCATED, d->offset);
	return d->error;
}
