// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* poolalloc-trace replay: a trace against poolalloc or against malloc. */
#include "tool.h"

#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "poolalloc.h"
#include "replay_threads.h"
#include "trace_replay.h"

struct options {
	const char *path;
	unsigned long repeat;
	u64 limit;
	bool malloc;
	bool stop_at_peak;
	bool threads;
	bool copy;
	bool no_check;
	bool stats;
};

static void *native_aligned(size_t align, size_t size)
{
	return poolalloc_alloc_aligned(align, size);
}

static size_t native_usable(void *p)
{
	return poolalloc_usable_size(p);
}

static const struct pa_replay_ops native_ops = {
	.alloc = poolalloc_alloc,
	.zalloc = poolalloc_zalloc,
	.aligned = native_aligned,
	.realloc = poolalloc_realloc,
	.free = poolalloc_free,
	.usable = native_usable,
};

static void *malloc_zalloc(size_t size)
{
	return calloc(1, size);
}

static void *malloc_aligned(size_t align, size_t size)
{
	void *p;

	/* posix_memalign() is the one that every libc has; it wants a pointer's alignment. */
	return posix_memalign(&p, align < sizeof(p) ? sizeof(p) : align, size) ? NULL : p;
}

static const struct pa_replay_ops malloc_ops = {
	.alloc = malloc,
	.zalloc = malloc_zalloc,
	.aligned = malloc_aligned,
	.realloc = realloc,
	.free = free,
	.usable = malloc_usable_size,
};

/* Tables are mapped, not allocated: malloc may be what is under test. */
struct table {
	size_t bytes;
	char data[];
};

static void *table_alloc(size_t bytes)
{
	struct table *t;

	bytes += sizeof(*t);
	t = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (t == MAP_FAILED)
		return NULL;
	t->bytes = bytes;
	return t->data;
}

static void table_free(void *data)
{
	struct table *t;

	if (!data)
		return;
	t = (struct table *)((char *)data - offsetof(struct table, data));
	munmap(t, t->bytes);
}

static int stop_here(void *ctx)
{
	(void)ctx;
	return 1;
}

static void __printf(2, 3) print(void *ctx, const char *fmt, ...)
{
	va_list args;

	(void)ctx;
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
}

