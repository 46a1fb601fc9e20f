// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * dlopen() without RTLD_DEEPBIND.
 *
 * A library that is loaded with this flag, as all of PHP's modules are, finds
 * libc's malloc and free before those that were preloaded, while the program
 * and all else use ours: the first block that one side has allocated and the
 * other one frees ends the program. So the flag is taken away. What it is for,
 * that a library finds its own functions before others of the same name, is
 * lost for that library.
 *
 * dlopen() finds libraries by who calls it ($ORIGIN, RUNPATH, namespaces): the
 * real one must see the caller's return address, so it is jumped to. Without a
 * way to write that down, on other machines, the flag stays.
 */
#define _GNU_SOURCE
#include "pa_user.h"

#ifdef __x86_64__
#include <dlfcn.h>

typedef void *(*pa_dlopen_fn)(const char *file, int mode);

__attribute__((visibility("default"))) void *dlopen(const char *file, int mode);

/* Of the assembly below. */
extern pa_dlopen_fn pa_dlopen_next __attribute__((visibility("hidden")));
extern int pa_dlopen_mask __attribute__((visibility("hidden")));
__attribute__((visibility("hidden"), used)) pa_dlopen_fn pa_dlopen_find(void);

pa_dlopen_fn pa_dlopen_next;	/* the real one, once it is known */
int pa_dlopen_mask = -1;

static void *pa_dlopen_none(const char *file, int mode)
{
	(void)file;
	(void)mode;
	return NULL;
}

/* Not before the first call: at a program's start it would be page faults for nothing. */
pa_dlopen_fn pa_dlopen_find(void)
{
	pa_dlopen_fn next = (pa_dlopen_fn)dlsym(RTLD_NEXT, "dlopen");

	pa_start();
	if (!next)
		return pa_dlopen_none;
	if (!pa_system)
		WRITE_ONCE(pa_dlopen_mask, ~RTLD_DEEPBIND);
	/* Who finds the function finds the mask. Pairs with dlopen(), whose two loads x86 keeps in order. */
	smp_store_release(&pa_dlopen_next, next);
	return next;
}

__attribute__((naked)) void *dlopen(const char *file __attribute__((unused)),
				    int mode __attribute__((unused)))
{
	__asm__("endbr64\n\t"
		"movq	pa_dlopen_next(%rip), %rax\n\t"
		"testq	%rax, %rax\n\t"
		"jne	1f\n\t"
		"pushq	%rdi\n\t"
		"pushq	%rsi\n\t"
		"subq	$8, %rsp\n\t"
		"call	pa_dlopen_find\n\t"
		"addq	$8, %rsp\n\t"
		"popq	%rsi\n\t"
		"popq	%rdi\n"
		"1:	andl	pa_dlopen_mask(%rip), %esi\n\t"
		"jmp	*%rax");
}
#endif
