// SPDX-License-Identifier: GPL-2.0-only OR MIT
#define _GNU_SOURCE
#include "pa_options.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct pa_options pa_options = {
	.purge_delay = 1000,
	.limit = PA_NEVER,
	.arena_reserve = 4,
};

/* A piece of the text: a key, a value. */
struct pa_piece {
	const char *text;
	size_t len;
};

static bool pa_is(struct pa_piece p, const char *word)
{
	return p.len == strlen(word) && !memcmp(p.text, word, p.len);
}

static bool pa_parse_number(struct pa_piece v, u64 *out, bool suffixes)
{
	u64 n = 0;
	size_t i;

	for (i = 0; i < v.len && v.text[i] >= '0' && v.text[i] <= '9'; i++) {
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (u64)(v.text[i] - '0'), &n))
			return false;
	}
	if (!i)
		return false;
	if (suffixes && i + 1 == v.len) {
		static const char units[] = "KMGT";
		const char *unit = strchr(units, v.text[i] & ~0x20);

		if (!unit || !*unit)
			return false;
		if (__builtin_mul_overflow(n, 1ULL << (10 * (unit - units + 1)), &n))
			return false;
		i++;
	}
	*out = n;
	return i == v.len;
}

static bool pa_set_system(struct pa_options *o, struct pa_piece v)
{
	o->system = true;
	return !v.text || pa_is(v, "1") || pa_is(v, "on");
}

static bool pa_set_stats(struct pa_options *o, struct pa_piece v)
{
	if (!v.text || !v.len || v.len >= sizeof(o->stats))
		return false;
	memcpy(o->stats, v.text, v.len);
	o->stats[v.len] = '\0';
	return true;
}

static bool pa_set_delay(struct pa_options *o, struct pa_piece v)
{
	if (v.text && pa_is(v, "never")) {
		o->purge_delay = PA_NEVER;
		return true;
	}
	return v.text && pa_parse_number(v, &o->purge_delay, false);
}

static bool pa_set_limit(struct pa_options *o, struct pa_piece v)
{
	return v.text && pa_parse_number(v, &o->limit, true) && o->limit;
}

static bool pa_set_reserve(struct pa_options *o, struct pa_piece v)
{
	return v.text && pa_parse_number(v, &o->arena_reserve, false) &&
	       o->arena_reserve <= 1000000;
}

static bool pa_set_thp(struct pa_options *o, struct pa_piece v)
{
	if (!v.text)
		return false;
	if (pa_is(v, "auto"))
		o->thp = PA_THP_AUTO;
	else if (pa_is(v, "always"))
		o->thp = PA_THP_ALWAYS;
	else if (pa_is(v, "never"))
		o->thp = PA_THP_NEVER;
	else
		return false;
	return true;
}

static bool pa_set_fail_nth(struct pa_options *o, struct pa_piece v)
{
	return v.text && pa_parse_number(v, &o->fail_nth, false);
}

static bool pa_set_debug(struct pa_options *o, struct pa_piece v)
{
	(void)o;
	(void)v;
	return false;
}

static const struct pa_option {
	const char *key;
	bool (*set)(struct pa_options *o, struct pa_piece value);
	const char *values;
} pa_option_table[] = {
	{ "system", pa_set_system, "no value: everything goes to libc" },
	{ "stats", pa_set_stats, "exit or a file name" },
	{ "purge_delay", pa_set_delay, "milliseconds or never" },
	{ "limit", pa_set_limit, "bytes, with K, M, G or T, not 0" },
	{ "arena_reserve", pa_set_reserve, "a number of arenas, at most 1000000" },
	{ "thp", pa_set_thp, "auto, always or never" },
	{ "fail_nth", pa_set_fail_nth, "a number, 0 for never" },
	{ "debug", pa_set_debug, "reserved, not available in this version" },
};

/* Appends to a message that may be cut, but always ends. */
static void pa_append(char *to, size_t size, const char *text, size_t len)
{
	size_t have = strlen(to);

	if (have + len >= size)
		len = size - have - 1;
	memcpy(to + have, text, len);
	to[have + len] = '\0';
}

static void pa_add(char *to, size_t size, const char *text)
{
	pa_append(to, size, text, strlen(text));
}

static void pa_unknown(struct pa_piece key, char *error, size_t len)
{
	size_t i;

	pa_add(error, len, "POOLALLOC: unknown key '");
	pa_append(error, len, key.text, key.len);
	pa_add(error, len, "'; known are");
	for (i = 0; i < sizeof(pa_option_table) / sizeof(pa_option_table[0]); i++) {
		pa_add(error, len, i ? ", " : " ");
		pa_add(error, len, pa_option_table[i].key);
	}
}

static bool pa_set_one(struct pa_options *o, struct pa_piece key,
		       struct pa_piece value, char *error, size_t len)
{
	struct pa_options old = *o;
	size_t i;

	for (i = 0; i < sizeof(pa_option_table) / sizeof(pa_option_table[0]); i++) {
		const struct pa_option *opt = &pa_option_table[i];

		if (!pa_is(key, opt->key))
			continue;
		if (opt->set(o, value))
			return true;
		*o = old;
		pa_add(error, len, "POOLALLOC: bad value '");
		pa_append(error, len, value.text ? value.text : "", value.len);
		pa_add(error, len, "' for ");
		pa_add(error, len, opt->key);
		pa_add(error, len, "; it takes ");
		pa_add(error, len, opt->values);
		return false;
	}
	pa_unknown(key, error, len);
	return false;
}

/**
 * pa_options_parse() - read a list of key=value
 * @o: gets what is set; keys that are not named stay
 * @text: the list, separated by commas
 * @error: gets a message about the first mistake
 * @len: size of @error
 *
 * Allocates nothing. After a mistake the other keys are still set.
 * Return: false if there was a mistake.
 */
bool pa_options_parse(struct pa_options *o, const char *text, char *error, size_t len)
{
	char again[2];
	bool good = true;

	error[0] = '\0';
	while (*text) {
		size_t n = strcspn(text, ",");
		const char *eq = memchr(text, '=', n);
		struct pa_piece key = { text, eq ? (size_t)(eq - text) : n };
		struct pa_piece value = { NULL, 0 };

		if (eq) {
			value.text = eq + 1;
			value.len = n - key.len - 1;
		}
		again[0] = '\0';
		if (n && !pa_set_one(o, key, value, good ? error : again,
				     good ? len : sizeof(again)))
			good = false;
		text += n;
		text += *text == ',';
	}
	return good;
}

/**
 * pa_options_init() - read the environment variable POOLALLOC
 *
 * Programs that run with other rights than their caller's ignore it. A
 * mistake is one line on stderr, and the default is used.
 */
void pa_options_init(void)
{
	const char *text = secure_getenv("POOLALLOC");
	char error[512];

	if (!text || pa_options_parse(&pa_options, text, error, sizeof(error) - 40))
		return;
	pa_add(error, sizeof(error), "; the default is used\n");
	if (write(STDERR_FILENO, error, strlen(error)) < 0)
		return;
}
