// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * liburcu's fork hooks, made recursive.
 *
 * An application that uses liburcu's bp flavour calls urcu_bp_before_fork()
 * before fork(), and so do our own fork handlers; but what it locks may be
 * locked only once. These functions stand in front of liburcu's and count by
 * thread: only a thread's outermost call goes on to liburcu.
 *
 * The shared libraries export them, which serves every application that finds
 * them before liburcu's own. In a static program the linker puts them in front,
 * by --wrap (for that the archives have them with PA_WRAP).
 */
#define _GNU_SOURCE
#include "pa_user.h"

/* liburcu's. Found early: in a forked child the dynamic linker may be locked. */
static void (*pa_next_before)(void);
static void (*pa_next_parent)(void);
static void (*pa_next_child)(void);

#ifdef PA_WRAP
#define PA_HOOK(name)	__wrap_##name
#define PA_BEFORE	"__wrap_urcu_bp_before_fork"

void __real_urcu_bp_before_fork(void);
void __real_urcu_bp_after_fork_parent(void);
void __real_urcu_bp_after_fork_child(void);

static void pa_hooks_find(void)
{
	pa_next_before = __real_urcu_bp_before_fork;
	pa_next_parent = __real_urcu_bp_after_fork_parent;
	pa_next_child = __real_urcu_bp_after_fork_child;
}
#else
#include <dlfcn.h>
#define PA_HOOK(name)	name
#define PA_BEFORE	"urcu_bp_before_fork"

static void pa_hooks_find(void)
{
	*(void **)&pa_next_parent = dlsym(RTLD_NEXT, "urcu_bp_after_fork_parent");
	*(void **)&pa_next_child = dlsym(RTLD_NEXT, "urcu_bp_after_fork_child");
	*(void **)&pa_next_before = dlsym(RTLD_NEXT, "urcu_bp_before_fork");
}
#endif

#define PA_EXPORT(name)	__attribute__((visibility("default"))) void PA_HOOK(name)(void)

PA_EXPORT(urcu_bp_before_fork);
PA_EXPORT(urcu_bp_after_fork_parent);
PA_EXPORT(urcu_bp_after_fork_child);

__attribute__((constructor)) static void pa_hooks_start(void)
{
	pa_start();
	pa_hooks_find();
}

/* Signals are blocked from liburcu's call on, so that no handler sees a wrong count. */
void PA_HOOK(urcu_bp_before_fork)(void)
{
	if (!pa_next_before)
		pa_hooks_find();
	if (!pa_thread.hooks)
		pa_next_before();
	pa_thread.hooks++;
}

static bool pa_hooks_outermost(void)
{
	return !pa_thread.hooks || !--pa_thread.hooks;
}

void PA_HOOK(urcu_bp_after_fork_parent)(void)
{
	if (pa_hooks_outermost())
		pa_next_parent();
}

void PA_HOOK(urcu_bp_after_fork_child)(void)
{
	if (pa_hooks_outermost())
		pa_next_child();
}

/* The fork handlers compare its address: is this the function in front? */
void pa_hook_before_fork(void) __attribute__((alias(PA_BEFORE)));
