// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Where replacements of malloc break. One case per run: hard CASE [ARGUMENT].
 * A case that hangs is killed by its alarm.
 */
#include "tap.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define STUCK_SECONDS	240

static const char *argument;

/* The largest block that exercise() asks for. */
static size_t most = 100000;

/* Allocates and frees a mix, checks what was written. */
static void exercise(unsigned int n)
{
	unsigned char *p[64] = { 0 };
	uint64_t seed = n;
	unsigned int i;

	for (i = 0; i < n; i++) {
		uint64_t r = tap_random(&seed);
		size_t size = 1 + (r >> 8) % (r % 50 ? 600 : most);
		unsigned char **at = &p[r >> 40 & 63];

		if (*at)
			TAP_CHECK(**at == (unsigned char)((uintptr_t)*at >> 4));
		free(*at);
		*at = malloc(size);
		TAP_CHECK(*at);
		if (*at)
			**at = (unsigned char)((uintptr_t)*at >> 4);
	}
	for (i = 0; i < 64; i++)
		free(p[i]);
}

static void *exercise_thread(void *arg)
{
	exercise((unsigned int)(uintptr_t)arg);
	return NULL;
}

static void run_threads(int n, void *(*body)(void *), uintptr_t arg)
{
	pthread_t t[64];
	int i;

	for (i = 0; i < n; i++)
		if (!TAP_CHECK(!pthread_create(&t[i], NULL, body, (void *)arg)))
			break;
	while (i--)
		pthread_join(t[i], NULL);
}

