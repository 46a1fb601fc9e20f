/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* From the raw events of a recorded process to a trace. */
#ifndef MERGE_H
#define MERGE_H

#include "trace_encode.h"
#include "trace_raw.h"

/*
 * Encodes the @count events at @event, which are in ticket order. Returns 0,
 * or -1 with errno ENOMEM.
 */
int merge_events(struct pa_trace_encoder *e, struct trace_raw_event *event, u64 count,
		 u32 threads);

#endif
