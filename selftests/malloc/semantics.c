// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * What glibc's malloc family promises. Runs with glibc's own, to keep the test
 * honest, and with poolalloc's.
 */
#include "tap.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <string.h>

#define TOO_MUCH	((size_t)PTRDIFF_MAX + 1)

static bool aligned(const void *p, size_t align)
{
	return !((uintptr_t)p & (align - 1));
}

/* All that malloc_usable_size() tells may be written. */
static bool fill(void *p, size_t at_least)
{
	size_t n = malloc_usable_size(p);

	memset(p, 0xa5, n);
	return n >= at_least;
}

static void test_zero_is_unique(void)
{
	void *p[100];
	int i, j;

	for (i = 0; i < 100; i++) {
		p[i] = i & 1 ? malloc(0) : calloc(i % 3 ? 0 : 7, 0);
		TAP_CHECK(p[i]);
		for (j = 0; j < i; j++)
			TAP_CHECK(p[i] != p[j]);
	}
	for (i = 0; i < 100; i++)
		free(p[i]);
}

static void test_alignment(void)
{
	size_t n;

	for (n = 0; n < 300000; n += n < 2100 ? 1 : n / 5) {
		void *p = malloc(n), *q = calloc(1, n), *r = realloc(NULL, n);

		TAP_CHECK(p && q && r);
		TAP_CHECK(aligned(p, n > 8 ? 16 : 8));
		TAP_CHECK(aligned(q, n > 8 ? 16 : 8));
		TAP_CHECK(aligned(r, n > 8 ? 16 : 8));
		TAP_CHECK(fill(p, n) && fill(q, n) && fill(r, n));
		free(p);
		free(q);
		free(r);
	}
}

static void test_too_much(void)
{
	static const size_t much[] = { TOO_MUCH, TOO_MUCH + 4096, SIZE_MAX - 4096, SIZE_MAX };
	char *p = malloc(100);
	size_t i;

	memset(p, 7, 100);
	for (i = 0; i < sizeof(much) / sizeof(much[0]); i++) {
		errno = 0;
		TAP_CHECK(!malloc(much[i]) && errno == ENOMEM);
		errno = 0;
		TAP_CHECK(!calloc(1, much[i]) && errno == ENOMEM);
		errno = 0;
		TAP_CHECK(!realloc(NULL, much[i]) && errno == ENOMEM);
		errno = 0;
		TAP_CHECK(!realloc(p, much[i]) && errno == ENOMEM);
		errno = 0;
		TAP_CHECK(!memalign(64, much[i]) && errno == ENOMEM);
		errno = 0;
		TAP_CHECK(!aligned_alloc(8192, much[i]) && errno == ENOMEM);
		errno = 0;
		TAP_CHECK(!valloc(much[i]) && errno == ENOMEM);
		errno = 0;
		TAP_CHECK(!pvalloc(much[i]) && errno == ENOMEM);
	}
	for (i = 0; i < 100; i++)
		TAP_CHECK(p[i] == 7);
	free(p);
}

/* Below the limit of PTRDIFF_MAX, but beyond any address space. */
static void test_huge(void)
{
	size_t n = (size_t)PTRDIFF_MAX;
	void *p;

	errno = 0;
	TAP_CHECK(!malloc(n) && errno == ENOMEM);
	errno = 0;
	TAP_CHECK(!malloc(n - 100) && errno == ENOMEM);
	errno = 0;
	TAP_CHECK(!calloc(1, n - 5000) && errno == ENOMEM);
	errno = 0;
	TAP_CHECK(!memalign(n / 2 + 1, 16) && errno == ENOMEM);
	errno = 0;
	TAP_CHECK(!memalign(n / 2 + 1, n - 1) && errno == ENOMEM);
	p = malloc(1 << 20);
	errno = 0;
	TAP_CHECK(!realloc(p, n - 100) && errno == ENOMEM);
	errno = 0;
	TAP_CHECK(!realloc(p, n / 2) && errno == ENOMEM);
	TAP_CHECK(fill(p, 1 << 20));
	free(p);
}

