// SPDX-License-Identifier: GPL-2.0-only OR MIT
#include "pa_class.h"

struct pa_class pa_class[PA_CLASSES];

/* Bytes that a span should hold at least: four blocks, but 64 KiB is enough. */
#define PA_SPAN_BYTES	65536

/* A single pool will do for a medium class if it holds so many blocks. */
#define PA_SPAN_BLOCKS	16

/*
 * A full pool stays asleep until a part of its blocks came back, 16 at most: under random
 * frees each refill then brings that many blocks instead of one or two. The idea is
 * snmalloc's. What sleeps is not used: a large pool's part is a sixteenth, 2 blocks at
 * least; one of 4 KiB has few of most sizes, so it is an eighth, and 4 or a quarter.
 */
#define PA_WAKE_PART	(PA_POOL_SHIFT > 12 ? 16 : 8)
#define PA_WAKE_LEAST	(PA_POOL_SHIFT > 12 ? 2 : 4)
#define PA_WAKE_MOST	16

static u8 pa_wake(unsigned int capacity)
{
	unsigned int wake = capacity / PA_WAKE_PART;

	if (wake < PA_WAKE_LEAST)
		wake = capacity / 4 < PA_WAKE_LEAST ? capacity / 4 : PA_WAKE_LEAST;
	return (u8)(wake < 1 ? 1 : wake > PA_WAKE_MOST ? PA_WAKE_MOST : wake);
}

/* Of single pools 16 to 64 blocks, of spans 8 to 64. */
static u8 pa_room(size_t size, unsigned int cls)
{
	size_t least = cls < PA_FIRST_SPAN ? 16 : 8;
	size_t bytes = cls < PA_FIRST_SPAN ? PA_BIN_BYTES :
		       cls < PA_BINS ? PA_BIN_SPAN_BYTES : 262144;
	size_t room = bytes / size;

	return (u8)(room < least ? least : room > 64 ? 64 : room);
}

/*
 * The shortest run that wastes at most 1/16 behind its last block and holds
 * enough blocks for the refill to pay. Blocks of more than PA_SPAN_BYTES have a
 * run each, so that it is free when they are: less than a pool is left behind them.
 */
static unsigned int pa_span_pools(size_t size)
{
	size_t want = 4 * size < PA_SPAN_BYTES ? 4 * size : PA_SPAN_BYTES;
	unsigned int n = PA_SPAN_BLOCKS * size <= PA_POOL_SIZE ? 1 : 2;

	if (size > PA_SPAN_BYTES)
		return (unsigned int)((size + PA_POOL_SIZE - 1) / PA_POOL_SIZE);
	for (; n < PA_SPAN_MAX; n++) {
		size_t bytes = n * PA_POOL_SIZE;

		if (bytes >= want && bytes % size <= bytes / 16)
			break;
	}
	return n;
}

static size_t pa_medium_size(unsigned int cls)
{
	unsigned int i = cls - PA_FIRST_MEDIUM;

	return (size_t)(9 + (i & 7)) << (6 + i / 8);
}

/**
 * pa_class_init() - compute the table of size classes
 *
 * Call it before the first allocation, from one thread. Idempotent.
 */
void pa_class_init(void)
{
	unsigned int cls;

	for (cls = 1; cls < PA_CLASSES; cls++) {
		struct pa_class *c = &pa_class[cls];
		bool medium = cls >= PA_FIRST_MEDIUM;

		c->size = medium ? (u32)pa_medium_size(cls) : cls * PA_SMALL_STEP;
		c->npools = medium ? (u8)pa_span_pools(c->size) : 1;
		c->capacity = (u16)(c->npools * PA_POOL_SIZE / c->size);
		c->wake = pa_wake(c->capacity);
		c->room = pa_room(c->size, cls);
		c->inverse = (u32)(((1ULL << PA_INVERSE_SHIFT) + c->size - 1) / c->size);
	}
}
