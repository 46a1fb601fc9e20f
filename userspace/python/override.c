// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Will the interpreter choose its allocators itself?
 *
 * It does for PYTHONMALLOC and in development mode, when it has read the
 * environment and its arguments; by then it has allocated raw blocks.
 */
#define _GNU_SOURCE
#include "shim.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/**
 * struct shim_arguments - what the interpreter's arguments say
 * @dev: -X dev
 * @no_environment: -E or -I: the variables of Python are ignored
 */
struct shim_arguments {
	bool dev;
	bool no_environment;
};

static bool shim_set(const char *name)
{
	const char *value = getenv(name);

	return value && *value;
}

/* PYTHONDEVMODE=0 is off, as for Python's other flags. */
static bool shim_flag_set(const char *name)
{
	return shim_set(name) && strcmp(getenv(name), "0");
}

/* A program that embeds Python has arguments of its own. */
static bool shim_is_interpreter(void)
{
	char exe[4096];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *name;

	if (len <= 0)
		return false;
	exe[len] = '\0';
	name = strrchr(exe, '/');
	return name && !strncmp(name + 1, "python", 6);
}

/*
 * One argument, such as -BXdev or -X followed by dev.
 * Return: how many arguments it takes, 0 if it ends the options.
 */
static int shim_read_argument(struct shim_arguments *a, const char *arg, const char *next)
{
	if (!strcmp(arg, "--check-hash-based-pycs"))
		return 2;
	if (arg[0] != '-' || !arg[1] || arg[1] == '-')
		return 0;
	while (*++arg) {
		const char *value = arg[1] ? arg + 1 : next;

		switch (*arg) {
		case 'c':
		case 'm':
			return 0;
		case 'E':
		case 'I':
			a->no_environment = true;
			break;
		case 'X':
			a->dev |= value && !strcmp(value, "dev");
			return arg[1] ? 1 : 2;
		case 'W':
			return arg[1] ? 1 : 2;
		}
	}
	return 1;
}

static struct shim_arguments shim_read_arguments(int argc, char **argv)
{
	struct shim_arguments a = { false, false };
	int i, n;

	for (i = 1; shim_is_interpreter() && i < argc; i += n) {
		n = shim_read_argument(&a, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
		if (!n)
			break;
	}
	return a;
}

/**
 * shim_overridden() - what makes the interpreter replace our allocators
 * @o: what is to be installed
 * @argc: of main()
 * @argv: of main()
 *
 * Arenas stay whatever is chosen, and are of use unless pymalloc is not.
 *
 * Return: its name, or NULL.
 */
const char *shim_overridden(const struct shim_options *o, int argc, char **argv)
{
	struct shim_arguments a = shim_read_arguments(argc, argv);
	bool domains = o->domain[SHIM_RAW] || o->domain[SHIM_MEM] || o->domain[SHIM_OBJ];

	if (!a.no_environment && shim_set("PYTHONMALLOC")) {
		const char *value = getenv("PYTHONMALLOC");

		if (domains || !strncmp(value, "malloc", 6))
			return "PYTHONMALLOC";
		return NULL;
	}
	if (!domains)
		return NULL;
	if (a.dev)
		return "-X dev";
	return !a.no_environment && shim_flag_set("PYTHONDEVMODE") ? "PYTHONDEVMODE" : NULL;
}
