/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What a test knows about the live blocks, independently of the allocator: who they are, that no two
 * share a byte, and what was written into them.
 *
 * An oracle belongs to one thread. Its own memory comes from libc.
 */
#ifndef POOLALLOC_ORACLE_H
#define POOLALLOC_ORACLE_H

#include <string.h>

#include "../tap.h"

#define ORACLE_REGION	(1UL << 20)	/* bytes that one bitmap stands for */
#define ORACLE_WORDS	(ORACLE_REGION / 8 / 64)
#define ORACLE_BUCKETS	1024
#define ORACLE_EDGE	1024		/* of long blocks only the edges are filled and compared */

struct oracle_region {
	struct oracle_region *next;
	uintptr_t base;
	uint64_t used[ORACLE_WORDS];	/* a bit per 8 bytes */
};

struct oracle_block {
	unsigned char *p;
	size_t size;
	size_t asked;
	uint64_t tag;
	unsigned int group;		/* for the test: class, thread ... */
	bool seen;
};

struct oracle {
	struct oracle_block *block;
	size_t n, room;
	uint64_t tags;
	struct oracle_region *region[ORACLE_BUCKETS];
};

static inline struct oracle_region *oracle_region(struct oracle *o, uintptr_t addr)
{
	uintptr_t base = addr & ~(ORACLE_REGION - 1);
	struct oracle_region **head = &o->region[(base / ORACLE_REGION) % ORACLE_BUCKETS];
	struct oracle_region *r = *head;

	while (r && r->base != base)
		r = r->next;
	if (r)
		return r;
	r = calloc(1, sizeof(*r));
	if (!r)
		tap_bail_out("out of memory for the oracle");
	r->base = base;
	r->next = *head;
	*head = r;
	return r;
}

/* Marks or unmarks the bytes of a block. Return: how many granules were as they should not be. */
static inline size_t oracle_mark(struct oracle *o, const void *p, size_t size, bool used)
{
	uintptr_t addr = (uintptr_t)p, end = addr + size;
	struct oracle_region *r = NULL;
	size_t wrong = 0;

	for (; addr < end; addr += 8) {
		size_t bit = (addr & (ORACLE_REGION - 1)) / 8;
		uint64_t mask = UINT64_C(1) << (bit % 64);

		if (!r || !bit)
			r = oracle_region(o, addr);
		wrong += !!(r->used[bit / 64] & mask) == used;
		if (used)
			r->used[bit / 64] |= mask;
		else
			r->used[bit / 64] &= ~mask;
	}
	return wrong;
}

static inline unsigned char oracle_byte(uint64_t tag, size_t i)
{
	return (unsigned char)((tag * UINT64_C(0x9e3779b97f4a7c15) >> 32) + i);
}

static inline size_t oracle_skip(size_t i, size_t size)
{
	return i == ORACLE_EDGE && size > 2 * ORACLE_EDGE ? size - ORACLE_EDGE : i;
}

static inline void oracle_fill(unsigned char *p, size_t size, uint64_t tag)
{
	size_t i;

	for (i = 0; i < size; i = oracle_skip(i + 1, size))
		p[i] = oracle_byte(tag, i);
}

/* Return: the first offset that does not hold what was written, or @size. */
static inline size_t oracle_compare(const unsigned char *p, size_t size, uint64_t tag)
{
	size_t i;

	for (i = 0; i < size; i = oracle_skip(i + 1, size))
		if (p[i] != oracle_byte(tag, i))
			return i;
	return size;
}

/* A new block of @size usable bytes: must not overlap. All of it is written. */
static inline bool oracle_add(struct oracle *o, void *p, size_t asked, size_t size, unsigned int group)
{
	struct oracle_block *b;
	size_t wrong;

	if (o->n == o->room) {
		o->room = o->room ? o->room * 2 : 1024;
		o->block = realloc(o->block, o->room * sizeof(*o->block));
		if (!o->block)
			tap_bail_out("out of memory for the oracle");
	}
	b = &o->block[o->n++];
	*b = (struct oracle_block){ .p = p, .size = size, .asked = asked, .group = group,
				    .tag = ++o->tags };
	oracle_fill(b->p, size, b->tag);
	wrong = oracle_mark(o, p, size, true);
	if (wrong)
		tap_diag("block %p of %zu bytes: %zu of its bytes belong to a live block", p, size,
			 wrong * 8);
	return TAP_CHECK(!wrong);
}

static inline bool oracle_intact(const struct oracle_block *b)
{
	size_t at = oracle_compare(b->p, b->size, b->tag);

	if (at != b->size)
		tap_diag("block %p of %zu bytes: byte %zu is 0x%02x, 0x%02x was written", (void *)b->p,
			 b->size, at, b->p[at], oracle_byte(b->tag, at));
	return TAP_CHECK(at == b->size);
}

/* Forgets a block that is about to be freed. Return: it. */
static inline void *oracle_del(struct oracle *o, size_t i)
{
	struct oracle_block b = o->block[i];

	oracle_intact(&b);
	TAP_CHECK(!oracle_mark(o, b.p, b.size, false));
	o->block[i] = o->block[--o->n];
	return b.p;
}

static inline int oracle_order(const void *a, const void *b)
{
	const struct oracle_block *x = a, *y = b;

	return x->p < y->p ? -1 : x->p > y->p;
}

/* A visitor for walks: @ctx is the oracle, sorted by oracle_walk_start(). */
static inline int oracle_visit(void *ctx, void *p, size_t size)
{
	struct oracle *o = ctx;
	struct oracle_block key = { .p = p };
	struct oracle_block *b = bsearch(&key, o->block, o->n, sizeof(key), oracle_order);

	if (!b || b->size != size || b->seen)
		tap_diag("the walk visits %p of %zu bytes: %s", p, size,
			 !b ? "not live" : b->seen ? "the second time" : "wrong size");
	TAP_CHECK(b && b->size == size && !b->seen);
	if (b)
		b->seen = true;
	return 0;
}

static inline void oracle_walk_start(struct oracle *o)
{
	size_t i;

	if (o->n)
		qsort(o->block, o->n, sizeof(*o->block), oracle_order);
	for (i = 0; i < o->n; i++)
		o->block[i].seen = false;
}

static inline void oracle_walk_end(struct oracle *o)
{
	size_t i, missed = 0;

	for (i = 0; i < o->n; i++)
		missed += !o->block[i].seen;
	if (missed)
		tap_diag("the walk missed %zu of %zu live blocks", missed, o->n);
	TAP_CHECK(!missed);
}

static inline void oracle_done(struct oracle *o)
{
	size_t i;

	for (i = 0; i < ORACLE_BUCKETS; i++) {
		struct oracle_region *r = o->region[i];

		while (r) {
			struct oracle_region *next = r->next;

			free(r);
			r = next;
		}
	}
	free(o->block);
	*o = (struct oracle){ 0 };
}

#endif
