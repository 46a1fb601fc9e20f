// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Blocks that grow by realloc(), or are copied to a block of twice the size, and large blocks of
 * sizes that change: growth append|alone|stay|turn|together|refit|mix.
 */
#include "resident.h"

#include <malloc.h>
#include <pthread.h>
#include <string.h>

/* Page faults of one buffer that gets to @size, by pieces or by doubling it, and is freed. */
static long append_round(size_t size, bool doubled)
{
	long before = page_faults();
	size_t n = 0, more;
	char *p = NULL;

	for (n = 0; n < size; n += more) {
		more = doubled && n ? n : 1000;
		if (doubled) {
			char *q = malloc(n + more);

			if (n)
				memcpy(q, p, n);
			free(p);
			p = q;
		} else {
			p = realloc(p, n + more);
		}
		if (!p)
			tap_bail_out("no memory");
		memset(p + n, 1, more);
	}
	free(p);
	return page_faults() - before;
}

/*
 * Buffers that grow, one after the other: after some rounds they find pages that are there. A buffer that is
 * made smaller gives back what it does not need.
 */
static void case_append(void)
{
	static const size_t sizes[] = { 60000, 300000, 1000000, 16000000 };
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	long faults = 0, first;
	size_t base, i;
	int round;
	char *p;

	for (i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t size = sizes[i / 2];
		bool doubled = i & 1;
		long most = (long)(size / page / (doubled || size <= 1000000 ? 4 : 3));

		first = append_round(size, doubled);
		faults = first;
		/* What is kept was given back within the last second: a stopped round learns nothing. */
		for (round = 1; round < 100 && faults > most; round++)
			faults = append_round(size, doubled);
		tap_diag("%zu bytes %s: %ld page faults, in round %d %ld", size,
			 doubled ? "by doubling" : "in pieces of 1000", first, round, faults);
		TAP_CHECK(faults <= most);
	}
	/* What becomes large at once is not one that grows by little: it gets no mapping of twice its size. */
	p = realloc(malloc(1000), 5000000);
	TAP_CHECK(p && malloc_usable_size(p) < 9500000);
	free(p);
	malloc_trim(0);
	look("malloc_trim");
	base = resident;
	p = malloc(4000000);
	memset(p, 1, 4000000);
	p = realloc(p, 40000);
	/* The rest was perhaps kept, as freed blocks are: kept shrink. */
	malloc_trim(0);
	look("4000000 bytes, then 40000 of them");
	TAP_CHECK(resident < base + 1000000 && p[39999] == 1);
	free(p);
	/* What was kept is too large for a block, and that then becomes smaller. */
	append_round(900000, false);
	p = realloc(realloc(malloc(32000), 100000), 200000);
	memset(p, 1, 200000);
	malloc_trim(0);
	base = resident;
	p = realloc(p, 40000);
	look("a buffer of 200000 bytes in a kept mapping, then of 40000");
	TAP_CHECK(p[0] == 1 && p[39999] == 1 && malloc_usable_size(p) < 100000);
	free(p);
}

/* @bytes more at the end. Return: whether the block has moved. */
static bool append(char **p, size_t *size, size_t bytes)
{
	const char *old = *p;
	char *q = realloc(*p, *size + bytes);

	if (!q)
		tap_bail_out("no memory");
	memset(q + *size, (int)*size, bytes);
	*p = q;
	*size += bytes;
	return old && q != old;
}

/* The only buffer that grows moves seldom, and does not keep what it got when it becomes smaller. */
static void case_alone(void)
{
	size_t size = 0, half = 0;
	char *p = NULL;
	int moves = 0;

	while (size < 30000) {
		bool moved = append(&p, &size, 100);

		moves += moved && size > 4500;
		half += size > 4500 && size < malloc_usable_size(p) / 2;
	}
	tap_diag("one buffer moved %d times from 4500 to 30000 bytes, %zu times less than half was used", moves,
		 half);
	/* Three quarters more each time: four moves. */
	TAP_CHECK(moves <= 3 && half > 50);
	free(p);
	for (p = NULL, size = 0; size < 7000;)
		append(&p, &size, 100);
	TAP_CHECK(malloc_usable_size(p) > 14000);
	p = realloc(p, 6000);
	TAP_CHECK(p && malloc_usable_size(p) < 12000);
	free(p);
}