static void test_overflow(void)
{
	static const size_t n[][2] = {
		{ SIZE_MAX, 2 }, { 2, SIZE_MAX }, { SIZE_MAX / 2 + 1, 2 },
		{ (size_t)1 << 32, (size_t)1 << 32 }, { SIZE_MAX / 3, 4 },
	};
	char *p = malloc(10);
	size_t i;

	memset(p, 9, 10);
	for (i = 0; i < sizeof(n) / sizeof(n[0]); i++) {
		errno = 0;
		TAP_CHECK(!calloc(n[i][0], n[i][1]) && errno == ENOMEM);
		errno = 0;
		TAP_CHECK(!reallocarray(p, n[i][0], n[i][1]) && errno == ENOMEM);
		errno = 0;
		TAP_CHECK(!reallocarray(NULL, n[i][0], n[i][1]) && errno == ENOMEM);
	}
	for (i = 0; i < 10; i++)
		TAP_CHECK(p[i] == 9);
	p = reallocarray(p, 1000, 30);
	TAP_CHECK(p && p[9] == 9 && fill(p, 30000));
	free(p);
}

static void test_calloc_zeroes(void)
{
	size_t n, i;
	int round;

	for (n = 1; n < 3000000; n += n < 600 ? 1 : n / 3) {
		for (round = 0; round < 3; round++) {
			unsigned char *p = calloc(n, 1), any = 0;

			TAP_CHECK(p);
			for (i = 0; i < n; i++)
				any |= p[i];
			TAP_CHECK(!any);
			fill(p, n);
			free(p);
		}
	}
}

static void test_realloc_zero(void)
{
	void *p = malloc(100), *q;

	errno = 5;
	q = realloc(p, 0);
	TAP_CHECK(!q && errno == 5);
	p = malloc(1 << 20);
	TAP_CHECK(!realloc(p, 0));
	q = realloc(NULL, 0);
	TAP_CHECK(q);
	free(q);
	TAP_CHECK(!reallocarray(malloc(3), 0, 8));
	TAP_CHECK(!reallocarray(malloc(3), 8, 0));
}

static unsigned char pattern(size_t i)
{
	return (unsigned char)(i * 31 + (i >> 8));
}

static void test_realloc_keeps(void)
{
	static const size_t sizes[] = { 1, 8, 9, 16, 17, 100, 511, 512, 513, 700, 4000, 4096, 9000,
		30000, 32768, 32769, 70000, 131072, 131073, 262144, 262145, 1 << 20, 5 << 20 };
	const size_t n = sizeof(sizes) / sizeof(sizes[0]);
	size_t from, to, i;

	for (from = 0; from < n; from++) {
		for (to = 0; to < n; to++) {
			unsigned char *p = malloc(sizes[from]);
			size_t keep = sizes[from] < sizes[to] ? sizes[from] : sizes[to];

			for (i = 0; i < sizes[from]; i++)
				p[i] = pattern(i);
			p = realloc(p, sizes[to]);
			TAP_CHECK(p && aligned(p, sizes[to] > 8 ? 16 : 8));
			for (i = 0; i < keep && p[i] == pattern(i); i++)
				;
			TAP_CHECK(i == keep);
			TAP_CHECK(fill(p, sizes[to]));
			free(p);
		}
	}
}

/* Appending byte by byte, then a page at a time, and back. */
static void test_realloc_steps(void)
{
	unsigned char *p = NULL;
	size_t n, i;

	for (n = 1; n < 6000000; n += n < 5000 ? 1 : 4096 + n / 50) {
		p = realloc(p, n);
		TAP_CHECK(p);
		p[n - 1] = 77;
		p[0] = 78;
	}
	for (i = 0; i < 5000; i++)
		TAP_CHECK(p[i] == (i ? 77 : 78));
	for (; n > 100; n -= n / 7) {
		p = realloc(p, n);
		TAP_CHECK(p && p[0] == 78 && p[99] == 77);
	}
	free(p);
}

