// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Replays a trace against an allocator: see trace_replay.h. */
#include "trace_replay.h"

static const char * const error_text[] = {
	[PA_REPLAY_OK]		= "no error",
	[PA_REPLAY_CORRUPT]	= "a block's contents changed while it was live",
	[PA_REPLAY_NOT_ZERO]	= "a zeroed block is not zero",
	[PA_REPLAY_NOT_KEPT]	= "realloc did not keep the contents",
	[PA_REPLAY_MISALIGNED]	= "a block is not aligned as asked for",
	[PA_REPLAY_TOO_SMALL]	= "a block is smaller than asked for",
	[PA_REPLAY_HOST]	= "a batch could not be run",
};

const char *pa_replay_strerror(enum pa_replay_error error)
{
	return error <= PA_REPLAY_HOST ? error_text[error] : "unknown error";
}

static int fail(struct pa_replay *r, enum pa_replay_error error, u64 record, u32 slot)
{
	if (!r->error) {
		r->error = error;
		r->error_record = record;
		r->error_slot = slot;
	}
	return -1;
}

/* Word number @i of a block's pattern: neighbours and successors all differ. */
static u64 pattern_word(u32 seed, u64 i)
{
	return (seed + 1) * 0x9e3779b97f4a7c15ull + i * 0xff51afd7ed558ccdull;
}

static void pattern_put(char *p, u64 from, u64 to, u32 seed)
{
	u64 word, at;

	for (at = from; at < to; at += sizeof(word)) {
		word = pattern_word(seed, at);
		memcpy(p + at, &word, to - at < sizeof(word) ? to - at : sizeof(word));
	}
}

static bool pattern_is(const char *p, u64 from, u64 to, u32 seed)
{
	u64 word, at;

	for (at = from; at < to; at += sizeof(word)) {
		word = pattern_word(seed, at);
		if (memcmp(p + at, &word, to - at < sizeof(word) ? to - at : sizeof(word)))
			return false;
	}
	return true;
}

/* Where the pattern of the last bytes of a large block starts. */
static u64 tail_start(u64 size)
{
	return (size - PA_REPLAY_END) & ~7ull;
}

static void block_fill(struct pa_replay_block *b)
{
	if (b->size <= PA_REPLAY_WHOLE) {
		pattern_put(b->ptr, 0, b->size, b->seed);
		return;
	}
	pattern_put(b->ptr, 0, PA_REPLAY_END, b->seed);
	pattern_put(b->ptr, tail_start(b->size), b->size, b->seed);
}

static bool block_intact(const struct pa_replay_block *b)
{
	if (b->size <= PA_REPLAY_WHOLE)
		return pattern_is(b->ptr, 0, b->size, b->seed);
	return pattern_is(b->ptr, 0, PA_REPLAY_END, b->seed) &&
	       pattern_is(b->ptr, tail_start(b->size), b->size, b->seed);
}

/* The first bytes after a move: as many as had a pattern and still belong. */
static bool block_kept(const struct pa_replay_block *b, u64 old_size)
{
	u64 keep = old_size <= PA_REPLAY_WHOLE ? old_size : PA_REPLAY_END;

	return pattern_is(b->ptr, 0, keep < b->size ? keep : b->size, b->seed);
}

static bool is_zero(const char *p, u64 size)
{
	return !size || (!p[0] && !memcmp(p, p + 1, size - 1));
}

static bool left_out(struct pa_replay *r, u64 size, u64 align)
{
	u64 need = (size + align - 1) & ~(align - 1);

	/* What no address space can hold fails before any allocator is asked. */
	if (size > ((size_t)-1) / 4 || align > ((size_t)-1) / 4)
		need = ~0ull;
	else if (!r->limit)
		return false;
	if (r->limit && need <= r->limit && align <= PA_REPLAY_MAX_ALIGN)
		return false;
	r->result.left_out++;
	return true;
}

static void count_live(struct pa_replay *r, struct pa_replay_block *b)
{
	b->cls = pa_trace_class(r->ops->usable(b->ptr));
	r->result.live[b->cls]++;
	r->result.live_blocks++;
	r->result.live_bytes += b->size;
}

static void count_dead(struct pa_replay *r, const struct pa_replay_block *b)
{
	r->result.live[b->cls]--;
	r->result.live_blocks--;
	r->result.live_bytes -= b->size;
}

