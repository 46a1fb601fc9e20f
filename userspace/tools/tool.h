/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What the commands of poolalloc-trace share. */
#ifndef TOOL_H
#define TOOL_H

#include <stdio.h>

#include "trace_decode.h"

#define EXIT_USAGE	2

/* Each takes its own argv, [0] being the command's name, and returns an exit status. */
int cmd_record(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_dump(int argc, char **argv);
int cmd_replay(int argc, char **argv);

/* One line on stderr: "poolalloc-trace: ...". */
void __printf(1, 2) complain(const char *fmt, ...);

/* The same and a hint at the help. Returns EXIT_USAGE. */
int __printf(1, 2) usage_error(const char *fmt, ...);

/*
 * Feeds all of @path ("-" is standard input) to @decoder and finishes it.
 * Returns 0, or -1 after a message with the byte offset of the damage.
 */
int decode_file(struct pa_trace_decoder *decoder, const char *path);

#endif
