// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * beside: allocators side by side in one process, for differences of a few
 * percent. All are opened with dlopen(), and each runs a slice of the workload
 * of a fraction of a millisecond, in turn: whatever else the machine does, and
 * the clock that it runs at, is the same for all of them. Printed is the
 * median time of the first one, and of the others the median of their ratios
 * to it, slice by slice, with quartiles. The same library twice, under two
 * names, shows what cannot be told apart.
 *
 * What it does not show: whole programs, threads, memory, page faults, and
 * what an allocator gains when the cache is its own: at the start of a slice
 * that has what the others left (some of each slice is run before its clock
 * starts). Where code lies matters: run it twice, addresses are random.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MOST		16
#define ROUNDS		300
#define SLICE		20000	/* operations */
#define PARAMS		3

struct allocator {
	const char *name;
	void *(*alloc)(size_t size);
	void (*free)(void *p);
	void **block;
	double ns[ROUNDS];
};

struct kind {
	const char *name;
	const char *param[PARAMS];
	long value[PARAMS], least[PARAMS], most[PARAMS];
	long ops;	/* of a slice */
	void (*start)(struct allocator *a, const long *v);
	void (*slice)(struct allocator *a, const long *v, long ops);
};

static struct allocator allocators[MOST];
static unsigned int nallocators;
static uint32_t *order;
static uint64_t seed;

static void die(const char *what, const char *which)
{
	fflush(stdout);
	fprintf(stderr, "beside: %s%s\n", what, which);
	_exit(125);
}

static uint32_t below(uint32_t n)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return ((seed * 0x2545f4914f6cdd1dULL >> 32) * n) >> 32;
}

static void *memory(size_t bytes)
{
	void *p = calloc(1, bytes);

	if (!p)
		die("no memory", "");
	return p;
}

static void *taken(struct allocator *a, size_t size)
{
	void *p = a->alloc(size);

	if (!p)
		die("no memory from ", a->name);
	*(volatile char *)p = 1;
	return p;
}

enum { SIZE, LIVE, ORDER };

static void batch_start(struct allocator *a, const long *v)
{
	long i, j;
	uint32_t t;

	a->block = memory(v[LIVE] * sizeof(*a->block));
	if (a != allocators)
		return;
	free(order);
	order = memory(v[LIVE] * sizeof(*order));
	for (i = 0; i < v[LIVE]; i++)
		order[i] = v[ORDER] == 1 ? v[LIVE] - 1 - i : i;
	for (i = v[LIVE] - 1; v[ORDER] == 2 && i > 0; i--) {
		j = below(i + 1);
		t = order[i];
		order[i] = order[j];
		order[j] = t;
	}
}

static void batch_slice(struct allocator *a, const long *v, long ops)
{
	long i;

	for (; ops > 0; ops -= v[LIVE]) {
		for (i = 0; i < v[LIVE]; i++)
			a->block[i] = taken(a, v[SIZE]);
		for (i = 0; i < v[LIVE]; i++)
			a->free(a->block[order[i]]);
	}
}

enum { RANDOM_LIVE, MIN, MAX };

static void random_slice(struct allocator *a, const long *v, long ops)
{
	while (ops--) {
		void **b = &a->block[below(v[RANDOM_LIVE])];

		a->free(*b);
		*b = taken(a, v[MIN] + below(v[MAX] - v[MIN] + 1));
	}
}

static void random_start(struct allocator *a, const long *v)
{
	long i;

	if (v[MIN] > v[MAX])
		die("random: min is larger than max", "");
	a->block = memory(v[RANDOM_LIVE] * sizeof(*a->block));
	for (i = 0; i < v[RANDOM_LIVE]; i++)
		a->block[i] = taken(a, v[MIN] + below(v[MAX] - v[MIN] + 1));
	random_slice(a, v, 4 * v[RANDOM_LIVE]);
}

