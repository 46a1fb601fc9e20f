// SPDX-License-Identifier: GPL-2.0-only
/*
 * Wrong use, on purpose. The script counts the reports.
 */
#include <linux/err.h>
#include <linux/list.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "test.h"

static int in_module;

/* Not as a tail call: the report names who calls poolalloc_free(). */
#define wrong_free(p) do {	\
	poolalloc_free(p);	\
	barrier();		\
} while (0)

static noinline void free_static(void)
{
	wrong_free(&in_module);
}

static noinline void free_stack(void)
{
	int on_stack = 0;

	OPTIMIZER_HIDE_VAR(on_stack);
	wrong_free(&on_stack);
}

static noinline void free_kmalloc(void)
{
	void *p = kmalloc(100, GFP_KERNEL);

	wrong_free(p);
	kfree(p);
}

static noinline void free_vmalloc(void)
{
	void *p = vmalloc(PAGE_SIZE);

	wrong_free(p);
	vfree(p);
}

static noinline void free_nonsense(void)
{
	wrong_free(ERR_PTR(-ENOMEM));
	wrong_free(LIST_POISON1);
}

static noinline void free_middle(void)
{
	char *p = poolalloc_alloc(64, GFP_KERNEL);
	char *big = poolalloc_alloc(20000, GFP_KERNEL);

	wrong_free(big + 16384);
	wrong_free(big);
	poolalloc_free_bulk(1, (void **)&p);
}

static noinline void free_stale(void)
{
	void *p = poolalloc_alloc(8000, GFP_KERNEL);

	wrong_free(p);
	poolalloc_trim();
	wrong_free(p);
}

static noinline void free_twice(void)
{
	void *p = poolalloc_alloc(64, GFP_KERNEL);

	wrong_free(p);
	wrong_free(p);
}

static noinline void free_twice_later(void)
{
	void *a = poolalloc_alloc(64, GFP_KERNEL), *b = poolalloc_alloc(64, GFP_KERNEL);

	wrong_free(a);
	wrong_free(b);
	wrong_free(a);
}

/* Of a pool of this CPU's own. */
static noinline void free_middle_own(void)
{
	char *p = poolalloc_alloc(64, GFP_KERNEL);

	wrong_free(p + 8);
	wrong_free(p);
}

#define MANY	600

/* Not the first or last ones: those may stay at hand, and are not looked at. */
static noinline void free_middle_later(void)
{
	char **p = kcalloc(MANY, sizeof(*p), GFP_KERNEL);
	unsigned int i;

	if (!p)
		return;
	preempt_disable();
	poolalloc_alloc_bulk(64, GFP_NOWAIT, MANY, (void **)p);
	for (i = 0; i < MANY; i++)
		poolalloc_free(p[i] + (i == MANY / 2 ? 8 : 0));
	poolalloc_alloc_bulk(64, GFP_NOWAIT, MANY, (void **)p);
	poolalloc_free_bulk(MANY, (void **)p);
	preempt_enable();
	kfree(p);
}

void test_misuse(unsigned long which)
{
	static void (*const wrong[])(void) = {
		free_static, free_stack, free_kmalloc, free_vmalloc, free_nonsense,
		free_middle, free_stale, free_twice, free_twice_later, free_middle_own,
		free_middle_later,
	};

	/* What is noticed at once is so on the CPU that did it. */
	migrate_disable();
	if (which < ARRAY_SIZE(wrong))
		wrong[which]();
	migrate_enable();
}
