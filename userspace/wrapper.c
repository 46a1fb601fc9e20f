// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * poolalloc [key=value...] -- COMMAND [ARGUMENT...]
 *
 * Runs a program on libpoolalloc-malloc.so: appends it to LD_PRELOAD and the
 * keys to POOLALLOC, after checking them.
 */
#define _GNU_SOURCE
#include "pa_options.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LIBRARY "libpoolalloc-malloc.so"

static const char usage[] =
	"usage: poolalloc [key=value...] -- COMMAND [ARGUMENT...]\n"
	"Runs COMMAND with poolalloc in place of malloc.\n"
	"  system               off: everything goes to libc\n"
	"  stats=exit|FILE      statistics at exit, on stderr or appended to FILE\n"
	"  purge_delay=MS|never idle memory is given back after MS (1000)\n"
	"  limit=SIZE           most memory mapped, with K, M, G or T\n"
	"  arena_reserve=N      empty arenas kept for good (4)\n"
	"  thp=auto|always|never  huge pages\n"
	"  fail_nth=N           every N-th mapping fails (for tests)\n";

/* Appends @more to an environment variable that is a list. */
static int append_env(const char *name, const char *more, const char *separator)
{
	const char *old = getenv(name);
	char *text;
	int ret;

	if (!old || !*old)
		return setenv(name, more, 1);
	if (asprintf(&text, "%s%s%s", old, separator, more) < 0)
		return -1;
	ret = setenv(name, text, 1);
	free(text);
	return ret;
}

/* The library beside this program, or in ../lib, or wherever ld.so finds it. */
static const char *find_library(void)
{
	static const char *const places[] = { "/" LIBRARY, "/../lib/" LIBRARY,
					      "/../lib/poolalloc/" LIBRARY };
	static char path[PATH_MAX + 64];
	ssize_t len = readlink("/proc/self/exe", path, PATH_MAX);
	char *slash;
	size_t i;

	if (len <= 0)
		return LIBRARY;
	path[len] = '\0';
	slash = strrchr(path, '/');
	for (i = 0; slash && i < sizeof(places) / sizeof(places[0]); i++) {
		memcpy(slash, places[i], strlen(places[i]) + 1);
		if (!access(path, R_OK))
			return path;
	}
	return LIBRARY;
}

static int check_option(const char *arg)
{
	struct pa_options scratch = pa_options;
	char error[512];

	if (pa_options_parse(&scratch, arg, error, sizeof(error)))
		return 0;
	fprintf(stderr, "poolalloc: %s\n", error);
	return 2;
}

int main(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			fputs(usage, stdout);
			return 0;
		}
		if (check_option(argv[i]))
			return 2;
		if (append_env("POOLALLOC", argv[i], ",")) {
			perror("poolalloc: setenv");
			return 2;
		}
	}
	if (i + 1 >= argc) {
		fprintf(stderr, "poolalloc: no command; %s", usage);
		return 2;
	}
	if (getenv("POOLALLOC") && check_option(getenv("POOLALLOC")))
		return 2;
	if (append_env("LD_PRELOAD", find_library(), ":")) {
		perror("poolalloc: setenv");
		return 2;
	}
	execvp(argv[i + 1], argv + i + 1);
	fprintf(stderr, "poolalloc: %s: %s\n", argv[i + 1], strerror(errno));
	return errno == ENOENT ? 127 : 126;
}