static const struct kind kinds[] = {
	{
		"batch", { "size", "live", "order" }, { 64, 1000, 0 }, { 1, 1, 0 }, { INT_MAX, 10000000, 2 },
		SLICE, batch_start, batch_slice,
	}, {
		"random", { "live", "min", "max" }, { 20000, 8, 512 }, { 1, 1, 1 },
		{ 10000000, INT_MAX, INT_MAX },
		SLICE, random_start, random_slice,
	},
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void report(const char *workload)
{
	static double ratio[ROUNDS];
	unsigned int i, r;

	printf("%s\n", workload);
	for (i = 0; i < nallocators; i++) {
		const struct allocator *a = &allocators[i];

		for (r = 0; r < ROUNDS; r++)
			ratio[r] = i ? a->ns[r] / allocators[0].ns[r] : a->ns[r];
		qsort(ratio, ROUNDS, sizeof(*ratio), compare);
		if (!i)
			printf("  %-24s %8.2f ns per operation\n", a->name, ratio[ROUNDS / 2]);
		else
			printf("  %-24s %8.3f of it, half of them %.3f to %.3f\n", a->name, ratio[ROUNDS / 2],
			       ratio[ROUNDS / 4], ratio[ROUNDS * 3 / 4]);
	}
	fflush(stdout);
}

/* As for pabench: a name, then name=value. */
static const struct kind *parsed(const char *workload, long *v)
{
	char *text = strdup(workload), *word = text ? strtok(text, " ") : NULL, *end;
	const struct kind *k;
	unsigned int i;

	for (k = kinds; k < kinds + sizeof(kinds) / sizeof(*kinds); k++)
		if (word && !strcmp(word, k->name))
			break;
	if (k == kinds + sizeof(kinds) / sizeof(*kinds))
		die("workloads are 'batch size=64 live=1000 order=0' and 'random live=20000 min=8 max=512': ",
		    workload);
	memcpy(v, k->value, sizeof(k->value));
	while ((word = strtok(NULL, " "))) {
		char *value = strchr(word, '=');

		for (i = 0; value && i < PARAMS; i++)
			if ((size_t)(value - word) == strlen(k->param[i]) &&
			    !strncmp(word, k->param[i], value - word))
				break;
		if (!value || i == PARAMS)
			die("no such parameter: ", word);
		v[i] = strtol(value + 1, &end, 10);
		if (end == value + 1 || *end || v[i] < k->least[i] || v[i] > k->most[i])
			die("a bad value: ", word);
	}
	free(text);
	return k;
}

static void run(const char *workload)
{
	long v[PARAMS], ops;
	const struct kind *k = parsed(workload, v);
	unsigned int i;
	int round;

	seed = 0xbe51de;
	for (i = 0; i < nallocators; i++) {
		uint64_t same = seed;

		k->start(&allocators[i], v);
		if (i < nallocators - 1)
			seed = same;
	}
	ops = k->slice == batch_slice ? (k->ops + v[LIVE] - 1) / v[LIVE] * v[LIVE] : k->ops;
	for (round = -2; round < ROUNDS; round++) {
		uint64_t same = seed;

		for (i = 0; i < nallocators; i++) {
			struct allocator *a = &allocators[(i + round + 2) % nallocators];
			double t;

			seed = same;
			k->slice(a, v, ops / 4);
			t = now();
			k->slice(a, v, ops);
			if (round >= 0)
				a->ns[round] = (now() - t) / ops;
		}
	}
	report(workload);
	for (i = 0; i < nallocators; i++) {
		long left = k->slice == random_slice ? v[RANDOM_LIVE] : 0;

		while (left--)
			allocators[i].free(allocators[i].block[left]);
		free(allocators[i].block);
	}
}

static void open_one(char *text)
{
	struct allocator *a = &allocators[nallocators++];
	char *path = strchr(text, '='), *slash = strrchr(text, '/');
	void *lib;

	a->name = path ? text : slash ? slash + 1 : text;
	if (path)
		*path++ = '\0';
	if (!path && !strcmp(text, "glibc")) {
		a->alloc = malloc;
		a->free = free;
		return;
	}
	/* Its own calls are to itself, whatever is loaded already. */
	lib = dlopen(path ? path : text, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
	if (!lib)
		die("cannot be opened: ", dlerror());
	a->alloc = (void *(*)(size_t))(uintptr_t)dlsym(lib, "malloc");
	a->free = (void (*)(void *))(uintptr_t)dlsym(lib, "free");
	if (!a->alloc || !a->free || dlsym(lib, "malloc") == (void *)(uintptr_t)malloc)
		die("no malloc() of its own: ", a->name);
}

/* glibc keeps too little static TLS for many allocators that are opened late; it is asked for at start. */
static void need_static_tls(char **argv)
{
	if (getenv("BENCH_BESIDE"))
		return;
	setenv("BENCH_BESIDE", "1", 1);
	setenv("GLIBC_TUNABLES", "glibc.rtld.optional_static_tls=262144", 1);
	execv("/proc/self/exe", argv);
	die("cannot start again: ", argv[0]);
}

int main(int argc, char **argv)
{
	cpu_set_t one;
	char *text;
	int i;

	if (argc < 3) {
		fprintf(stderr, "usage: beside [name=]library,... 'workload [name=value ...]' ...\n"
			"  a library is a path, or glibc; workloads are\n"
			"  'batch size=64 live=1000 order=0' and 'random live=20000 min=8 max=512'\n");
		return 125;
	}
	need_static_tls(argv);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	for (text = strtok(argv[1], ","); text; text = strtok(NULL, ",")) {
		if (nallocators == MOST)
			die("too many libraries, more than 16: ", text);
		open_one(text);
	}
	if (!nallocators)
		die("no library", "");
	for (i = 2; i < argc; i++)
		run(argv[i]);
	fflush(stdout);
	/* Destructors of so many allocators in one process are not what is measured. */
	_exit(0);
}
