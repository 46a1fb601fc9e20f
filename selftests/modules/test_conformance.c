// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_conformance: runs conformance.h when it is loaded; a line per test in the log.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/poolalloc.h>
#include <linux/printk.h>
#include <linux/types.h>

static ulong seed = 1;
module_param(seed, ulong, 0444);
MODULE_PARM_DESC(seed, "Start of the random sequence");

static uint scale = 1;
module_param(scale, uint, 0444);
MODULE_PARM_DESC(scale, "Divisor for the length of the random sequence (default 1)");

static unsigned int broken;

static bool conf_check_at(bool holds, const char *what, int line)
{
	if (!holds && ++broken <= 10)
		pr_info("# line %d: does not hold: %s\n", line, what);
	return holds;
}

#define conf_u64		u64
#define CONF_STEPS		(60000 / max(scale, 1U))
#define CONF_CHECK(cond)	conf_check_at(!!(cond), #cond, __LINE__)
#define CONF_ALLOC(size)	poolalloc_alloc(size, GFP_KERNEL)
#define CONF_ZALLOC(size)	poolalloc_zalloc(size, GFP_KERNEL)
#define CONF_BULK(size, n, out)	poolalloc_alloc_bulk(size, GFP_KERNEL, n, out)
#define CONF_FREE(p)		poolalloc_free(p)
#define CONF_FREE_SIZED(p, size)	poolalloc_free_sized(p, size)
#define CONF_FREE_BULK(n, ptrs)	poolalloc_free_bulk(n, ptrs)
#define CONF_SIZE(p)		poolalloc_size(p)
#define CONF_TRIM()		poolalloc_trim()
#include "conformance.h"

static int __init test_init(void)
{
	int i;

	conf_state = seed;
	for (i = 0; i < ARRAY_SIZE(conf_tests); i++) {
		broken = 0;
		conf_tests[i].run();
		pr_info("%s %s\n", broken ? "not ok" : "ok", conf_tests[i].name);
	}
	return 0;
}

static void __exit test_exit(void)
{
}

module_init(test_init);
module_exit(test_exit);

MODULE_DESCRIPTION("What poolalloc promises in the kernel and in userspace");
MODULE_AUTHOR("The poolalloc authors");
MODULE_LICENSE("GPL");
