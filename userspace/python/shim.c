// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Preloaded into CPython: its memory domains, or pymalloc's arenas, come from
 * poolalloc.
 *
 * When a preloaded object's constructor runs, the interpreter has been mapped
 * and relocated, but has not run an instruction: its allocators are static
 * data, and no block has been allocated through them. So everything that is
 * ever freed through the new ones was allocated by them. They stay unless the
 * interpreter is told to choose others, which it does after its first raw
 * blocks: then nothing is installed in the first place (see override.c).
 *
 * In programs that are not Python, the weak symbols are NULL.
 */
#define _GNU_SOURCE
#include "shim.h"

#include <stdlib.h>

extern void PyMem_GetAllocator(int domain, struct shim_allocator *a) __attribute__((weak));
extern void PyMem_SetAllocator(int domain, const struct shim_allocator *a) __attribute__((weak));
extern void PyObject_SetArenaAllocator(const struct shim_arena_allocator *a)
	__attribute__((weak));

static const char *const shim_domain_names[SHIM_DOMAINS] = { "raw", "mem", "obj" };
static struct shim_options shim_options;
static const struct shim_allocator *shim_chosen;
static bool shim_installed;

static const struct shim_allocator *shim_choose(void)
{
	const struct shim_allocator *other = shim_other_allocator(shim_options.align8);

	if (other)
		return other;
	return shim_options.align8 ? &shim_allocator_align8 : &shim_allocator;
}

static void shim_install(void)
{
	unsigned int i;

	if (shim_options.arenas) {
		PyObject_SetArenaAllocator(&shim_arena_allocator);
		if (shim_options.verbose)
			shim_say("pymalloc's arenas are poolalloc's", "", "");
	}
	shim_chosen = shim_choose();
	for (i = 0; i < SHIM_DOMAINS; i++) {
		if (!shim_options.domain[i])
			continue;
		PyMem_SetAllocator((int)i, shim_chosen);
		if (shim_options.verbose)
			shim_say("domain ", shim_domain_names[i], " is poolalloc's");
	}
	shim_installed = true;
}

__attribute__((constructor)) static void shim_start(int argc, char **argv)
{
	const char *text = secure_getenv("POOLALLOC_PYTHON");
	const char *why;

	if (!PyMem_SetAllocator || !PyMem_GetAllocator || !PyObject_SetArenaAllocator)
		return;
	if (!shim_options_read(&shim_options, text && *text ? text : "mem,obj"))
		return;
	why = shim_overridden(&shim_options, argc, argv);
	if (why) {
		shim_say(why, " chooses Python's allocators: poolalloc is not used", "");
		return;
	}
	shim_install();
}

/* Somebody else may have replaced ours later: an embedding program, a module. */
__attribute__((destructor)) static void shim_end(void)
{
	struct shim_allocator now;
	unsigned int i;

	for (i = 0; shim_installed && i < SHIM_DOMAINS; i++) {
		if (!shim_options.domain[i])
			continue;
		PyMem_GetAllocator((int)i, &now);
		if (now.malloc != shim_chosen->malloc)
			shim_say("domain ", shim_domain_names[i],
				 " was given another allocator while the program ran");
	}
}
