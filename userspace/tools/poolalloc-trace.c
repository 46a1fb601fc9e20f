// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* poolalloc-trace: record, describe and replay a program's allocations. */
#include "tool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

static const char help_text[] =
"poolalloc-trace - record, describe and replay a program's memory allocations\n"
"\n"
"SYNOPSIS\n"
"    poolalloc-trace record -o FILE -- COMMAND [ARGUMENT]...\n"
"    poolalloc-trace info FILE\n"
"    poolalloc-trace dump FILE\n"
"    poolalloc-trace replay [OPTION]... FILE\n"
"\n"
"record\n"
"    Runs COMMAND and writes to FILE every call of malloc, calloc, realloc, free\n"
"    and the aligned family: size, thread and order. COMMAND must be dynamically\n"
"    linked and not setuid. What is recorded is the process that is started and,\n"
"    if it executes other programs in turn, the last of them (so env, nice and\n"
"    shell wrappers that use exec are fine). Its children are not recorded: a\n"
"    forked child stops recording. The exit status is COMMAND's own (128 + the\n"
"    signal that killed it), 125 when recording failed, 126 or 127 when COMMAND\n"
"    could not be started.\n"
"    -o FILE          the trace; it is replaced only by a complete one\n"
"\n"
"info\n"
"    Prints counts by call, sizes, threads and the peak.\n"
"\n"
"dump\n"
"    Prints every record as a line: number, thread, call, object, size.\n"
"\n"
"replay\n"
"    Performs the calls again, writing a pattern into each block and checking it\n"
"    when the block ends. Prints time, live blocks by size class and failures.\n"
"    --malloc         call malloc and its family (so LD_PRELOAD can choose one)\n"
"                     instead of poolalloc's native functions\n"
"    --stop-at-peak   stop where the most objects are live\n"
"    --repeat N       N times in all; each must give the same result\n"
"    --threads        the trace's threads as real threads, in the trace's order\n"
"    --limit BYTES    count larger requests, and leave them out\n"
"    --copy           do realloc as allocate, copy, free\n"
"    --no-check       write and check no pattern, for timing\n"
"    --stats          poolalloc's statistics after each run\n"
"\n"
"FILE may be - for standard input, except for --repeat. A damaged or truncated\n"
"file is an error that names the byte offset. The format is described in\n"
"TRACE-FORMAT.md.\n"
"\n"
"EXIT STATUS\n"
"    0 success, 1 failure, 2 wrong usage; of record, see above.\n";

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
	{ "record", cmd_record },
	{ "info", cmd_info },
	{ "dump", cmd_dump },
	{ "replay", cmd_replay },
};

static void complain_args(const char *fmt, va_list args)
{
	fflush(stdout);
	fputs("poolalloc-trace: ", stderr);
	vfprintf(stderr, fmt, args);
}

void complain(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain_args(fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

int usage_error(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain_args(fmt, args);
	va_end(args);
	fputs("; see poolalloc-trace --help\n", stderr);
	return EXIT_USAGE;
}

static void complain_decode(const struct pa_trace_decoder *d, const char *path)
{
	complain("%s: byte %llu: %s", path, (unsigned long long)d->error_offset,
		 pa_trace_strerror(d->error));
}

static int feed(struct pa_trace_decoder *d, FILE *file)
{
	static char buf[65536];
	size_t n;

	while ((n = fread(buf, 1, sizeof(buf), file)))
		if (pa_trace_decode(d, buf, n))
			return 0;
	return ferror(file) ? -1 : 0;
}

int decode_file(struct pa_trace_decoder *d, const char *path)
{
	bool is_stdin = !strcmp(path, "-");
	FILE *file = is_stdin ? stdin : fopen(path, "rb");
	int err;

	if (!file) {
		complain("cannot open %s: %s", path, strerror(errno));
		return -1;
	}
	err = feed(d, file);
	if (err)
		complain("cannot read %s: %s", path, strerror(errno));
	if (!is_stdin)
		fclose(file);
	if (err)
		return -1;
	pa_trace_decode_finish(d);
	if (d->error == PA_TRACE_OK || d->error == PA_TRACE_STOPPED)
		return 0;
	complain_decode(d, path);
	return -1;
}

int main(int argc, char **argv)
{
	int status = -1;

	if (argc < 2)
		return usage_error("no command given");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		fputs(help_text, stdout);
		status = 0;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands) && status < 0; i++)
		if (!strcmp(argv[1], commands[i].name))
			status = commands[i].run(argc - 1, argv + 1);
	if (status < 0)
		return usage_error("unknown command '%s'", argv[1]);
	if (fflush(stdout) || ferror(stdout)) {
		complain("cannot write the output: %s", strerror(errno));
		return 1;
	}
	return status;
}