static void write_stats(void *ctx, const char *text, size_t len)
{
	fwrite(text, 1, len, ctx);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Only the replay is timed, not the reading. */
static int feed_file(struct pa_replay *r, const char *path, double *seconds)
{
	static char buf[65536];
	bool is_stdin = !strcmp(path, "-");
	FILE *file = is_stdin ? stdin : fopen(path, "rb");
	double start;
	size_t n;
	int err = 0;

	if (!file) {
		complain("cannot open %s: %s", path, strerror(errno));
		return -1;
	}
	while (!err && (n = fread(buf, 1, sizeof(buf), file))) {
		start = now();
		err = pa_replay_feed(r, buf, n);
		*seconds += now() - start;
	}
	if (!err && ferror(file))
		complain("cannot read %s: %s", path, strerror(errno));
	err = ferror(file) ? -1 : 0;
	if (!is_stdin)
		fclose(file);
	return err;
}

static int judge(const struct pa_replay *r, const char *path)
{
	const struct pa_trace_decoder *d = &r->decoder;

	if (r->error)
		complain("%s: record %llu, object %u: %s", path,
			 (unsigned long long)r->error_record, r->error_slot,
			 pa_replay_strerror(r->error));
	else if (d->error && d->error != PA_TRACE_STOPPED)
		complain("%s: byte %llu: %s", path, (unsigned long long)d->error_offset,
			 pa_trace_strerror(d->error));
	else if (r->result.failed)
		complain("%s: %llu requests got no memory", path,
			 (unsigned long long)r->result.failed);
	else
		return 0;
	return -1;
}

static int replay_once(const struct options *o, struct pa_replay_result *result)
{
	static struct pa_replay r;
	struct pa_replay_ops ops = o->malloc ? malloc_ops : native_ops;
	struct pa_replay_host host = { .table = table_alloc, .table_free = table_free };
	double seconds = 0;
	int err;

	if (o->copy)
		ops.realloc = NULL;
	if (o->stop_at_peak)
		host.at_peak = stop_here;
	if (o->threads) {
		host.run = replay_threads_run;
		host.ctx = replay_threads_start();
		if (!host.ctx)
			return -1;
	}
	r = (struct pa_replay){ .ops = &ops, .host = &host, .limit = o->limit,
				.check = !o->no_check };
	pa_replay_init(&r);
	err = feed_file(&r, o->path, &seconds);
	if (!err) {
		pa_replay_finish(&r);
		err = judge(&r, o->path);
	}
	if (!err) {
		printf("%s %.3f s %.1f ns/record\n", o->malloc ? "malloc" : "poolalloc", seconds,
		       r.result.records ? seconds * 1e9 / r.result.records : 0);
		pa_replay_report(&r, print, NULL);
		if (o->stats)
			poolalloc_stats_write(write_stats, stdout, POOLALLOC_TEXT);
	}
	*result = r.result;
	if (pa_replay_drain(&r) && !err)
		err = judge(&r, o->path);
	if (o->threads)
		replay_threads_stop(host.ctx);
	return err;
}

static int parse_number(const char *name, const char *text, u64 *value)
{
	char *end;

	errno = 0;
	*value = text ? strtoull(text, &end, 10) : 0;
	if (!text || errno || *end || text[0] < '0' || text[0] > '9' || !*value)
		return usage_error("replay: %s needs a number from 1, not '%s'", name,
				   text ? text : "");
	return 0;
}

static bool *flag_of(struct options *o, const char *arg)
{
	const struct {
		const char *name;
		bool *flag;
	} flags[] = {
		{ "--malloc", &o->malloc }, { "--stop-at-peak", &o->stop_at_peak },
		{ "--threads", &o->threads }, { "--copy", &o->copy },
		{ "--no-check", &o->no_check }, { "--stats", &o->stats },
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		if (!strcmp(arg, flags[i].name))
			return flags[i].flag;
	return NULL;
}

static int parse(int argc, char **argv, struct options *o)
{
	u64 number;
	bool *flag;
	int err = 0;

	for (int i = 1; i < argc && !err; i++) {
		flag = flag_of(o, argv[i]);
		if (flag) {
			*flag = true;
		} else if (!strcmp(argv[i], "--repeat")) {
			err = parse_number(argv[i], argv[i + 1], &number);
			o->repeat = number;
			i++;
		} else if (!strcmp(argv[i], "--limit")) {
			err = parse_number(argv[i], argv[i + 1], &o->limit);
			i++;
		} else if (argv[i][0] == '-' && argv[i][1]) {
			err = usage_error("replay: unknown option '%s'", argv[i]);
		} else if (o->path) {
			err = usage_error("replay takes one FILE");
		} else {
			o->path = argv[i];
		}
	}
	if (!err && !o->path)
		err = usage_error("replay takes one FILE");
	if (!err && o->repeat > 1 && !strcmp(o->path, "-"))
		err = usage_error("replay: standard input cannot be read --repeat times");
	return err;
}

/* Which class a block is of may depend on what malloc has free; poolalloc's never does. */
int cmd_replay(int argc, char **argv)
{
	static struct pa_replay_result first, result;
	struct options o = { .repeat = 1 };
	int status = parse(argc, argv, &o);

	if (status)
		return status;
	for (unsigned long i = 0; i < o.repeat; i++) {
		if (replay_once(&o, &result))
			return 1;
		if (!i)
			first = result;
		if (memcmp(&first, &result, o.malloc ? offsetof(struct pa_replay_result, live) :
						      sizeof(first))) {
			complain("%s: run %lu gave another result than the first", o.path, i + 1);
			return 1;
		}
	}
	return 0;
}
