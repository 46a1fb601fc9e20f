// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * pair WHAT N: N times allocate 64 bytes, write a byte, free. budgets.sh counts its instructions.
 */
#include <stdlib.h>
#include <string.h>

#ifdef INLINE
#include "poolalloc_static.h"
#elif defined(NATIVE)
#include "poolalloc.h"
#endif

#define SIZE	64

/* What the loop itself costs: the same without calls. */
static void nothing(long n)
{
	static char block[SIZE];

	while (n--) {
		char *p = block;

		__asm__ volatile("" : "+r"(p));
		*(volatile char *)p = 1;
	}
}

static void libc_pair(long n)
{
	while (n--) {
		char *p = malloc(SIZE);

		*(volatile char *)p = 1;
		free(p);
	}
}

/* A thousand live blocks, replaced in a scattered order. */
static void libc_replace(long n)
{
	static char *live[1000];
	unsigned int at = 1;

	while (n--) {
		at = at * 7 % 1009 % 1000;
		free(live[at]);
		live[at] = malloc(SIZE);
		*(volatile char *)live[at] = 1;
		at += at == 0;
	}
}

/* A block that stays where it is. */
static void libc_resize(long n)
{
	char *p = NULL;

	while (n--) {
		p = realloc(p, SIZE - (size_t)n % 4);
		*(volatile char *)p = 1;
	}
	free(p);
}

/* One that moves each time. */
static void libc_move(long n)
{
	char *p = NULL;

	while (n--) {
		p = realloc(p, n % 2 ? SIZE : 4 * SIZE);
		*(volatile char *)p = 1;
	}
	free(p);
}

#ifdef NATIVE
static void native_constant(long n)
{
	while (n--) {
		char *p = poolalloc_alloc(SIZE);

		*(volatile char *)p = 1;
		poolalloc_free(p);
	}
}

static void native_variable(long n)
{
	volatile size_t size = SIZE;

	while (n--) {
		size_t s = size;
		char *p = poolalloc_alloc(s);

		*(volatile char *)p = 1;
		poolalloc_free_sized(p, s);
	}
}
#endif

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(long n);
	} what[] = {
		{ "nothing", nothing },
		{ "libc", libc_pair },
		{ "replace", libc_replace },
		{ "resize", libc_resize },
		{ "move", libc_move },
#ifdef NATIVE
		{ "constant", native_constant },
		{ "variable", native_variable },
#endif
	};
	size_t i;

	for (i = 0; argc == 3 && i < sizeof(what) / sizeof(what[0]); i++)
		if (!strcmp(what[i].name, argv[1])) {
			what[i].run(1000);
			what[i].run(atol(argv[2]));
			return 0;
		}
	return 2;
}