/* All that malloc_usable_size() says may be used, and comes along. */
static void test_realloc_usable(void)
{
	size_t n, have, i;

	for (n = 20; n < 3000000; n += n / 3) {
		unsigned char *p = realloc(malloc(n), n + n / 9);

		have = malloc_usable_size(p);
		TAP_CHECK(have >= n + n / 9);
		memset(p, 79, have);
		p = realloc(p, have + 1 + n / 2);
		for (i = 0; i < have && p[i] == 79; i++)
			;
		TAP_CHECK(i == have);
		free(p);
	}
}

static void test_posix_memalign(void)
{
	static const size_t bad[] = { 0, 1, 2, 4, 7, 9, 24, 4095, 12, SIZE_MAX };
	void *const before = (void *)16;
	void *p = before;
	size_t i, align;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		TAP_CHECK(posix_memalign(&p, bad[i], 10) == EINVAL && p == before);
	TAP_CHECK(posix_memalign(&p, 64, TOO_MUCH) == ENOMEM && p == before);
	TAP_CHECK(posix_memalign(&p, 64, SIZE_MAX) == ENOMEM && p == before);
	for (align = sizeof(void *); align <= 8 << 20; align *= 2) {
		for (i = 0; i < 200000; i = i * 3 + 1) {
			TAP_CHECK(!posix_memalign(&p, align, i));
			TAP_CHECK(p && aligned(p, align) && fill(p, i));
			free(p);
		}
	}
}

static void test_memalign_any(void)
{
	size_t align, power;

	for (align = 0; align < 70000; align += align < 70 ? 1 : align / 3) {
		char *p = memalign(align, 50), *q = aligned_alloc(align, align + 1);

		for (power = 16; power < align; power *= 2)
			;
		TAP_CHECK(p && aligned(p, power) && fill(p, 50));
		TAP_CHECK(q && aligned(q, power) && fill(q, align + 1));
		free(p);
		q = realloc(q, 3 * align + 100);
		TAP_CHECK(q && fill(q, 3 * align + 100));
		free(q);
	}
	errno = 0;
	TAP_CHECK(!memalign(TOO_MUCH + 1, 8) && errno == EINVAL);
	errno = 0;
	TAP_CHECK(!memalign(TOO_MUCH, 8) && errno == ENOMEM);
	errno = 0;
	TAP_CHECK(!memalign(SIZE_MAX, 8) && errno == EINVAL);
}

/* Aligned to an arena (256 KiB, 1 MiB) and more: many at once, in any order. */
static void test_aligned_to_arenas(void)
{
	unsigned char *p[40];
	int i;

	for (i = 0; i < 40; i++) {
		size_t align = (size_t)65536 << (i % 9), size = (size_t)i * i * 1000 + 1;

		p[i] = i & 1 ? memalign(align, size) : aligned_alloc(align, size);
		TAP_CHECK(p[i] && aligned(p[i], align) && fill(p[i], size));
		memset(p[i], i, size);
	}
	for (i = 0; i < 40; i += 2) {
		p[i] = realloc(p[i], (size_t)i * i * 2000 + 1);
		TAP_CHECK(p[i] && p[i][i * i * 1000] == i);
	}
	for (i = 39; i >= 0; i--) {
		TAP_CHECK(p[i][0] == i && p[i][i * i * 1000] == i);
		free(p[i]);
	}
}

static void test_valloc(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n;

	for (n = 0; n < 100000; n = n * 2 + 1) {
		void *p = valloc(n), *q = pvalloc(n);

		TAP_CHECK(p && aligned(p, page) && fill(p, n));
		TAP_CHECK(q && aligned(q, page) && fill(q, (n + page - 1) & ~(page - 1)));
		free(p);
		free(q);
	}
}

static void test_errno_stays(void)
{
	void *p, *q;

	errno = 77;
	p = malloc(10);
	q = malloc(10 << 20);
	TAP_CHECK(errno == 77);
	free(p);
	free(q);
	free(NULL);
	TAP_CHECK(errno == 77);
	p = memalign(1 << 20, 10);
	free(p);
	TAP_CHECK(errno == 77);
}

