// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * include/poolalloc_static.h: what is allocated inline may be freed by the library's functions, and
 * the reverse, by any thread, and nothing is lost. (poolalloc_free)(p) is the function, not the macro.
 * test-kselftest: yes
 */
#ifndef PA_GEOMETRY_MODERN
#define POOLALLOC_POOL_SHIFT 12
#endif
#include "poolalloc_static.h"

#include "shared/report.h"

#define LIVE	3000

struct block {
	unsigned char *p;
	size_t size;
	unsigned char tag;
};

static struct block live[LIVE];
static uint64_t rng;

static void put(struct block *b, size_t size)
{
	uint64_t r = tap_random(&rng);

	b->size = size;
	b->tag = (unsigned char)(r >> 8);
	switch (r % 4) {
	case 0:
		b->p = (poolalloc_alloc)(size);
		break;
	case 1:
		b->p = poolalloc_zalloc(size);
		break;
	default:
		b->p = poolalloc_alloc(size);
	}
	if (!TAP_CHECK(b->p && poolalloc_usable_size(b->p) >= size))
		return;
	if (r % 4 == 1 && size)
		TAP_CHECK(!b->p[0] && !b->p[size / 2] && !b->p[size - 1]);
	memset(b->p, b->tag, size);
}

static void drop(struct block *b)
{
	uint64_t r = tap_random(&rng);

	if (b->p && b->size)
		TAP_CHECK(b->p[0] == b->tag && b->p[b->size / 2] == b->tag && b->p[b->size - 1] == b->tag);
	if (r % 4 == 0)
		(poolalloc_free)(b->p);
	else if (r % 4 == 1)
		poolalloc_free_sized(b->p, b->size);
	else
		poolalloc_free(b->p);
	b->p = NULL;
}

static void drop_all(void)
{
	size_t i;

	for (i = 0; i < LIVE; i++)
		drop(&live[i]);
}

static void *replace(void *arg)
{
	long i, n = tap_scaled(400000, 5000);

	for (i = 0; i < n; i++) {
		struct block *b = &live[tap_random(&rng) % LIVE];

		drop(b);
		put(b, tap_random(&rng) % (i % 100 ? 600 : 40000));
	}
	return arg;
}

static void mixed(void)
{
	replace(NULL);
	drop_all();
	TAP_CHECK(report_accounts(0));
}

/* What a thread has left behind is freed by another one. */
static void other_thread(void)
{
	pthread_t thread;
	int i;

	for (i = 0; i < 3; i++) {
		if (!TAP_CHECK(!pthread_create(&thread, NULL, replace, NULL)))
			return;
		pthread_join(thread, NULL);
	}
	drop_all();
	poolalloc_trim();
	TAP_CHECK(report_accounts(0));
}

/* Blocks of constant size, and the types that a compiler may tell apart. */
static void constant(void)
{
	long i;

	for (i = 0; i < 1000; i++) {
		double *d = poolalloc_alloc(sizeof(*d));
		int *n = poolalloc_zalloc(64 * sizeof(*n));

		if (!TAP_CHECK(d && n))
			return;
		*d = (double)i;
		TAP_CHECK(!n[0] && !n[63] && *d == (double)i);
		n[0] = (int)i;
		poolalloc_free(d);
		TAP_CHECK(n[0] == i);
		poolalloc_free_sized(n, 64 * sizeof(*n));
	}
	poolalloc_free(NULL);
	poolalloc_free_sized(NULL, 8);
	TAP_CHECK(report_accounts(0));
}

static int compare(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)*(void *const *)a, y = (uintptr_t)*(void *const *)b;

	return (x > y) - (x < y);
}

/*
 * Of @n blocks the last one is freed twice in a row: it is told, and handed out once. Not if the
 * bin has become full in between, so not after blocks of random sizes.
 */
static void twice(size_t n)
{
	static void *p[LIVE];
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = poolalloc_alloc(48);
	for (i = 0; i < n; i++)
		poolalloc_free(p[i]);
	poolalloc_free(p[n - 1]);
	for (i = 0; i < n; i++)
		p[i] = poolalloc_alloc(48);
	qsort(p, n, sizeof(*p), compare);
	for (i = 1; i < n; i++)
		TAP_CHECK(p[i] != p[i - 1]);
	for (i = 0; i < n; i++)
		poolalloc_free(p[i]);
	TAP_CHECK(report_accounts(0));
}

static void freed_twice(void)
{
	twice(2);
	/* More than a bin takes: the last ones go to their pools. */
	twice(LIVE);
}

int main(void)
{
	tap_start(4);
	rng = tap_seed();
	tap_test("a block that is freed twice in a row", freed_twice);
	tap_test("blocks of constant size", constant);
	tap_test("inline and called, mixed", mixed);
	tap_test("blocks of a thread that has ended", other_thread);
	return tap_finish();
}
