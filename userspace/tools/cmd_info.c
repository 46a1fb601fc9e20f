// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* poolalloc-trace info and dump: what is in a trace. */
#include "tool.h"

#include <stdlib.h>

#include "trace_classes.h"

#define BAR_WIDTH	40

struct info {
	struct pa_trace_header header;
	u32 *link;		/* the decoder's */
	u64 *size;		/* per slot */
	u64 *per_thread;	/* records */
	u64 count[PA_TRACE_OPS];
	u64 cls[PA_TRACE_CLASSES];	/* requests by size class */
	u64 requests;
	u64 small;		/* requests of at most 512 bytes */
	u64 medium;		/* of at most 32 KiB */
	u64 bytes;		/* requested in all */
	u64 live_bytes;
	u64 peak_bytes;
	u64 bytes_at_peak;	/* live bytes when most objects are live */
};

static u32 *info_header(void *ctx, const struct pa_trace_header *header)
{
	struct info *info = ctx;
	size_t slots = header->slots ? header->slots : 1;

	info->header = *header;
	info->link = calloc(slots, sizeof(*info->link));
	info->size = calloc(slots, sizeof(*info->size));
	info->per_thread = calloc(header->threads, sizeof(*info->per_thread));
	return info->size && info->per_thread ? info->link : NULL;
}

static void count_request(struct info *info, u64 size)
{
	info->requests++;
	info->small += size <= 512;
	info->medium += size <= 32768;
	info->bytes += size;
	info->cls[pa_trace_class(size)]++;
}

static int info_record(void *ctx, const struct pa_trace_record *r)
{
	struct info *info = ctx;

	info->count[r->op]++;
	info->per_thread[r->thread]++;
	if (!pa_trace_op_creates(r->op))
		info->live_bytes -= info->size[r->slot];
	if (!pa_trace_op_ends(r->op))
		count_request(info, r->size);
	info->size[r->slot] = r->size;
	info->live_bytes += r->size;
	if (info->live_bytes > info->peak_bytes)
		info->peak_bytes = info->live_bytes;
	if (r->seq == info->header.peak_record)
		info->bytes_at_peak = info->live_bytes;
	return 0;
}

static void info_free(struct info *info)
{
	free(info->link);
	free(info->size);
	free(info->per_thread);
}

static double percent(u64 part, u64 all)
{
	return all ? 100.0 * part / all : 0;
}

static void print_line(const char *name, u64 value)
{
	printf("%-24s %14llu\n", name, (unsigned long long)value);
}

static void print_calls(const struct info *info, const struct pa_trace_trailer *t)
{
	print_line("malloc", info->count[PA_TRACE_MALLOC]);
	print_line("calloc", info->count[PA_TRACE_CALLOC]);
	print_line("realloc", info->count[PA_TRACE_REALLOC]);
	print_line("realloc of NULL", info->count[PA_TRACE_REALLOC_NEW]);
	print_line("realloc to 0", info->count[PA_TRACE_REALLOC_FREE]);
	print_line("aligned", info->count[PA_TRACE_ALIGNED]);
	print_line("free", info->count[PA_TRACE_FREE]);
	print_line("free of NULL", t->null_frees);
	print_line("failed", t->failed);
	print_line("free of unrecorded", t->foreign);
}

static void print_totals(const struct info *info, const struct pa_trace_trailer *t)
{
	print_line("records", info->header.records);
	print_line("threads", info->header.threads);
	print_line("requested bytes", info->bytes);
	print_line("peak live blocks", info->header.slots);
	printf("%-24s %14llu  (after record %llu)\n", "  bytes at that point",
	       (unsigned long long)info->bytes_at_peak,
	       (unsigned long long)info->header.peak_record);
	print_line("peak live bytes", info->peak_bytes);
	print_line("live at the end", t->live);
	printf("%-24s %13.1f%%\n", "at most 512 bytes", percent(info->small, info->requests));
	printf("%-24s %13.1f%%\n", "at most 32 KiB", percent(info->medium, info->requests));
}

/* Steps of 8 would be 64 lines: one line per doubling tells the shape. */
static void print_histogram(const struct info *info)
{
	u64 low = 0, high = 8, count, seen = 0;
	unsigned int cls = 0;

	printf("\nrequests by size\n");
	for (; seen < info->requests; low = high, high *= 2) {
		for (count = 0; cls < PA_TRACE_CLASSES; cls++) {
			if (pa_trace_class_size(cls) - 1 >= high)
				break;
			count += info->cls[cls];
		}
		seen += count;
		if (!count)
			continue;
		printf("%11llu..%-11llu %12llu %5.1f%% %.*s\n",
		       (unsigned long long)(low ? low + 1 : 0), (unsigned long long)high,
		       (unsigned long long)count, percent(count, info->requests),
		       (int)(percent(count, info->requests) * BAR_WIDTH / 100 + 0.5),
		       "########################################");
	}
}

static void print_threads(const struct info *info)
{
	u32 shown = info->header.threads < 32 ? info->header.threads : 32;

	printf("\nrecords by thread\n");
	for (u32 i = 0; i < shown; i++)
		printf("%11u %26llu %5.1f%%\n", i, (unsigned long long)info->per_thread[i],
		       percent(info->per_thread[i], info->header.records));
	if (shown < info->header.threads)
		printf("  and %u more threads\n", info->header.threads - shown);
}

static const char *one_file(int argc, char **argv, int *status)
{
	*status = 0;
	if (argc > 1 && argv[1][0] == '-' && argv[1][1])
		*status = usage_error("%s: unknown option '%s'", argv[0], argv[1]);
	else if (argc != 2)
		*status = usage_error("%s takes one FILE", argv[0]);
	return *status ? NULL : argv[1];
}

int cmd_info(int argc, char **argv)
{
	static struct info info;
	struct pa_trace_sink sink = { info_header, info_record, &info };
	struct pa_trace_decoder d;
	const char *path;
	int status;

	path = one_file(argc, argv, &status);
	if (!path)
		return status;
	pa_trace_decode_init(&d, &sink);
	status = decode_file(&d, path);
	if (!status && info.peak_bytes != info.header.peak_bytes) {
		complain("%s: byte 40: peak of live bytes differs from the records", path);
		status = -1;
	}
	if (!status) {
		print_totals(&info, &d.trailer);
		printf("\ncalls\n");
		print_calls(&info, &d.trailer);
		print_histogram(&info);
		print_threads(&info);
	}
	info_free(&info);
	return status ? 1 : 0;
}

static u32 *dump_header(void *ctx, const struct pa_trace_header *header)
{
	u32 **link = ctx;

	printf("# record thread call object size [alignment]\n");
	*link = calloc(header->slots ? header->slots : 1, sizeof(**link));
	return *link;
}

static int dump_record(void *ctx, const struct pa_trace_record *r)
{
	(void)ctx;
	printf("%llu %u %s %u", (unsigned long long)r->seq, r->thread, pa_trace_op_name(r->op),
	       r->slot);
	if (!pa_trace_op_ends(r->op))
		printf(" %llu", (unsigned long long)r->size);
	if (r->op == PA_TRACE_ALIGNED)
		printf(" %llu", 1ull << r->align_log2);
	putchar('\n');
	return 0;
}

int cmd_dump(int argc, char **argv)
{
	u32 *link = NULL;
	struct pa_trace_sink sink = { dump_header, dump_record, &link };
	struct pa_trace_decoder d;
	const char *path;
	int status;

	path = one_file(argc, argv, &status);
	if (!path)
		return status;
	pa_trace_decode_init(&d, &sink);
	status = decode_file(&d, path);
	free(link);
	return status ? 1 : 0;
}
