// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* poolalloc-trace record: run a program with the recorder, then write the trace. */
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "merge.h"

#define EXIT_RECORDER	125
#define EXIT_NO_EXEC	126
#define EXIT_NO_COMMAND	127
#define PRELOAD_NAME	"libpoolalloc-trace.so"

struct recording {
	const char *out;		/* FILE */
	char temp[PATH_MAX];		/* beside it, renamed to it at the end */
	int fd;				/* the raw file, unlinked */
	struct trace_raw_header *header;
};

/* Beside the tool in the build tree; in ../lib/poolalloc when installed. */
static int find_preload(char *path, size_t room)
{
	static const char * const where[] = { "", "../lib/poolalloc/", "../lib/" };
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (n < 0)
		return -1;
	exe[n] = '\0';
	*(strrchr(exe, '/') + 1) = '\0';
	for (size_t i = 0; i < sizeof(where) / sizeof(*where); i++) {
		if (snprintf(path, room, "%s%s" PRELOAD_NAME, exe, where[i]) >= (int)room)
			return -1;
		if (!access(path, R_OK))
			return 0;
	}
	errno = ENOENT;
	return -1;
}

static int raw_create(struct recording *rec)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s.raw.XXXXXX", rec->out) >= (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	rec->fd = mkostemp(path, O_CLOEXEC);
	if (rec->fd < 0)
		return -1;
	unlink(path);
	errno = posix_fallocate(rec->fd, 0, TRACE_RAW_HEADER_BYTES);
	if (errno)
		return -1;
	rec->header = mmap(NULL, TRACE_RAW_HEADER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
			   rec->fd, 0);
	if (rec->header == MAP_FAILED)
		return -1;
	rec->header->magic = TRACE_RAW_MAGIC;
	return 0;
}

/* First in the list, so that it sees the calls; an allocator preloaded already serves them. */
static int set_environment(const struct recording *rec, const char *preload, pid_t recorder)
{
	const char *old = getenv("LD_PRELOAD");
	char *list, raw[64];

	snprintf(raw, sizeof(raw), "/proc/%d/fd/%d", (int)recorder, rec->fd);
	if (asprintf(&list, "%s%s%s", preload, old && *old ? ":" : "", old ? old : "") < 0)
		return -1;
	return setenv("LD_PRELOAD", list, 1) || setenv(TRACE_RAW_ENV, raw, 1) ? -1 : 0;
}

static void run_child(struct recording *rec, const char *preload, pid_t recorder, char **command)
{
	rec->header->pid = getpid();
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	if (!set_environment(rec, preload, recorder))
		execvp(*command, command);
	complain("cannot run %s: %s", *command, strerror(errno));
	_exit(errno == ENOENT ? EXIT_NO_COMMAND : EXIT_NO_EXEC);
}

/* Returns the command's exit status as a shell would. */
static int run(struct recording *rec, const char *preload, char **command)
{
	pid_t recorder = getpid(), pid;
	int status;

	/* Ctrl-C is for the command; what it did until then is still a trace. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	pid = fork();
	if (pid < 0) {
		complain("cannot fork: %s", strerror(errno));
		return EXIT_RECORDER;
	}
	if (!pid)
		run_child(rec, preload, recorder, command);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_RECORDER;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static u64 events_in_file(const struct recording *rec)
{
	off_t end = lseek(rec->fd, 0, SEEK_END);
	u64 room = (end - TRACE_RAW_HEADER_BYTES) / sizeof(struct trace_raw_event);
	u64 next = atomic_load(&rec->header->next);

	return next < room ? next : room;
}

static int encode(struct recording *rec, FILE *file)
{
	struct trace_raw_header *h = rec->header;
	u64 count = events_in_file(rec), base = h->base;
	size_t bytes = TRACE_RAW_HEADER_BYTES + count * sizeof(struct trace_raw_event);
	struct pa_trace_encoder e;
	char *raw;
	int err;

	raw = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, rec->fd, 0);
	if (raw == MAP_FAILED)
		return -1;
	pa_trace_encode_init(&e, file);
	e.trailer.null_frees = h->null_frees;
	e.trailer.failed = h->failed;
	err = merge_events(&e, (struct trace_raw_event *)(raw + TRACE_RAW_HEADER_BYTES) + base,
			   count > base ? count - base : 0, h->threads);
	munmap(raw, bytes);
	return pa_trace_encode_finish(&e, h->threads) || err ? -1 : 0;
}

static int write_trace(struct recording *rec)
{
	FILE *file = fopen(rec->temp, "wb+");
	int err;

	if (!file)
		return -1;
	err = encode(rec, file);
	err |= fclose(file);
	if (!err)
		err = rename(rec->temp, rec->out);
	if (err)
		unlink(rec->temp);
	return err ? -1 : 0;
}

static int finish(struct recording *rec, const char *command)
{
	struct trace_raw_header *h = rec->header;

	if (!h->threads) {
		complain("nothing was recorded: is %s statically linked, setuid, or not a program "
			 "of this machine's kind?", command);
		return -1;
	}
	if (write_trace(rec)) {
		complain("cannot write %s: %s", rec->out, strerror(errno));
		return -1;
	}
	if (h->lost) {
		complain("%llu of %llu calls could not be recorded (disk full, or the program "
			 "closed its way to the recorder): %s is incomplete",
			 (unsigned long long)h->lost, (unsigned long long)(h->next - h->base),
			 rec->out);
		return -1;
	}
	return 0;
}

static int parse(int argc, char **argv, struct recording *rec, char ***command)
{
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--")) {
			i++;
			break;
		}
		if (strcmp(argv[i], "-o"))
			return usage_error("record: unknown option '%s'", argv[i]);
		if (++i == argc)
			return usage_error("record: -o needs a FILE");
		rec->out = argv[i];
	}
	if (!rec->out)
		return usage_error("record: no -o FILE given");
	if (i == argc)
		return usage_error("record: no COMMAND given");
	*command = argv + i;
	return 0;
}

int cmd_record(int argc, char **argv)
{
	struct recording rec = { .fd = -1 };
	char preload[PATH_MAX];
	char **command = NULL;
	int status;

	status = parse(argc, argv, &rec, &command);
	if (status)
		return status;
	if (find_preload(preload, sizeof(preload))) {
		complain("cannot find " PRELOAD_NAME " beside this program: build it with make");
		return EXIT_RECORDER;
	}
	if (strpbrk(preload, ": ")) {
		complain("%s: LD_PRELOAD cannot hold a path with a space or a colon", preload);
		return EXIT_RECORDER;
	}
	if (raw_create(&rec) ||
	    snprintf(rec.temp, sizeof(rec.temp), "%s.tmp.%d", rec.out, getpid()) < 0) {
		complain("cannot create a file beside %s: %s", rec.out, strerror(errno));
		return EXIT_RECORDER;
	}
	status = run(&rec, preload, command);
	if (status == EXIT_NO_COMMAND || status == EXIT_NO_EXEC) {
		if (!rec.header->threads)
			return status;
	}
	return finish(&rec, *command) ? EXIT_RECORDER : status;
}
