/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Real threads for the threads of a trace. One runs at a time, in the trace's
 * order: what is exercised is not speed but blocks that are freed by another
 * thread than the one that made them.
 */
#ifndef REPLAY_THREADS_H
#define REPLAY_THREADS_H

#include "trace_host.h"

/* NULL after a message. */
void *replay_threads_start(void);
void replay_threads_stop(void *threads);

/* For struct pa_replay_host: runs on the thread of that number, made at first use. */
int replay_threads_run(void *threads, u32 thread, void (*fn)(void *arg), void *arg);

#endif
