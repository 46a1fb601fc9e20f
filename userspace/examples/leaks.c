// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * What is still allocated? Walks over the live blocks and prints those that
 * look like strings. Blocks of a walk can be used like any others.
 */
#include <poolalloc.h>
#include <stdio.h>
#include <string.h>

static int show(void *ctx, void *block, size_t size)
{
	unsigned int *found = ctx;

	++*found;
	printf("%4zu bytes: %.*s\n", size, (int)size, (const char *)block);
	return 0;
}

static char *copy(const char *text)
{
	char *to = poolalloc_alloc(strlen(text) + 1);

	return to ? strcpy(to, text) : NULL;
}

int main(void)
{
	unsigned int found = 0;
	char *freed = copy("this one is freed");

	if (!freed || !copy("a leak") || !copy("and another one, a little longer"))
		return 1;
	poolalloc_free(freed);
	poolalloc_walk(show, &found);
	printf("%u live blocks\n", found);
	return 0;
}
