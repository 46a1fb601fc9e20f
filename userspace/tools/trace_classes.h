/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Size classes as rows of a table, for sizes that any allocator may give:
 * steps of 8 up to 512 bytes, then eight per doubling up to 64 bits. Up to
 * 128 KiB these are poolalloc's own classes. Shared by info and both replayers.
 */
#ifndef TRACE_CLASSES_H
#define TRACE_CLASSES_H

#include "trace_host.h"

#define PA_TRACE_CLASSES	(64 + 8 * 55)

static inline unsigned int pa_trace_class(u64 size)
{
	unsigned int log;

	if (size <= 512)
		return size ? (size - 1) / 8 : 0;
	log = 63 - __builtin_clzll(size - 1);
	return 64 + (log - 9) * 8 + ((size - 1) >> (log - 3)) - 8;
}

/* The largest size of the class; the very last one wraps to 0. */
static inline u64 pa_trace_class_size(unsigned int cls)
{
	unsigned int step = (cls - 64) % 8, log = (cls - 64) / 8 + 9;

	if (cls < 64)
		return (cls + 1) * 8;
	return (u64)(step + 9) << (log - 3);
}

#endif