static void test_usable_size(void)
{
	void *p = malloc(1000);

	TAP_CHECK(!malloc_usable_size(NULL));
	TAP_CHECK(malloc_usable_size(p) >= 1000);
	free(p);
}

/* POOLALLOC=system: the numbers are libc's. */
static bool is_system;

static void test_mallinfo(void)
{
	struct mallinfo2 before = mallinfo2(), after;
	struct mallinfo old;
	char *p[1000], *large = malloc(3 << 20);
	int i;

	for (i = 0; i < 1000; i++)
		p[i] = malloc(1000);
	memset(large, 1, 3 << 20);
	after = mallinfo2();
	old = mallinfo();
	TAP_CHECK(after.uordblks + after.hblkhd >= before.uordblks + before.hblkhd + 4000000);
	/* glibc's threshold for mappings may have grown beyond this by now. */
	if (dlsym(RTLD_DEFAULT, "poolalloc_alloc") && !is_system)
		TAP_CHECK(after.hblks > before.hblks && after.hblkhd >= before.hblkhd + (3 << 20));
	TAP_CHECK(after.arena >= 1000000 && old.arena > 0 && old.uordblks > 0);
	for (i = 0; i < 1000; i++)
		free(p[i]);
	free(large);
	after = mallinfo2();
	TAP_CHECK(after.uordblks + after.hblkhd < before.uordblks + before.hblkhd + 1000000);
}

/* Tags open and close in order, attributes are quoted. Return: elements, -1 if not. */
static int xml_elements(const char *text)
{
	char stack[32][32];
	int depth = 0, count = 0;
	char name[32];
	int len;

	while ((text = strchr(text, '<'))) {
		const char *end = strchr(text, '>');
		const char *q;
		int quotes = 0;

		if (!end || sscanf(text, text[1] == '/' ? "</%30[a-z]%n" : "<%30[a-z]%n",
				   name, &len) < 1)
			return -1;
		for (q = text; q < end; q++)
			quotes += *q == '"';
		if (quotes % 2)
			return -1;
		if (text[1] == '/') {
			if (!depth || strcmp(stack[--depth], name))
				return -1;
		} else {
			count++;
			if (end[-1] != '/' && depth < 32)
				strcpy(stack[depth++], name);
		}
		text = end;
	}
	return depth ? -1 : count;
}

static void test_malloc_info(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	TAP_CHECK(malloc_info(1, f) != 0);
	fflush(f);
	TAP_CHECK(size == 0);
	TAP_CHECK(malloc_info(0, f) == 0);
	fclose(f);
	TAP_CHECK(!strncmp(text, "<malloc version=\"", 17));
	TAP_CHECK(xml_elements(text) >= 5);
	/* Whose it is; glibc alone says 1. */
	if (dlsym(RTLD_DEFAULT, "poolalloc_alloc"))
		TAP_CHECK(is_system == !strstr(text, "poolalloc"));
	free(text);
}

static void test_others(void)
{
	int ret;

	TAP_CHECK(mallopt(M_ARENA_MAX, 2) == 1);
	ret = malloc_trim(0);
	TAP_CHECK(ret == 0 || ret == 1);
	/* libc's reaches libc: what it has mapped from here on is a mapping of its own. */
	if (is_system) {
		struct mallinfo2 before = mallinfo2();
		void *p[200];
		int n = 0;

		TAP_CHECK(mallopt(M_MMAP_THRESHOLD, 4096) == 1);
		/* The first ones may still fit into what its heap has free. */
		do {
			p[n] = malloc(50000);
		} while (TAP_CHECK(p[n]) && mallinfo2().hblks == before.hblks && ++n < 200);
		TAP_CHECK(n < 200);
		for (n = n < 200 ? n : 199; n >= 0; n--)
			free(p[n]);
		TAP_CHECK(mallinfo2().hblks == before.hblks);
	}
	free(NULL);
}

struct held {
	unsigned char *p;
	size_t size;
	unsigned char tag;
};

