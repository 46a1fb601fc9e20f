// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* The environment variable POOLALLOC_PYTHON: words, separated by commas. */
#include "shim.h"

#include <string.h>
#include <unistd.h>

/* One line on stderr, in one piece. Allocates nothing. */
void shim_say(const char *first, const char *second, const char *third)
{
	const char *const parts[] = { "poolalloc: python: ", first, second, third };
	char line[512];
	size_t len = 0, i, n;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		n = strlen(parts[i]);
		if (n > sizeof(line) - 1 - len)
			n = sizeof(line) - 1 - len;
		memcpy(line + len, parts[i], n);
		len += n;
	}
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}

static bool shim_option_set(struct shim_options *o, const char *word, size_t len)
{
	const struct {
		const char *word;
		bool *set;
	} table[] = {
		{ "raw", &o->domain[SHIM_RAW] },
		{ "mem", &o->domain[SHIM_MEM] },
		{ "obj", &o->domain[SHIM_OBJ] },
		{ "arenas", &o->arenas },
		{ "align8", &o->align8 },
		{ "verbose", &o->verbose },
	};
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strlen(table[i].word) != len || memcmp(table[i].word, word, len))
			continue;
		*table[i].set = true;
		return true;
	}
	return false;
}

/**
 * shim_options_read() - read POOLALLOC_PYTHON
 * @o: zeroed
 * @text: its value
 *
 * Return: false after a mistake, which has been told.
 */
bool shim_options_read(struct shim_options *o, const char *text)
{
	const char *const whole = text;
	size_t n;

	for (; *text; text += n, text += *text == ',') {
		n = strcspn(text, ",");
		if (n && !shim_option_set(o, text, n)) {
			shim_say("POOLALLOC_PYTHON=", whole, ": known are raw, mem, obj, arenas, "
				 "align8, verbose; poolalloc is not used");
			return false;
		}
	}
	if (o->arenas && o->domain[SHIM_OBJ]) {
		shim_say("POOLALLOC_PYTHON=", whole, ": arenas are for pymalloc, which obj "
			 "replaces; give one of them; poolalloc is not used");
		return false;
	}
	if (!o->arenas && !o->domain[SHIM_RAW] && !o->domain[SHIM_MEM] &&
	    !o->domain[SHIM_OBJ]) {
		o->domain[SHIM_MEM] = true;
		o->domain[SHIM_OBJ] = true;
	}
	return true;
}
