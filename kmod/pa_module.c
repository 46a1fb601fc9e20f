// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading and unloading, and the parameters that both worlds' core knows.
 */
#include <linux/module.h>

#include "pa_kmod.h"

#define PA_RESERVE_MAX	1024

/*
 * A user whose memory goes up and down by one arena would otherwise get and
 * give back 256 KiB each time.
 */
module_param_named(reserve, pa_reserve, uint, 0444);
MODULE_PARM_DESC(reserve, "Wholly empty arenas that each node keeps, 0 to 1024 (default 1)");

/* As /proc/slabinfo: it tells a stranger how the kernel uses memory. */
static bool pa_world_readable;
module_param_named(world_readable, pa_world_readable, bool, 0444);
MODULE_PARM_DESC(world_readable, "Let everybody read /proc/poolalloc (default 0: root only)");

static int __init pa_params_check(void)
{
	if (pa_reserve > PA_RESERVE_MAX) {
		pr_err("reserve=%u is too much, give 0 to %u\n", pa_reserve, PA_RESERVE_MAX);
		return -EINVAL;
	}
	if (pa_max_arenas && pa_reserve > pa_max_arenas) {
		pr_err("reserve=%u is more than max_arenas=%u allows\n",
		       pa_reserve, pa_max_arenas);
		return -EINVAL;
	}
	if (pa_spare > PA_SPARE_MAX) {
		pr_err("spare=%u is too much, give 0 to %u\n", pa_spare, PA_SPARE_MAX);
		return -EINVAL;
	}
	return 0;
}

static int __init pa_init(void)
{
	int ret = pa_params_check();

	if (ret)
		return ret;
	pa_class_init();
	ret = pa_slab_init();
	if (ret)
		goto no_slab;
	ret = pa_leak_init();
	if (ret)
		goto no_cpus;
	pa_careful_init();
	pa_api_init();
	ret = pa_cpus_init();
	if (ret)
		goto no_cpus;
	ret = pa_rcu_init();
	if (ret)
		goto no_rcu;
	ret = pa_pressure_init();
	if (ret)
		goto no_pressure;
	ret = pa_proc_init(pa_world_readable ? 0444 : 0400);
	if (ret)
		goto no_proc;
	if (static_key_enabled(&pa_slab_on))
		pr_info("loaded, backend slab: a kmem_cache per size class\n");
	else
		pr_info("loaded, geometry %s: arenas of %lu KiB, pools of %lu KiB\n",
			PA_GEOMETRY, PA_ARENA_SIZE / 1024, PA_POOL_SIZE / 1024);
	return 0;

no_proc:
	pa_pressure_exit();
no_pressure:
	pa_rcu_exit();
no_rcu:
	pa_cpus_exit();
	pa_nodes_exit();
no_cpus:
	pa_slab_exit();
no_slab:
	pr_err("cannot load: error %d\n", ret);
	return ret;
}

static void __exit pa_exit(void)
{
	pa_proc_exit();
	pa_pressure_exit();
	pa_rcu_exit();
	pa_cpus_exit();
	pa_nodes_exit();
	pa_slab_exit();
	pr_info("unloaded\n");
}

module_init(pa_init);
module_exit(pa_exit);

MODULE_DESCRIPTION("Per-CPU pool allocator for small objects");
MODULE_AUTHOR("The poolalloc authors");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1");
