// SPDX-License-Identifier: GPL-2.0-only
/*
 * Wrong use, on purpose. The script counts the reports.
 */
#include <linux/err.h>
#include <linux/list.h>
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

void test_misuse(unsigned long which)
{
	static void (*const wrong[])(void) = {
		free_static, free_stack, free_kmalloc, free_vmalloc, free_nonsense,
		free_middle, free_stale, free_twice, free_twice_later,
	};

	if (which < ARRAY_SIZE(wrong))
		wrong[which]();
}