static int check_new(struct pa_replay *r, const struct pa_replay_block *b,
		     const struct pa_trace_record *rec)
{
	u64 align = rec->op == PA_TRACE_ALIGNED ? 1ull << rec->align_log2 : 1;

	if (align < 8)
		align = 8;
	if ((uintptr_t)b->ptr & (align - 1))
		return fail(r, PA_REPLAY_MISALIGNED, rec->seq, rec->slot);
	if (r->ops->usable(b->ptr) < b->size)
		return fail(r, PA_REPLAY_TOO_SMALL, rec->seq, rec->slot);
	if (r->check && rec->op == PA_TRACE_CALLOC && !is_zero(b->ptr, b->size))
		return fail(r, PA_REPLAY_NOT_ZERO, rec->seq, rec->slot);
	return 0;
}

static void *call_alloc(struct pa_replay *r, const struct pa_trace_record *rec)
{
	if (rec->op == PA_TRACE_CALLOC)
		return r->ops->zalloc(rec->size);
	if (rec->op == PA_TRACE_ALIGNED)
		return r->ops->aligned(1ull << rec->align_log2, rec->size);
	return r->ops->alloc(rec->size);
}

static int block_create(struct pa_replay *r, const struct pa_trace_record *rec)
{
	struct pa_replay_block *b = &r->block[rec->slot];

	memset(b, 0, sizeof(*b));
	if (left_out(r, rec->size, 1ull << rec->align_log2))
		return 0;
	b->ptr = call_alloc(r, rec);
	if (!b->ptr) {
		r->result.failed++;
		return 0;
	}
	b->size = rec->size;
	b->seed = (u32)rec->seq;
	r->result.created++;
	count_live(r, b);
	if (check_new(r, b, rec))
		return -1;
	if (r->check)
		block_fill(b);
	return 0;
}

static int block_end(struct pa_replay *r, u32 slot, u64 seq)
{
	struct pa_replay_block *b = &r->block[slot];

	if (!b->ptr)
		return 0;
	/* Its contents are spoilt, the block itself is still ours to free. */
	if (r->check && !block_intact(b))
		fail(r, PA_REPLAY_CORRUPT, seq, slot);
	count_dead(r, b);
	r->ops->free(b->ptr);
	r->result.ended++;
	b->ptr = NULL;
	return r->error ? -1 : 0;
}

static void *copy_realloc(struct pa_replay *r, const struct pa_replay_block *b, u64 size)
{
	void *p = r->ops->alloc(size);

	if (!p)
		return NULL;
	memcpy(p, b->ptr, b->size < size ? b->size : size);
	r->ops->free(b->ptr);
	return p;
}

static int block_move(struct pa_replay *r, const struct pa_trace_record *rec)
{
	struct pa_replay_block *b = &r->block[rec->slot];
	u64 old_size = b->size;
	void *p;

	if (r->check && !block_intact(b))
		return fail(r, PA_REPLAY_CORRUPT, rec->seq, rec->slot);
	p = r->ops->realloc && rec->size ? r->ops->realloc(b->ptr, rec->size) :
					   copy_realloc(r, b, rec->size);
	if (!p) {
		r->result.failed++;
		return 0;
	}
	count_dead(r, b);
	r->result.created++;
	r->result.ended++;
	b->ptr = p;
	b->size = rec->size;
	count_live(r, b);
	if (check_new(r, b, rec))
		return -1;
	if (!r->check)
		return 0;
	if (!block_kept(b, old_size))
		return fail(r, PA_REPLAY_NOT_KEPT, rec->seq, rec->slot);
	b->seed = (u32)rec->seq;
	block_fill(b);
	return 0;
}

static int block_resize(struct pa_replay *r, const struct pa_trace_record *rec)
{
	if (!r->block[rec->slot].ptr)
		return block_create(r, rec);
	if (left_out(r, rec->size, 1))
		return block_end(r, rec->slot, rec->seq);
	return block_move(r, rec);
}

static int run_record(struct pa_replay *r, const struct pa_trace_record *rec)
{
	r->result.records = rec->seq;
	if (pa_trace_op_creates(rec->op))
		return block_create(r, rec);
	if (pa_trace_op_ends(rec->op))
		return block_end(r, rec->slot, rec->seq);
	return block_resize(r, rec);
}

static void run_batch(void *arg)
{
	struct pa_replay *r = arg;
	u32 i;

	for (i = 0; i < r->batched && !r->error; i++)
		run_record(r, &r->batch[i]);
}

static int flush(struct pa_replay *r)
{
	const struct pa_replay_host *host = r->host;

	if (!r->batched)
		return 0;
	if (!host->run)
		run_batch(r);
	else if (host->run(host->ctx, r->batch[0].thread, run_batch, r))
		fail(r, PA_REPLAY_HOST, r->batch[0].seq, r->batch[0].slot);
	r->batched = 0;
	return r->error ? -1 : 0;
}

