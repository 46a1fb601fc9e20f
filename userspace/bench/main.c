// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * pabench: runs one workload once and prints
 *
 *	workload ops cpu_ns wall_ns peak_kib final_kib
 *
 * CPU time is the whole process's, all threads. Peak and final resident memory
 * are read by the process itself: getrusage()'s maximum would start from the
 * size of the parent.
 */
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

static const struct workload *const workloads[] = {
	&pair_workload,	  &batch_workload,   &random_workload, &server_workload,
	&remote_workload, &churn_workload,   &bursty_workload, &sharing_workload,
	&fill_workload,	  &large_workload,  &replay_workload, &append_workload,
	&shape_workload,  &queue_workload,
#ifdef BENCH_NATIVE
	&constant_workload,
#endif
};

#define NR_WORKLOADS (sizeof(workloads) / sizeof(workloads[0]))

struct bench_clock {
	uint64_t cpu, wall;
};

static struct bench_clock started, elapsed;
static uint64_t operations;
static int text_argc;
static char **text_argv;

void bench_die(const char *what)
{
	fprintf(stderr, "pabench: %s\n", what);
	_exit(1);
}

__attribute__((noinline)) void *bench_nothing(void *p)
{
	bench_use(p);
	return p;
}

static uint64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* Tells `steps` that what is measured begins or ends here. */
static void mark(void)
{
	if (getenv("BENCH_STEPS"))
		raise(SIGUSR1);
}

void bench_start(void)
{
	mark();
	started.wall = now(CLOCK_MONOTONIC);
	started.cpu = now(CLOCK_PROCESS_CPUTIME_ID);
}

void bench_stop(uint64_t ops)
{
	mark();
	elapsed.cpu = now(CLOCK_PROCESS_CPUTIME_ID) - started.cpu;
	elapsed.wall = now(CLOCK_MONOTONIC) - started.wall;
	operations = ops;
}

void *bench_memory(size_t bytes)
{
	void *p = mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		bench_die("no memory for the workload's own tables");
	return p;
}

void bench_threads(long n, void *(*fn)(void *), void *args, size_t stride)
{
	pthread_t *t = bench_memory(n * sizeof(*t));
	long i;

	for (i = 0; i < n; i++) {
		if (pthread_create(&t[i], NULL, fn, (char *)args + i * stride))
			bench_die("cannot start a thread");
	}
	for (i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	munmap(t, n * sizeof(*t));
}

void bench_sizes_init(struct bench_sizes *s, long shape, long min, long max)
{
	uint64_t r = 0x5eed;
	int i;

	if (min < (long)sizeof(uintptr_t) || max < min || max > UINT16_MAX)
		bench_die("sizes must satisfy 8 <= min <= max <= 65535");
	for (i = 0; i < BENCH_SIZES; i++) {
		double x = (bench_random(&r) >> 11) * 0x1p-53;

		s->size[i] = shape ? min * pow((double)max / min, x) :
				     min + x * (max - min + 1);
	}
}

/* Field @name of /proc/self/status in KiB, without using the allocator. */
static long status_kib(const char *name)
{
	static char buf[8192];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
	char *at;

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		bench_die("cannot read /proc/self/status");
	buf[n] = '\0';
	at = strstr(buf, name);
	return at ? strtol(at + strlen(name), NULL, 10) : 0;
}

const char *bench_text(const char *name)
{
	size_t len = strlen(name);
	int i;

	for (i = 0; i < text_argc; i++) {
		if (!strncmp(text_argv[i], name, len) && text_argv[i][len] == '=')
			return text_argv[i] + len + 1;
	}
	return NULL;
}

static void usage(void)
{
	size_t i;
	int j;

	printf("usage: pabench workload [name=value ...]\n");
	for (i = 0; i < NR_WORKLOADS; i++) {
		printf("\n  %s: %s\n   ", workloads[i]->name, workloads[i]->help);
		for (j = 0; j < BENCH_MAX_PARAMS && workloads[i]->params[j].name; j++)
			printf(" %s=%ld", workloads[i]->params[j].name,
			       workloads[i]->params[j].value);
		printf("\n");
	}
}

static const struct workload *find_workload(const char *name)
{
	size_t i;

	for (i = 0; i < NR_WORKLOADS; i++) {
		if (!strcmp(workloads[i]->name, name))
			return workloads[i];
	}
	bench_die("no such workload (pabench --help lists them)");
}

static void set_param(const struct workload *w, long *v, const char *arg)
{
	const char *eq = strchr(arg, '=');
	char *end;
	int i;

	if (!eq)
		bench_die("a parameter is written name=value");
	if (!strncmp(arg, "trace=", 6))
		return;
	for (i = 0; i < BENCH_MAX_PARAMS && w->params[i].name; i++) {
		if (strlen(w->params[i].name) != (size_t)(eq - arg) ||
		    strncmp(w->params[i].name, arg, eq - arg))
			continue;
		v[i] = strtol(eq + 1, &end, 0);
		if (end == eq + 1 || *end || v[i] < 0)
			bench_die("a parameter's value must be a number >= 0");
		return;
	}
	bench_die("this workload has no such parameter (see pabench --help)");
}

int main(int argc, char **argv)
{
	long v[BENCH_MAX_PARAMS];
	const struct workload *w;
	int i;

	if (argc < 2 || !strcmp(argv[1], "--help")) {
		usage();
		return argc < 2;
	}
	text_argc = argc;
	text_argv = argv;
	w = find_workload(argv[1]);
	for (i = 0; i < BENCH_MAX_PARAMS; i++)
		v[i] = w->params[i].value;
	for (i = 2; i < argc; i++)
		set_param(w, v, argv[i]);
	w->run(v);
	printf("%s %llu %llu %llu %ld %ld\n", w->name, (unsigned long long)operations,
	       (unsigned long long)elapsed.cpu, (unsigned long long)elapsed.wall,
	       status_kib("VmHWM:"), status_kib("VmRSS:"));
	return 0;
}
