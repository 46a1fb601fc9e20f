// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reports of wrong use: one each, then the machine goes on.
 */
#include <linux/module.h>
#include <linux/ratelimit.h>
#include <linux/stacktrace.h>

#include "pa_kmod.h"

#define PA_TRACE_DEPTH	12

static bool pa_panic_on_corruption;
module_param_named(panic_on_corruption, pa_panic_on_corruption, bool, 0644);
MODULE_PARM_DESC(panic_on_corruption, "Stop the machine when a wrong pointer is freed or a free list is damaged (default 0: report, leak the block, go on)");

/* Who called into the module: the first return address outside of it. */
static unsigned long pa_caller(void)
{
	unsigned long trace[PA_TRACE_DEPTH];
	unsigned int i, n = stack_trace_save(trace, ARRAY_SIZE(trace), 1);

	for (i = 0; i < n; i++)
		if (!within_module(trace[i], THIS_MODULE))
			return trace[i];
	return _RET_IP_;
}

/**
 * pa_corrupt() - report a wrong pointer or a damaged list
 * @why: what is wrong
 * @p: the pointer
 *
 * Context: any.
 */
void pa_corrupt(const char *why, const void *p)
{
	static DEFINE_RATELIMIT_STATE(limit, 5 * HZ, 10);
	unsigned long caller;

	if (!__ratelimit(&limit))
		return;
	caller = pa_caller();
	if (pa_panic_on_corruption)
		panic("poolalloc: %s: %p, called from %pS\n", why, p, (void *)caller);
	pr_err("BUG: %s: %p, called from %pS\n", why, p, (void *)caller);
}
