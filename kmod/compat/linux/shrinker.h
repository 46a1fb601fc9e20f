/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PA_COMPAT_SHRINKER_H
#define PA_COMPAT_SHRINKER_H

#include_next <linux/shrinker.h>
#include <linux/version.h>

/* Since 6.7 shrinkers are allocated; before, their user did that. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
#include <linux/slab.h>

static inline struct shrinker *shrinker_alloc(unsigned int flags, const char *name)
{
	struct shrinker *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (s) {
		s->flags = flags;
		s->seeks = DEFAULT_SEEKS;
	}
	return s;
}

/* Without memory for its counters it stays unregistered, which is harmless. */
static inline void shrinker_register(struct shrinker *s)
{
	if (register_shrinker(s, "poolalloc"))
		pr_warn("poolalloc: no memory for the shrinker, going on without\n");
}

static inline void shrinker_free(struct shrinker *s)
{
	unregister_shrinker(s);
	kfree(s);
}
#endif

#endif
