/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The environment variable POOLALLOC: key=value,... One table, one parser,
 * used by the library (warns and goes on) and by the wrapper command (refuses).
 */
#ifndef PA_OPTIONS_H
#define PA_OPTIONS_H

#include "pa_platform.h"

#define PA_NEVER	UINT64_MAX

enum pa_thp {
	PA_THP_AUTO,	/* advise once the heap is large */
	PA_THP_ALWAYS,
	PA_THP_NEVER,
};

/**
 * struct pa_options - what POOLALLOC sets
 * @system: everything goes to libc
 * @stats: NULL, "exit" (report on stderr at exit) or the file to write to
 * @purge_delay: ms until unused memory is given back, PA_NEVER for never
 * @limit: most bytes mapped, PA_NEVER for no limit
 * @arena_reserve: wholly empty arenas that are kept beyond @purge_delay
 * @thp: huge pages
 * @fail_nth: the n-th mapping fails, and every n-th after it; 0: none
 */
struct pa_options {
	bool system;
	char stats[256];
	u64 purge_delay;
	u64 limit;
	u64 arena_reserve;
	enum pa_thp thp;
	u64 fail_nth;
};

extern struct pa_options pa_options;

bool pa_options_parse(struct pa_options *o, const char *text, char *error, size_t len);
void pa_options_init(void);

#endif