static int on_record(void *ctx, const struct pa_trace_record *rec)
{
	struct pa_replay *r = ctx;

	if (r->batched == r->batch_max ||
	    (r->batched && r->batch[0].thread != rec->thread)) {
		if (flush(r))
			return -1;
	}
	r->batch[r->batched++] = *rec;
	if (rec->seq != r->decoder.header.peak_record || !r->host->at_peak)
		return 0;
	return flush(r) ? -1 : r->host->at_peak(r->host->ctx);
}

static u32 *on_header(void *ctx, const struct pa_trace_header *header)
{
	struct pa_replay *r = ctx;
	u64 slots = header->slots ? header->slots : 1;

	if (slots > ((size_t)-1) / sizeof(*r->block))
		return NULL;
	r->block = r->host->table(slots * sizeof(*r->block));
	r->link = r->host->table(slots * sizeof(*r->link));
	return r->block ? r->link : NULL;
}

/**
 * pa_replay_init() - begin a replay
 * @r: with the caller's fields set
 */
void pa_replay_init(struct pa_replay *r)
{
	struct pa_trace_sink sink = { .header = on_header, .record = on_record, .ctx = r };

	if (!r->batch_max || r->batch_max > PA_REPLAY_BATCH)
		r->batch_max = PA_REPLAY_BATCH;
	pa_trace_decode_init(&r->decoder, &sink);
	memset(&r->result, 0, sizeof(r->result));
	r->error = PA_REPLAY_OK;
	r->block = NULL;
	r->link = NULL;
	r->batched = 0;
}

/**
 * pa_replay_feed() - replay the next piece of the file
 * @r: replay
 * @data: the piece
 * @len: its length, any
 *
 * Records wait until their batch is full or the trace is over.
 *
 * Return: 0, or -1: either @r->decoder.error (with an offset) or @r->error
 * (with a record) says why.
 */
int pa_replay_feed(struct pa_replay *r, const void *data, size_t len)
{
	if (pa_trace_decode(&r->decoder, data, len))
		return -1;
	return r->decoder.state == PA_TRACE_DONE ? flush(r) : 0;
}

/**
 * pa_replay_finish() - there is no more data
 * @r: replay
 *
 * Return: 0 if the trace was complete, else -1.
 */
int pa_replay_finish(struct pa_replay *r)
{
	return pa_trace_decode_finish(&r->decoder) || r->error ? -1 : 0;
}

/**
 * pa_replay_drain() - check and free everything still live, and the tables
 * @r: replay, at any point; it is over
 *
 * Return: 0, or -1 if a block was not intact.
 */
int pa_replay_drain(struct pa_replay *r)
{
	u32 slot;

	r->batched = 0;
	for (slot = 0; r->block && r->link && slot < r->decoder.used_slots; slot++)
		block_end(r, slot, r->result.records);
	r->host->table_free(r->block);
	r->host->table_free(r->link);
	r->block = NULL;
	r->link = NULL;
	return r->error ? -1 : 0;
}

static void print_u64(pa_replay_print print, void *ctx, const char *name, u64 value)
{
	print(ctx, "%s %llu\n", name, (unsigned long long)value);
}

/**
 * pa_replay_report() - the result as text, the same in both worlds
 * @r: replay
 * @print: called per line
 * @ctx: for @print
 */
void pa_replay_report(const struct pa_replay *r, pa_replay_print print, void *ctx)
{
	const struct pa_replay_result *res = &r->result;
	u32 cls;

	print_u64(print, ctx, "records", res->records);
	print_u64(print, ctx, "created", res->created);
	print_u64(print, ctx, "ended", res->ended);
	print_u64(print, ctx, "left_out", res->left_out);
	print_u64(print, ctx, "failed", res->failed);
	print_u64(print, ctx, "live_blocks", res->live_blocks);
	print_u64(print, ctx, "live_bytes", res->live_bytes);
	print(ctx, "# live size blocks\n");
	for (cls = 0; cls < PA_TRACE_CLASSES; cls++)
		if (res->live[cls])
			print(ctx, "live %llu %llu\n",
			      (unsigned long long)pa_trace_class_size(cls),
			      (unsigned long long)res->live[cls]);
	if (r->decoder.error > PA_TRACE_OK && r->decoder.error != PA_TRACE_STOPPED)
		print(ctx, "error byte %llu: %s\n", (unsigned long long)r->decoder.error_offset,
		      pa_trace_strerror(r->decoder.error));
	if (r->error)
		print(ctx, "error record %llu object %u: %s\n",
		      (unsigned long long)r->error_record, r->error_slot,
		      pa_replay_strerror(r->error));
}