static void fuzz_free(struct held *h)
{
	TAP_CHECK(h->p[0] == h->tag && h->p[h->size - 1] == h->tag &&
		  h->p[h->size / 2] == h->tag);
	free(h->p);
	h->p = NULL;
}

static void *fuzz_alloc(uint64_t r, size_t size)
{
	void *p = NULL;

	switch (r % 8) {
	case 0:
		return calloc(1, size);
	case 1:
		return memalign((size_t)1 << (r >> 8) % 20, size);
	case 2:
		return posix_memalign(&p, (size_t)8 << (r >> 8) % 14, size) ? NULL : p;
	case 3:
		return realloc(NULL, size);
	case 4:
		return aligned_alloc(64, size);
	default:
		return malloc(size);
	}
}

/* Everything at random against what was written; NULL is fine where it is expected. */
static void test_fuzz(void)
{
	static struct held held[2000];
	bool failing = getenv("POOLALLOC") && strstr(getenv("POOLALLOC"), "fail_nth");
	uint64_t seed = tap_seed();
	int i, nulls = 0;

	for (i = 0; i < 400000; i++) {
		uint64_t r = tap_random(&seed), bits = tap_random(&seed);
		struct held *h = &held[r % 2000];
		size_t power = bits % 32 ? 3 + bits % 11 : 3 + bits / 32 % 19;
		size_t size = 1 + (bits >> 8) % ((size_t)1 << power);
		unsigned char *p;

		if (h->p && r >> 32 & 1) {
			fuzz_free(h);
			continue;
		}
		p = h->p ? realloc(h->p, size) : fuzz_alloc(r >> 33, size);
		if (!p) {
			TAP_CHECK(failing && (h->p || errno == ENOMEM || r >> 33 & 7));
			nulls++;
			continue;
		}
		if (h->p)
			TAP_CHECK(p[0] == h->tag &&
				  p[(size < h->size ? size : h->size) - 1] == h->tag);
		h->p = p;
		h->size = size;
		h->tag = (unsigned char)r;
		memset(p, h->tag, size);
	}
	for (i = 0; i < 2000; i++)
		if (held[i].p)
			fuzz_free(&held[i]);
	tap_diag("%d allocations failed", nulls);
	TAP_CHECK(!failing == !nulls);
}

int main(int argc, char **argv)
{
	is_system = getenv("POOLALLOC") && !strcmp(getenv("POOLALLOC"), "system");
	tap_start(0);
	if (argc > 1 && !strcmp(argv[1], "fuzz")) {
		tap_test("all functions at random", test_fuzz);
		return tap_finish();
	}
	tap_test("blocks of 0 bytes are unique", test_zero_is_unique);
	tap_test("aligned to 16 above 8 bytes, all usable bytes may be written", test_alignment);
	tap_test("more than PTRDIFF_MAX is ENOMEM", test_too_much);
	tap_test("beyond any address space is ENOMEM", test_huge);
	tap_test("calloc and reallocarray see overflows", test_overflow);
	tap_test("calloc zeroes, also what was used before", test_calloc_zeroes);
	tap_test("realloc(p, 0) frees", test_realloc_zero);
	tap_test("realloc keeps the contents, between all kinds of sizes", test_realloc_keeps);
	tap_test("realloc in many steps", test_realloc_steps);
	tap_test("realloc keeps all usable bytes", test_realloc_usable);
	tap_test("posix_memalign", test_posix_memalign);
	tap_test("memalign and aligned_alloc with any alignment", test_memalign_any);
	tap_test("alignments of an arena and more", test_aligned_to_arenas);
	tap_test("valloc and pvalloc", test_valloc);
	tap_test("errno stays when nothing fails", test_errno_stays);
	tap_test("malloc_usable_size", test_usable_size);
	tap_test("mallinfo2 and mallinfo", test_mallinfo);
	tap_test("malloc_info is well-formed XML", test_malloc_info);
	tap_test("mallopt, malloc_trim", test_others);
	return tap_finish();
}