/* Return: true if the child ended well. */
static bool child_ok(pid_t pid)
{
	int status = -1;

	if (pid < 0)
		return false;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

/* Before main. */
static void *early[200];
static bool early_good = true;

__attribute__((constructor(101))) static void first(void)
{
	int i;

	for (i = 0; i < 200; i++) {
		early[i] = i & 1 ? malloc((size_t)i * 300) : calloc(1, (size_t)i * 3);
		early_good &= !!early[i];
	}
	for (i = 0; i < 200; i += 3) {
		early[i] = realloc(early[i], (size_t)i * 50 + 1);
		early_good &= !!early[i];
	}
}

__attribute__((destructor(101))) static void last(void)
{
	int i;

	for (i = 0; i < 200; i += 2)
		free(early[i]);
	free(malloc(123456));
	free(calloc(7, 7));
}

static void case_constructors(void)
{
	int i;

	TAP_CHECK(early_good);
	for (i = 1; i < 200; i += 2)
		free(early[i]);
	exercise(1000);
}

/* More keys than fit into a thread's own array: pthread_setspecific() allocates. */
#define KEYS	100
static pthread_key_t keys[KEYS];

static void key_destructor(void *value)
{
	free(value);
	exercise(20);
}

static void *keys_thread(void *arg)
{
	int i;

	for (i = KEYS - 1; i >= 0; i--)
		TAP_CHECK(!pthread_setspecific(keys[i], malloc((size_t)i * 7 + 1)));
	return arg;
}

static void case_keys(void)
{
	int i;

	for (i = 0; i < KEYS; i++)
		TAP_CHECK(!pthread_key_create(&keys[i], key_destructor));
	for (i = 0; i < 20; i++)
		run_threads(16, keys_thread, 0);
	keys_thread(NULL);
}

/* The error of dlsym() is kept in allocated, thread-local memory. */
static void *dlerror_thread(void *arg)
{
	int i;

	for (i = 0; i < 50; i++) {
		TAP_CHECK(!dlsym(RTLD_DEFAULT, "no_such_symbol_anywhere"));
		TAP_CHECK(i & 1 || dlerror());
		TAP_CHECK(!dlopen("/no/such/library.so", RTLD_NOW));
		TAP_CHECK(dlsym(RTLD_DEFAULT, "malloc"));
	}
	return arg;
}

static void case_dlsym(void)
{
	int i;

	for (i = 0; i < 10; i++)
		run_threads(8, dlerror_thread, 0);
}

/* A destructor that comes back in every round, after the slot has been let go. */
static pthread_key_t stubborn;
static __thread void *left_behind[30];
static int rounds;

static void stubborn_destructor(void *value)
{
	int i;

	free(value);
	for (i = 0; i < 30; i++) {
		free(left_behind[i]);
		left_behind[i] = malloc((size_t)i * i * 40 + 1);
		TAP_CHECK(left_behind[i]);
	}
	exercise(100);
	__atomic_fetch_add(&rounds, 1, __ATOMIC_RELAXED);
	pthread_setspecific(stubborn, malloc(60));
}

static void *stubborn_thread(void *arg)
{
	pthread_setspecific(stubborn, malloc(10));
	exercise(500);
	return arg;
}

static void case_teardown(void)
{
	int i;

	TAP_CHECK(!pthread_key_create(&stubborn, stubborn_destructor));
	for (i = 0; i < 30; i++)
		run_threads(8, stubborn_thread, 0);
	tap_diag("%d destructors ran in %d threads", rounds, 30 * 8);
	TAP_CHECK(rounds == 30 * 8 * 4);
}

static void *kept[100];

static void at_exit_frees(void)
{
	int i;

	for (i = 0; i < 100; i++)
		free(kept[i]);
	exercise(100);
}

static void *exit_thread(void *arg)
{
	int i;

	(void)arg;
	for (i = 50; i < 100; i++)
		kept[i] = malloc((size_t)i * 100);
	return NULL;
}

static void case_atexit(void)
{
	int i;

	atexit(at_exit_frees);
	for (i = 0; i < 50; i++)
		kept[i] = malloc((size_t)i * 100);
	run_threads(1, exit_thread, 0);
}

/* What a library has allocated, freed when it is gone. */
static void use_plugin(void *lib)
{
	void **(*make)(int n);
	void *(*body)(void *arg);
	pthread_t t;
	void **p;
	int i;

	make = (void **(*)(int))dlsym(lib, "plugin_make");
	body = (void *(*)(void *))dlsym(lib, "plugin_thread");
	if (!TAP_CHECK(make && body))
		return;
	p = make(300);
	for (i = 0; i < 50; i++) {
		free(p[i]);
		p[i] = malloc((size_t)i + 1);
	}
	TAP_CHECK(!pthread_create(&t, NULL, body, p));
	pthread_join(t, NULL);
	TAP_CHECK(!dlclose(lib));
	for (i = 0; i < 300; i++)
		free(p[i]);
	free(p);
}

/* Threads outlive it. */
static void case_dlclose(void)
{
	int i;

	for (i = 0; i < 20; i++) {
		void *lib = dlopen(argument, RTLD_NOW | RTLD_LOCAL);

		if (!TAP_CHECK(lib))
			return;
		use_plugin(lib);
		run_threads(4, exercise_thread, 200);
	}
}

/* A library that wants libc's functions before ours, and loads one from where only it looks. */
static void case_deepbind(void)
{
	void *lib = dlopen(argument, RTLD_NOW | RTLD_DEEPBIND), *inner;
	void *(*open_inner)(const char *name);

	if (!TAP_CHECK(lib))
		return;
	open_inner = (void *(*)(const char *))dlsym(lib, "plugin_open");
	TAP_CHECK(!dlopen("inner.so", RTLD_NOW | RTLD_DEEPBIND));
	inner = open_inner("inner.so");
	if (TAP_CHECK(inner))
		use_plugin(inner);
	use_plugin(lib);
}

/* The allocator itself, loaded late, beside libc's malloc, and closed again. */
static void *late_thread(void *arg)
{
	void *(*alloc)(size_t size) = *(void *(**)(size_t size))arg;
	void (*release)(void *p) = ((void (**)(void *p))arg)[1];

	release(alloc(100));
	return alloc(3000);
}

static void case_late(void)
{
	void *f[2], *lib = dlopen(argument, RTLD_NOW | RTLD_LOCAL), *p = NULL;
	pthread_t t;

	if (!TAP_CHECK(lib))
		return;
	f[0] = dlsym(lib, "poolalloc_alloc");
	f[1] = dlsym(lib, "poolalloc_free");
	TAP_CHECK(f[0] && f[1]);
	TAP_CHECK(!pthread_create(&t, NULL, late_thread, f));
	TAP_CHECK(!dlclose(lib));
	pthread_join(t, &p);
	TAP_CHECK(p);
	((void (*)(void *))f[1])(p);
}

/* Fork while others allocate; the child has threads and children of its own. */
static volatile bool running;

static void *busy_thread(void *arg)
{
	while (running)
		exercise(200);
	return arg;
}

static void grandchild(int generation)
{
	pid_t pid;

	exercise(200);
	run_threads(2, exercise_thread, 300);
	malloc_trim(0);
	if (generation == 3)
		return;
	pid = fork();
	if (!pid) {
		grandchild(generation + 1);
		exit(tap.broken_checks != 0);
	}
	TAP_CHECK(child_ok(pid));
}

static void *fork_thread(void *arg)
{
	int i;

	for (i = 0; i < 15; i++) {
		pid_t pid = fork();

		if (!pid) {
			running = false;
			alarm(STUCK_SECONDS);
			grandchild(0);
			exit(tap.broken_checks != 0);
		}
		TAP_CHECK(child_ok(pid));
	}
	return arg;
}

static void case_fork(void)
{
	pthread_t t[4];
	int i;

	running = true;
	for (i = 0; i < 4; i++)
		TAP_CHECK(!pthread_create(&t[i], NULL, busy_thread, NULL));
	fork_thread(NULL);
	run_threads(3, fork_thread, 0);
	running = false;
	for (i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}

/* What the parent's other threads had, the child frees. */
static void **theirs;

static void *filling_thread(void *arg)
{
	uintptr_t i, base = (uintptr_t)arg;

	for (i = base; i < base + 1000; i++)
		theirs[i] = malloc(i % 700 + 1);
	while (running)
		usleep(1000);
	return NULL;
}

static void case_fork_frees(void)
{
	pthread_t t[4];
	uintptr_t i;
	pid_t pid;

	running = true;
	theirs = calloc(4000, sizeof(*theirs));
	for (i = 0; i < 4; i++)
		TAP_CHECK(!pthread_create(&t[i], NULL, filling_thread, (void *)(i * 1000)));
	while (!*(void *volatile *)&theirs[999] || !*(void *volatile *)&theirs[1999] ||
	       !*(void *volatile *)&theirs[2999] || !*(void *volatile *)&theirs[3999])
		usleep(1000);
	pid = fork();
	if (!pid) {
		for (i = 0; i < 4000; i++)
			free(theirs[i]);
		for (i = 0; i < 4000; i++)
			theirs[i] = malloc(i % 700 + 1);
		run_threads(4, exercise_thread, 1000);
		for (i = 0; i < 4000; i++)
			free(theirs[i]);
		malloc_trim(0);
		_exit(tap.broken_checks != 0);
	}
	TAP_CHECK(child_ok(pid));
	running = false;
	for (i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	for (i = 0; i < 4000; i++)
		free(theirs[i]);
}

static void case_spawn(void)
{
	extern char **environ;
	char name[] = "/bin/true", *argv[] = { name, NULL };
	pthread_t t[4];
	volatile int i;

	running = true;
	for (i = 0; i < 4; i++)
		TAP_CHECK(!pthread_create(&t[i], NULL, busy_thread, NULL));
	for (i = 0; i < 60; i++) {
		pid_t pid = -1;

		if (i & 1) {
			TAP_CHECK(!posix_spawn(&pid, name, NULL, NULL, argv, environ));
		} else {
			pid = vfork();
			if (!pid) {
				execv(name, argv);
				_exit(1);
			}
		}
		TAP_CHECK(child_ok(pid));
		exercise(50);
	}
	TAP_CHECK(system("exit 3") == 3 << 8);
	running = false;
	for (i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}

/* Takes blocks of @size until there is none, gives all back. Return: how many. */
static size_t exhaust(size_t size, size_t count)
{
	void **list = NULL, **p;
	size_t n = 0;

	errno = 0;
	while (n < count && (p = malloc(size))) {
		*p = list;
		list = p;
		n++;
		errno = 0;
	}
	if (n < count)
		TAP_CHECK(errno == ENOMEM);
	while (list) {
		p = *list;
		free(list);
		list = p;
	}
	return n;
}

/*
 * What small blocks have had, large ones and thread stacks must be able to get:
 * in the first round the library has to notice by itself that it must give
 * address space back, in the second one it is told to. Then the other way round.
 */
static void exhaust_all(size_t limit)
{
	static const size_t sizes[] = { 16, 500, 5000, 30000, 200000, 3000000, 30000, 500, 16 };
	size_t i;
	int round;

	for (round = 0; round < 2; round++) {
		for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			size_t n = exhaust(sizes[i], SIZE_MAX / sizes[i]);

			tap_diag("%zu blocks of %zu bytes, then NULL", n, sizes[i]);
			TAP_CHECK(n * sizes[i] > limit / 2);
			if (!round)
				continue;
			malloc_trim(0);
			run_threads(4, exercise_thread, 100);
		}
	}
	errno = 0;
	TAP_CHECK(!malloc(limit) && errno == ENOMEM);
	TAP_CHECK(!calloc(2, limit) && !realloc(NULL, limit) && !memalign(65536, limit));
	exercise(5000);
}

static void case_rlimit(void)
{
	struct rlimit limit = { 300 << 20, 300 << 20 };

	if (!TAP_CHECK(!setrlimit(RLIMIT_AS, &limit)))
		return;
	exhaust_all(300 << 20);
}

/* POOLALLOC=limit=64M does it. */
static void case_limit(void)
{
	size_t most = 64 << 20;
	char *p, *q;

	while (most && !(p = malloc(most)))
		most -= 1 << 20;
	free(p);
	malloc_trim(0);
	/* What a growing block gets beyond what it asks for does not matter if there is no room for it. */
	p = malloc(most / 2);
	TAP_CHECK(p);
	p[0] = 1;
	q = realloc(p, most - (1 << 20));
	TAP_CHECK(q && q[0] == 1);
	free(q ? q : p);
	exhaust_all(64 << 20);
}

/* vm.overcommit_memory=2: the system says no. */
static void case_overcommit(void)
{
	size_t n = exhaust(1 << 20, 100000);

	tap_diag("%zu MiB, then NULL", n);
	TAP_CHECK(n > 4 && n < 100000);
	TAP_CHECK(exhaust(1 << 20, 100000) > n / 2);
	TAP_CHECK(exhaust(300, SIZE_MAX) > 10000);
	most = 30000;
	exercise(2000);
}

/* vm.max_map_count is low: neighbours share mappings, or there is NULL. */
static void case_maps(void)
{
	size_t n = exhaust(200000, 20000);

	tap_diag("%zu large blocks at once", n);
	TAP_CHECK(n > 100);
	TAP_CHECK(exhaust(300, 100000) == 100000);
	exhaust(40000, 20000);
	TAP_CHECK(exhaust(3000, 2000) == 2000);
	exercise(2000);
}

/* Fails if a limit is in force: for the test of setuid. */
static void case_unlimited(void)
{
	void *p = malloc(100 << 20);

	TAP_CHECK(p);
	free(p);
}

static void *free_thread(void *p)
{
	free(p);
	return NULL;
}

/* What free() says of @p, through another thread if @remote. */
static const char *said(char *p, bool remote)
{
	static char text[400];
	int stderr_copy = dup(2), ends[2];
	pthread_t t;
	ssize_t n;

	if (!TAP_CHECK(!pipe2(ends, O_NONBLOCK)))
		return "";
	dup2(ends[1], 2);
	if (remote) {
		pthread_create(&t, NULL, free_thread, p);
		pthread_join(t, NULL);
	} else {
		free(p);
	}
	n = read(ends[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = 0;
	dup2(stderr_copy, 2);
	close(stderr_copy);
	close(ends[0]);
	close(ends[1]);
	return text;
}

/* Pointers that free() can tell are wrong: one line each, and nothing else happens. */
static void case_wrong(void)
{
	char *large = malloc(200000), *small = malloc(100), *again[3];
	char *aligned = aligned_alloc(4 << 20, 200000);
	size_t size;
	int i;

	TAP_CHECK(large && small && aligned);
	/* What is freed next is kept, so it can be told when it is freed again. */
	malloc_trim(0);
	TAP_CHECK(strstr(said(large + 64, false), "was not allocated here: 0x"));
	TAP_CHECK(strstr(said(small + 8, true), "into the middle of a block: 0x"));
	TAP_CHECK(!*said(large, false));
	TAP_CHECK(strstr(said(large, false), "a large block was freed twice: 0x"));
	TAP_CHECK(strstr(said(large, true), "a large block was freed twice: 0x"));
	for (i = 0; i < 3; i++)
		again[i] = malloc(200000);
	TAP_CHECK(again[0] != again[1] && again[1] != again[2] && again[0] != again[2]);
	errno = 0;
	TAP_CHECK(!realloc(again[0] + 16, 300000) && errno == ENOMEM);
	for (i = 0; i < 3; i++)
		TAP_CHECK(!*said(again[i], i == 1));
	/* Of others, only what was freed last, to its bin or to its pool. */
	for (size = 40; size < 64000; size *= 8) {
		for (i = 0; i < 3; i++)
			again[i] = malloc(size);
		TAP_CHECK(again[0] && !*said(again[0], false));
		TAP_CHECK(strstr(said(again[0], false), "block was freed twice: 0x"));
		TAP_CHECK(!*said(again[1], false) && !*said(again[2], false));
		again[1] = malloc(size);
		again[2] = malloc(size);
		TAP_CHECK(again[1] != again[2]);
		TAP_CHECK(!*said(again[1], false) && !*said(again[2], false));
	}
	TAP_CHECK(!*said(small, true) && !*said(aligned, false));
	exercise(1000);
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "constructors", case_constructors },
	{ "keys", case_keys },
	{ "dlsym", case_dlsym },
	{ "teardown", case_teardown },
	{ "atexit", case_atexit },
	{ "dlclose", case_dlclose },
	{ "deepbind", case_deepbind },
	{ "late", case_late },
	{ "fork", case_fork },
	{ "fork-frees", case_fork_frees },
	{ "spawn", case_spawn },
	{ "rlimit", case_rlimit },
	{ "limit", case_limit },
	{ "overcommit", case_overcommit },
	{ "maps", case_maps },
	{ "unlimited", case_unlimited },
	{ "wrong", case_wrong },
};

int main(int argc, char **argv)
{
	size_t i;

	alarm(STUCK_SECONDS);
	argument = argc > 2 ? argv[2] : "";
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (argc > 1 && !strcmp(argv[1], cases[i].name)) {
			tap_start(1);
			tap_test(cases[i].name, cases[i].run);
			return tap_finish();
		}
	}
	fprintf(stderr, "usage: hard CASE [ARGUMENT]\n");
	return 2;
}
