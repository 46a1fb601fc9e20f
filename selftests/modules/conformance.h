/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What both worlds promise, as one source: test_conformance.ko and the userspace test conformance.c
 * include it after they have said how to call the allocator:
 *
 *   CONF_ALLOC(size) CONF_ZALLOC(size) CONF_BULK(size, n, out)   in any flags of that world
 *   CONF_FREE CONF_FREE_SIZED CONF_FREE_BULK CONF_SIZE CONF_TRIM  as in the public header
 *   CONF_CHECK(cond)   silent when it holds
 *   conf_u64           a 64-bit unsigned type
 *   CONF_STEPS         length of the random sequence
 */
#ifndef POOLALLOC_CONFORMANCE_H
#define POOLALLOC_CONFORMANCE_H

#define CONF_LARGEST	32768
#define CONF_LIVE	512

struct conf_block {
	unsigned char *p;
	size_t asked;
	size_t usable;
	unsigned char tag;
};

static struct conf_block conf_live[CONF_LIVE];
static void *conf_out[CONF_LIVE];
static conf_u64 conf_state;

/* A plain LCG: the two worlds must draw the same numbers. */
static unsigned int conf_random(unsigned int below)
{
	conf_state = conf_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned int)(conf_state >> 33) % below;
}

/* The documented rounding: steps of 8 up to 512, then eight classes per doubling. */
static size_t conf_rounded(size_t size)
{
	size_t step = 8;

	if (!size)
		return 8;
	while (size > 512 && step * 16 < size)
		step *= 2;
	if (size > 512 && step < 64)
		step = 64;
	return (size + step - 1) / step * step;
}

static void conf_fill(const struct conf_block *b)
{
	size_t i;

	for (i = 0; i < b->usable; i++)
		b->p[i] = (unsigned char)(b->tag + i);
}

static void conf_intact(const struct conf_block *b)
{
	size_t i;

	for (i = 0; i < b->usable; i++)
		if (!CONF_CHECK(b->p[i] == (unsigned char)(b->tag + i)))
			return;
}

static void conf_new(struct conf_block *b, void *p, size_t asked)
{
	size_t natural;

	b->p = NULL;
	if (!CONF_CHECK(p))
		return;
	b->p = p;
	b->asked = asked;
	b->usable = CONF_SIZE(p);
	b->tag = (unsigned char)conf_random(256);
	CONF_CHECK(b->usable == conf_rounded(asked));
	natural = b->usable & -b->usable;
	CONF_CHECK(!((uintptr_t)p & ((natural > 4096 ? 4096 : natural) - 1)));
	conf_fill(b);
}

static void conf_drop(struct conf_block *b)
{
	if (!b->p)
		return;
	conf_intact(b);
	if (b->tag & 1)
		CONF_FREE(b->p);
	else
		CONF_FREE_SIZED(b->p, b->asked);
	b->p = NULL;
}

static void conf_sizes(void)
{
	struct conf_block a, b;
	size_t size;

	for (size = 0; size <= CONF_LARGEST; size += size < 1100 ? 1 : 97) {
		conf_new(&a, CONF_ALLOC(size), size);
		conf_new(&b, CONF_ALLOC(size), size);
		CONF_CHECK(a.p != b.p);
		conf_drop(&a);
		conf_drop(&b);
	}
	conf_new(&a, CONF_ALLOC(CONF_LARGEST), CONF_LARGEST);
	conf_drop(&a);
}

static void conf_zeros(void)
{
	size_t size, i;

	for (size = 1; size <= CONF_LARGEST; size += 1 + size / 9) {
		struct conf_block dirty;
		unsigned char *p;

		conf_new(&dirty, CONF_ALLOC(size), size);
		conf_drop(&dirty);
		p = CONF_ZALLOC(size);
		if (!CONF_CHECK(p))
			continue;
		for (i = 0; i < size && !p[i]; i++)
			;
		CONF_CHECK(i == size);
		CONF_FREE(p);
	}
}

static void conf_nothing(void)
{
	void *none[2] = { NULL, NULL };
	volatile size_t huge = ~(size_t)0;	/* a compiler would refuse the constant */

	CONF_FREE(NULL);
	CONF_FREE_SIZED(NULL, 100);
	CONF_FREE_BULK(2, none);
	CONF_FREE_BULK(0, none);
	CONF_CHECK(CONF_SIZE(NULL) == 0);
	CONF_CHECK(CONF_BULK(64, 0, none) == 0 && !none[0]);
	CONF_CHECK(!CONF_ALLOC(huge));
	CONF_CHECK(!CONF_ALLOC(huge - 4096));
	CONF_CHECK(CONF_BULK(huge, 1, none) == 0);
}

static void conf_bulk(void)
{
	unsigned int size, i, n;

	for (size = 1; size <= CONF_LARGEST; size += 1 + size / 3) {
		n = CONF_BULK(size, 100, conf_out);
		CONF_CHECK(n == 100);
		for (i = 0; i < n; i++)
			conf_new(&conf_live[i], conf_out[i], size);
		for (i = 0; i < n; i++)
			conf_intact(&conf_live[i]);
		CONF_FREE(conf_out[n / 2]);
		conf_out[n / 2] = NULL;
		CONF_FREE_BULK(n, conf_out);
	}
}

static void conf_sequence(void)
{
	unsigned int i, step;

	for (i = 0; i < CONF_LIVE; i++)
		conf_live[i].p = NULL;
	for (step = 0; step < CONF_STEPS; step++) {
		struct conf_block *b = &conf_live[conf_random(CONF_LIVE)];
		size_t size = conf_random(conf_random(16) ? 520 : CONF_LARGEST + 1);

		if (b->p)
			conf_drop(b);
		else
			conf_new(b, CONF_ALLOC(size), size);
		if (step % 5000 == 4999)
			CONF_TRIM();
	}
	for (i = 0; i < CONF_LIVE; i++)
		conf_drop(&conf_live[i]);
}

static const struct {
	const char *name;
	void (*run)(void);
} conf_tests[] = {
	{ "every size rounds as documented, all of it is usable", conf_sizes },
	{ "zeroed blocks", conf_zeros },
	{ "NULL, nothing, too much", conf_nothing },
	{ "bulk", conf_bulk },
	{ "a random sequence", conf_sequence },
};

#endif