/* Many buffers that grow by little to the same size, and stay: they do not keep what they got for more. */
static void case_stay(void)
{
	enum { COUNT = 3000, SIZE = 8000 };
	static char *buffer[COUNT];
	size_t base, size, i;

	look("at the start");
	base = resident;
	for (i = 0; i < COUNT; i++)
		for (size = 0; size < SIZE;)
			append(&buffer[i], &size, 100);
	look("3000 buffers of 8000 bytes");
	TAP_CHECK(resident - base < (size_t)COUNT * SIZE / 100 * 110);
	for (i = 0; i < COUNT; i++)
		free(buffer[i]);
}

/* Some buffers that grow in turn, of different sizes: three eighths to three quarters more at each move. */
static void case_turn(uint64_t *seed)
{
	enum { COUNT = 40, SIZE = 30000, TIMES = 20000 };
	static char *buffer[COUNT];
	static size_t size[COUNT];
	unsigned int moves = 0, full = 0, i;

	for (i = 0; i < COUNT; i++)
		append(&buffer[i], &size[i], 1024 + i * (SIZE - 1024) / COUNT);
	for (i = 0; i < TIMES; i++) {
		unsigned int k = i % COUNT;

		moves += append(&buffer[k], &size[k], 1 + tap_random(seed) % 200);
		if (size[k] < SIZE)
			continue;
		full++;
		free(buffer[k]);
		buffer[k] = NULL;
		size[k] = 0;
		append(&buffer[k], &size[k], 1024);
	}
	for (i = 0; i < COUNT; i++)
		free(buffer[i]);
	tap_diag("%u moves while %u buffers grew from 1024 bytes to %d", moves, full, SIZE);
	/* A quarter and then half at a time they move 10 times; some grew before the first was full. */
	TAP_CHECK(full > 40 && moves * 2 < 19 * (full + COUNT / 2));
}

/* Many buffers of about the same size that grow: the sizes that they had before do not keep their memory. */
static void case_together(uint64_t *seed)
{
	enum { COUNT = 1000, SIZE = 20000 };
	static char *buffer[COUNT];
	static size_t size[COUNT];
	size_t base, live = 0;
	unsigned int i;

	look("at the start");
	base = resident;
	while (live < (size_t)COUNT * SIZE)
		for (i = 0; i < COUNT; i++) {
			size_t more = 1 + tap_random(seed) % 400;

			append(&buffer[i], &size[i], more);
			live += more;
		}
	look("1000 buffers of 20000 bytes");
	TAP_CHECK(resident - base < live / 100 * 220);
	for (i = 0; i < COUNT; i++)
		free(buffer[i]);
}

/*
 * @count blocks of @size bytes, all in use together. Return: page faults of them. Every other one
 * must be zeros, and all are written to.
 */
static long refit_round(size_t count, size_t size)
{
	long before = page_faults();
	char *p[16];
	size_t i, k;

	for (i = 0; i < count; i++) {
		p[i] = i & 1 ? calloc(1, size) : malloc(size);
		if (!p[i])
			tap_bail_out("no memory");
		for (k = 0; i & 1 && k < size; k += 64)
			if (p[i][k])
				tap_bail_out("calloc(1, %zu): byte %zu is not zero", size, k);
		memset(p[i], 0xa5, size);
	}
	for (i = 0; i < count; i++)
		free(p[i]);
	return page_faults() - before;
}

