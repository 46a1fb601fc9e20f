/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Reading the library's statistics: the structure, and the text line by line.
 */
#ifndef POOLALLOC_TEST_REPORT_H
#define POOLALLOC_TEST_REPORT_H

#include <string.h>

#include "../tap.h"
#include "poolalloc.h"

/* Nobody else allocates or frees: every byte is where it should be, and @live small blocks live. */
static inline TAP_UNUSED bool report_accounts(uint64_t live)
{
	struct poolalloc_stats s;
	uint64_t sum;

	if (!TAP_CHECK(!poolalloc_stats(&s)))
		return false;
	sum = s.live_bytes + s.free_bytes + s.descriptor_bytes + s.uncarved_bytes;
	if (sum != s.arenas * s.arena_bytes || s.live_blocks != live)
		tap_diag("%" PRIu64 " arenas of %" PRIu64 " = live %" PRIu64 " + free %" PRIu64
			 " + descriptors %" PRIu64 " + uncarved %" PRIu64 "; %" PRIu64 " live blocks, %"
			 PRIu64 " expected", s.arenas, s.arena_bytes, s.live_bytes, s.free_bytes,
			 s.descriptor_bytes, s.uncarved_bytes, s.live_blocks, live);
	return TAP_CHECK(sum == s.arenas * s.arena_bytes && s.live_blocks == live);
}

/* Blocks in use of the class of @size bytes, of all threads. UINT64_MAX: not known. */
static inline TAP_UNUSED uint64_t report_live_blocks(uint64_t size)
{
	struct poolalloc_stats s;
	size_t i;

	if (poolalloc_stats(&s))
		return UINT64_MAX;
	for (i = 0; i < POOLALLOC_CLASSES; i++)
		if (s.cls[i].size == size)
			return s.cls[i].live;
	return UINT64_MAX;
}

/* A figure of this process in /proc/self/status, in KiB. */
static inline TAP_UNUSED long report_kib(const char *name)
{
	char line[256];
	long kib = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
			kib = strtol(line + strlen(name) + 1, NULL, 10);
	if (f)
		fclose(f);
	return kib;
}

/* Under a sanitizer or valgrind the process's memory is mostly not the allocator's. */
static inline TAP_UNUSED bool report_memory_is_ours(void)
{
	const char *variant = getenv("TEST_VARIANT");

	return !variant || (!strstr(variant, "asan") && !strstr(variant, "tsan") &&
			    !strstr(variant, "valgrind"));
}

#endif
