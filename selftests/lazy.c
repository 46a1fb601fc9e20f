// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Memory that no block has used is never touched: mincore() on the arenas themselves.
 * test-variants: seed modern clang-seed
 */
#include <sys/mman.h>

#include "pa_node.h"
#include "shared/report.h"

#define PAGE	4096UL

/* Pages of @len bytes that are resident. */
static size_t resident(const void *p, size_t len)
{
	static unsigned char map[(1 << 20) / PAGE];
	size_t i, n = 0;

	if (!TAP_CHECK(len / PAGE <= sizeof(map) && !mincore((void *)p, len, map)))
		return 0;
	for (i = 0; i < len / PAGE; i++)
		n += map[i] & 1;
	return n;
}

static size_t resident_in_pool(void *block)
{
	struct pa_pool *pool = pa_pool_head(pa_desc_of(block));

	return resident(pa_pool_base(pool), pool->npools * PA_POOL_SIZE);
}

/* The first block of an arena: its descriptors and one page, nothing else. */
static void first_block(void)
{
	size_t pages;
	void *p;

	poolalloc_trim();
	p = poolalloc_alloc(64);
	*(char *)p = 1;
	pages = resident(pa_arena_base(pa_arena_of(p)), PA_ARENA_SIZE);
	if (!TAP_CHECK(pages == 2))
		tap_diag("%zu of %lu pages of the arena are resident", pages,
			 PA_ARENA_SIZE / PAGE);
	poolalloc_free(p);
}

/* A pool of several pages is cut page by page. */
static void pool_tail(void)
{
	void *p[PA_POOL_SIZE / 256], *first;
	size_t i, n = PA_POOL_SIZE / 256;

	poolalloc_trim();
	for (i = 0; i < n; i++) {
		p[i] = poolalloc_alloc(256);
		first = p[0];
		TAP_CHECK(pa_desc_of(p[i]) == pa_desc_of(first));
		if (!TAP_CHECK(resident_in_pool(first) == i * 256 / PAGE + 1))
			tap_diag("%zu blocks of 256 bytes: %zu pages", i + 1, resident_in_pool(first));
	}
	for (i = 0; i < n; i++)
		poolalloc_free(p[i]);
}

/* A span of large blocks: each block's pages when it is handed out. */
static void span_tail(void)
{
	unsigned int cls = pa_class_of(8192), i, n = pa_class[cls].capacity;
	char *p[64];

	poolalloc_trim();
	for (i = 0; i < n; i++) {
		p[i] = poolalloc_alloc(8192);
		/* The core writes the link in the first word and nothing else. */
		if (!TAP_CHECK(resident_in_pool(p[0]) == 2 * i + 1))
			tap_diag("%u blocks of 8192 bytes: %zu pages", i + 1, resident_in_pool(p[0]));
		memset(p[i], 1, 8192);
		TAP_CHECK(resident_in_pool(p[0]) == 2 * i + 2);
	}
	for (i = 0; i < n; i++)
		poolalloc_free(p[i]);
}

/* One block of each small class: an arena of pools, of each one page. */
static void one_of_each(void)
{
	void *p[PA_SMALL_CLASSES + 1];
	size_t cls, n = 0;
	struct pa_arena *arena = NULL, *seen = NULL;

	poolalloc_trim();
	for (cls = 1; cls <= PA_SMALL_CLASSES; cls++)
		p[cls] = poolalloc_alloc(cls * 8);
	while ((arena = pa_arenas_next(pa_nodes[0], arena))) {
		n += resident(pa_arena_base(arena), PA_ARENA_SIZE);
		seen = arena;
	}
	TAP_CHECK(seen);
	/* 64 pages of blocks, a page of descriptors per arena. */
	if (!TAP_CHECK(n == PA_SMALL_CLASSES + pa_nodes[0]->arenas))
		tap_diag("%zu pages for one block of each of %d classes", n, PA_SMALL_CLASSES);
	for (cls = 1; cls <= PA_SMALL_CLASSES; cls++)
		poolalloc_free(p[cls]);
}

/* Zeroing does not touch what the system has just zeroed, and large blocks are lazy. */
static void large(void)
{
	size_t size = 64UL << 20;
	long before = report_kib("VmRSS"), after;
	char *p = poolalloc_zalloc(size), *q = poolalloc_alloc(size);

	p[size / 2] = 1;
	q[size / 2] = 1;
	after = report_kib("VmRSS");
	if (!TAP_CHECK(after - before < 4096 + 2 * 2048))
		tap_diag("two large blocks, a byte of each used: %ld KiB", after - before);
	poolalloc_free(p);
	poolalloc_free(q);
}

/* Trim gives the pages of free pools in used arenas back, and what is live stays. */
static void trimmed(void)
{
	enum { N = 40000 };
	static unsigned char *p[N];
	size_t i, kept = 0, n = 0;
	struct pa_arena *arena = NULL;
	long full, rest;

	poolalloc_trim();
	for (i = 0; i < N; i++) {
		p[i] = poolalloc_alloc(200);
		memset(p[i], (int)i, 200);
	}
	full = report_kib("VmRSS");
	for (i = 0; i < N; i++)
		if (i % 1000)
			poolalloc_free(p[i]);
	poolalloc_trim();
	rest = report_kib("VmRSS");
	for (i = 0; i < N; i += 1000, kept++)
		TAP_CHECK(p[i][0] == (unsigned char)i && p[i][199] == (unsigned char)i);
	while ((arena = pa_arenas_next(pa_nodes[0], arena)))
		n += resident(pa_arena_base(arena), PA_ARENA_SIZE);
	tap_diag("%d blocks: %ld KiB; all but %zu freed and trimmed: %ld KiB, %zu pages in arenas", N,
		 full, kept, rest, n);
	/* A pool per live block, wholly resident at worst, and descriptors. */
	TAP_CHECK(n <= kept * (PA_POOL_SIZE / PAGE + 1) + pa_nodes[0]->arenas);
	TAP_CHECK(full - rest > (long)(N * 200 / 1024 / 2));
	for (i = 0; i < N; i += 1000)
		poolalloc_free(p[i]);
	poolalloc_trim();
	TAP_CHECK(report_accounts(0));
}

int main(void)
{
	if (sysconf(_SC_PAGESIZE) != PAGE)
		tap_skip_all("counts pages of 4 KiB");
	tap_start(6);
	tap_test("the first block takes two pages", first_block);
	tap_test("the tail of a pool is untouched", pool_tail);
	tap_test("the tail of a span is untouched", span_tail);
	tap_test("one block of each class", one_of_each);
	tap_test("large blocks", large);
	tap_test("trim gives pages of free pools back", trimmed);
	return tap_finish();
}