/* Pages of freed blocks serve blocks of other sizes, much smaller and much larger ones. */
static void case_refit(void)
{
	const long page = sysconf(_SC_PAGESIZE);
	long small = 0, large = 0;
	int round;

	/* What is kept was given back within the last second: a stopped round learns nothing. */
	for (round = 0; round < 50 && (!round || small > 6000000 / page / 8); round++) {
		refit_round(1, 8000000);
		small = refit_round(12, 500000);
	}
	tap_diag("8000000 bytes freed, then 12 of 500000: %ld page faults in round %d", small, round);
	TAP_CHECK(small <= 6000000 / page / 8);
	malloc_trim(0);
	for (round = 0; round < 50 && (!round || large > 22000000 / page / 10 * 8); round++) {
		refit_round(6, 3000000);
		large = refit_round(2, 11000000);
		malloc_trim(0);
	}
	tap_diag("6 blocks of 3000000 bytes freed, then 2 of 11000000: %ld page faults in round %d", large,
		 round);
	/* A new mapping for each: 5400. */
	TAP_CHECK(large <= 22000000 / page / 10 * 8);
}

struct mix {
	uint64_t seed;
	unsigned int wrong;
};

/* The first bytes of each page say whose it is. */
static void mix_write(char *p, size_t size, uint64_t mark)
{
	size_t i;

	for (i = 0; i + sizeof(mark) <= size; i += 4096)
		memcpy(p + i, &mark, sizeof(mark));
}

static unsigned int mix_wrong(const char *p, size_t size, uint64_t mark)
{
	unsigned int wrong = 0;
	size_t i;

	for (i = 0; i + sizeof(mark) <= size; i += 4096)
		wrong += memcmp(p + i, &mark, sizeof(mark)) != 0;
	return wrong;
}

static void *mix_thread(void *arg)
{
	struct mix *mix = arg;
	char *p[12] = { NULL };
	uint64_t mark[12];
	size_t size[12] = { 0 };
	unsigned int i, n;

	for (n = 0; n < 3000; n++) {
		/* From 32 KiB to 8 MiB, each doubling as often. */
		size_t bytes = ((size_t)32768 << tap_random(&mix->seed) % 8) +
			       tap_random(&mix->seed) % 32768 * 7;
		unsigned int how = (unsigned int)(tap_random(&mix->seed) % 8);

		i = (unsigned int)(tap_random(&mix->seed) % 12);
		if (p[i])
			mix->wrong += mix_wrong(p[i], size[i], mark[i]);
		if (how == 0 && p[i]) {
			size_t old = size[i] < bytes ? size[i] : bytes;

			p[i] = realloc(p[i], bytes);
			if (!p[i])
				tap_bail_out("no memory");
			mix->wrong += mix_wrong(p[i], old, mark[i]);
		} else {
			free(p[i]);
			p[i] = how == 1 ? calloc(1, bytes) : malloc(bytes);
			if (!p[i])
				tap_bail_out("no memory");
			mix->wrong += how == 1 && mix_wrong(p[i], bytes, 0);
		}
		size[i] = bytes;
		mark[i] = tap_random(&mix->seed);
		mix_write(p[i], bytes, mark[i]);
	}
	for (i = 0; i < 12; i++)
		free(p[i]);
	return NULL;
}

/* Blocks of all large sizes in two threads: each keeps what was written to it. */
static void case_mix(uint64_t *seed)
{
	struct mix mix[2] = { { .seed = *seed }, { .seed = *seed + 1 } };
	pthread_t thread[2];
	int i;

	for (i = 0; i < 2; i++)
		if (!TAP_CHECK(!pthread_create(&thread[i], NULL, mix_thread, &mix[i])))
			tap_bail_out("no thread");
	for (i = 0; i < 2; i++) {
		pthread_join(thread[i], NULL);
		tap_diag("thread %d: %u pages are not what was written", i, mix[i].wrong);
		TAP_CHECK(!mix[i].wrong);
	}
	look("all freed");
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	uint64_t seed;

	tap_start(1);
	seed = tap_seed();
	if (!strcmp(name, "append"))
		case_append();
	else if (!strcmp(name, "alone"))
		case_alone();
	else if (!strcmp(name, "stay"))
		case_stay();
	else if (!strcmp(name, "turn"))
		case_turn(&seed);
	else if (!strcmp(name, "together"))
		case_together(&seed);
	else if (!strcmp(name, "refit"))
		case_refit();
	else if (!strcmp(name, "mix"))
		case_mix(&seed);
	else
		tap_bail_out("usage: growth append|stay|turn|together|refit|mix");
	tap_ok(!tap.broken_checks, "%s", name);
	return tap_finish();
}
