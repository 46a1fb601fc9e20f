// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * damage FILE: feeds the decoder and the replayer what is left of a small
 * trace after cutting it at every byte, changing every byte, and feeding it in
 * pieces of several lengths. A cut or a change must be an error with an offset
 * inside the file; nothing may crash (built with sanitizers). The replayer must
 * also find a block that somebody else has written to.
 */
#include "tap.h"
#include "trace_replay.h"

#define MAX_FILE	65536

static u8 file[MAX_FILE], copy[MAX_FILE];
static size_t file_len;
static bool spoil;

static void *op_alloc(size_t size)
{
	return malloc(size ? size : 1);
}

static void *op_zalloc(size_t size)
{
	return calloc(1, size ? size : 1);
}

static void *op_aligned(size_t align, size_t size)
{
	void *p;

	return posix_memalign(&p, align < 8 ? 8 : align, size ? size : 1) ? NULL : p;
}

static size_t op_usable(void *p)
{
	(void)p;
	return 1 << 20;
}

static int op_run(void *ctx, u32 thread, void (*fn)(void *arg), void *arg)
{
	struct pa_replay *r = ctx;

	(void)thread;
	fn(arg);
	if (spoil && r->block[0].ptr && r->block[0].size)
		*(u8 *)r->block[0].ptr ^= 0x10;
	spoil = false;
	return 0;
}

static void *table(size_t bytes)
{
	return bytes > 1 << 26 ? NULL : calloc(1, bytes);
}

static const struct pa_replay_ops ops = {
	.alloc = op_alloc, .zalloc = op_zalloc, .aligned = op_aligned,
	.realloc = realloc, .free = free, .usable = op_usable,
};

static struct pa_replay replay(const u8 *data, size_t len, size_t piece, int *drained)
{
	static struct pa_replay r;
	struct pa_replay_host host = { .table = table, .table_free = free,
				       .run = op_run, .ctx = &r };
	size_t at, n;

	memset(&r, 0, sizeof(r));
	r.ops = &ops;
	r.host = &host;
	r.limit = 1 << 20;
	r.check = true;
	pa_replay_init(&r);
	for (at = 0; at < len; at += n) {
		n = len - at < piece ? len - at : piece;
		if (pa_replay_feed(&r, data + at, n))
			break;
	}
	pa_replay_finish(&r);
	*drained = pa_replay_drain(&r);
	return r;
}

static void whole(void)
{
	static const size_t pieces[] = { 1, 2, 3, 7, 64, 4096, MAX_FILE };
	struct pa_replay_result first = { 0 };
	int drained;

	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		struct pa_replay r = replay(file, file_len, pieces[i], &drained);

		TAP_CHECK(!r.decoder.error && !r.error && !drained);
		TAP_CHECK(r.result.records == r.decoder.header.records && r.result.records);
		TAP_CHECK(!r.result.live_blocks && !r.result.live_bytes);
		if (!i)
			first = r.result;
		TAP_CHECK(!memcmp(&first, &r.result, sizeof(first)));
	}
}

static void cut(void)
{
	int drained;

	for (size_t len = 0; len < file_len; len++) {
		struct pa_replay r = replay(file, len, MAX_FILE, &drained);

		TAP_CHECK(r.decoder.error == PA_TRACE_TRUNCATED);
		TAP_CHECK(r.decoder.error_offset == len);
	}
}

static void changed(void)
{
	int drained;

	for (size_t at = 0; at < file_len; at++) {
		for (int bit = 0; bit < 8; bit++) {
			struct pa_replay r;

			memcpy(copy, file, file_len);
			copy[at] ^= 1 << bit;
			r = replay(copy, file_len, 4096, &drained);
			TAP_CHECK(r.decoder.error != PA_TRACE_OK);
			TAP_CHECK(r.decoder.error_offset <= file_len);
		}
	}
}

static void longer(void)
{
	struct pa_replay r;
	int drained;

	memcpy(copy, file, file_len);
	copy[file_len] = 0;
	r = replay(copy, file_len + 1, MAX_FILE, &drained);
	TAP_CHECK(r.decoder.error == PA_TRACE_TRAILING && r.decoder.error_offset == file_len);
}

static void noise(void)
{
	u64 seed = tap_seed();
	int drained;

	for (int i = 0; i < 5000; i++) {
		size_t len = file_len;

		memcpy(copy, file, len);
		for (int n = 0; n < 1 + i % 20; n++)
			copy[PA_TRACE_HEADER_BYTES + tap_random(&seed) % (len - PA_TRACE_HEADER_BYTES)] =
				tap_random(&seed);
		if (memcmp(copy, file, len)) {
			struct pa_replay r = replay(copy, len, 4096, &drained);

			TAP_CHECK(r.decoder.error != PA_TRACE_OK);
		}
	}
}

static void overwritten(void)
{
	struct pa_replay r;
	int drained;

	spoil = true;
	r = replay(file, file_len, MAX_FILE, &drained);
	TAP_CHECK(r.error == PA_REPLAY_CORRUPT);
	TAP_CHECK(r.error_slot == 0 && r.error_record);
}

static void read_file(const char *path)
{
	FILE *f = path ? fopen(path, "rb") : NULL;

	if (!f)
		tap_bail_out("cannot read the trace");
	file_len = fread(file, 1, sizeof(file) - 1, f);
	fclose(f);
}

int main(int argc, char **argv)
{
	tap_start(6);
	read_file(argc > 1 ? argv[1] : NULL);
	tap_test("a whole trace, in any pieces", whole);
	tap_test("cut at every byte", cut);
	tap_test("every bit changed", changed);
	tap_test("a byte too many", longer);
	tap_test("random bytes", noise);
	tap_test("a block overwritten by somebody else", overwritten);
	return tap_finish();
}
