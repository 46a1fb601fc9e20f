// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Threads that allocate, free each other's blocks, end, fork and are hit by
 * signals, at random, for a given time. Every block carries its tag; a process
 * that makes no progress for two minutes has a deadlock.
 *
 *	torture SECONDS SEED
 *
 * Handlers allocate only while the interrupted thread is outside of malloc (it
 * says so in a thread-local word): malloc is not async-signal-safe.
 */
#include "tap.h"

#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>

#define THREADS		8
#define OWN		300
#define SHARED		512
#define STUCK_SECONDS	120

struct block {
	size_t size;
	uint32_t tag;
	uint32_t again;
};

static _Atomic(struct block *) shared[SHARED];
static atomic_ulong steps, forks, ends, signals, handled;
static atomic_bool stop;
static atomic_uint broken;
static time_t deadline;
static __thread volatile sig_atomic_t quiet;
static pthread_key_t key;
static int depth;

static void fail(const char *what)
{
	char line[120];
	int n = snprintf(line, sizeof(line), "# torture: %s in process %d\n", what, (int)getpid());

	atomic_fetch_add(&broken, 1);
	if (write(1, line, (size_t)n) < 0)
		_exit(9);
}

static size_t pick_size(uint64_t r)
{
	unsigned int kind = r % 64;
	size_t most = kind < 40 ? 200 : kind < 56 ? 3000 : kind < 63 ? 60000 : 2000000;

	return sizeof(struct block) + (r >> 8) % most;
}

static struct block *make(uint64_t r)
{
	size_t size = pick_size(r);
	struct block *b;

	switch (r >> 6 & 7) {
	case 0:
		b = calloc(1, size);
		break;
	case 1:
		b = memalign((size_t)16 << (r >> 40) % 10, size);
		break;
	default:
		b = malloc(size);
	}
	if (!b)
		return NULL;
	b->size = size;
	b->tag = (uint32_t)(r >> 20) | 1;
	b->again = b->tag;
	if (size > sizeof(*b))
		((char *)b)[size - 1] = (char)b->tag;
	return b;
}

static void drop(struct block *b)
{
	if (!b)
		return;
	if (b->tag != b->again)
		fail("a block was overwritten");
	b->tag = 0;
	b->again = 1;
	free(b);
}

static struct block *resize(struct block *b, uint64_t r)
{
	size_t size = pick_size(r);
	uint32_t tag = b->tag;
	struct block *n = realloc(b, size);

	if (!n)
		return b;
	if (n->tag != tag || n->again != tag)
		fail("realloc lost the contents");
	n->size = size;
	return n;
}

static void on_signal(int sig)
{
	int saved = errno;
	void *p;

	(void)sig;
	atomic_fetch_add(&signals, 1);
	if (quiet) {
		quiet = 0;
		p = malloc(40 + saved % 100);
		free(p);
		p = malloc(5000);
		free(p);
		atomic_fetch_add(&handled, 1);
		quiet = 1;
	}
	errno = saved;
}

/* Allocates and frees after most of the thread is gone. */
static void on_thread_end(void *value)
{
	free(value);
	free(malloc(100));
	if (atomic_load(&ends) % 3 == 0)
		pthread_setspecific(key, malloc(30));
	atomic_fetch_add(&ends, 1);
}

static void calm(void)
{
	int i;

	quiet = 1;
	for (i = 0; i < 200; i++)
		sched_yield();
	quiet = 0;
}

static void in_child(uint64_t seed);

static void do_fork(uint64_t r)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid)
		in_child(r);
	if (pid < 0)
		return;
	atomic_fetch_add(&forks, 1);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		tap_diag("child %d ended with wait status %#x", (int)pid, status);
		fail("a child failed");
	}
}

static void do_spawn(void)
{
	extern char **environ;
	char name[] = "/bin/true", *argv[] = { name, NULL };
	int status = 0;
	pid_t pid;

	if (posix_spawn(&pid, name, NULL, NULL, argv, environ))
		return;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status)
		fail("a spawned program failed");
}

static void *idle_thread(void *arg)
{
	free(arg);
	return malloc(64);
}

/* A thread that is born, frees what its parent made and leaves a block. */
static void do_thread(void)
{
	void *left = NULL;
	pthread_t t;

	if (pthread_create(&t, NULL, idle_thread, malloc(77)))
		return;
	pthread_join(t, &left);
	free(left);
}

static void step(struct block **own, uint64_t *seed)
{
	uint64_t r = tap_random(seed);
	struct block **o = &own[(r >> 32) % OWN];

	switch (r % 16) {
	case 0: case 1: case 2: case 3:
		drop(atomic_exchange(&shared[(r >> 8) % SHARED], *o));
		*o = NULL;
		break;
	case 4:
		if (*o)
			*o = resize(*o, tap_random(seed));
		break;
	default:
		drop(*o);
		*o = make(tap_random(seed));
	}
	atomic_fetch_add_explicit(&steps, 1, memory_order_relaxed);
	r = tap_random(seed) % 40000;
	if (r < 40)
		calm();
	else if (r < 46 && depth < 3)
		do_fork(tap_random(seed));
	else if (r < 60)
		do_thread();
	else if (r == 60 && !depth)
		do_spawn();
	else if (r == 61)
		malloc_trim(0);
	else if (r == 62)
		mallinfo2();
}

static void clear(struct block **own)
{
	int i;

	for (i = 0; i < OWN; i++)
		drop(own[i]);
	free(own);
}

static void *worker(void *arg)
{
	uint64_t seed = (uintptr_t)arg;
	struct block **own = calloc(OWN, sizeof(*own));
	unsigned long n = 2000 + tap_random(&seed) % 30000;

	pthread_setspecific(key, malloc(50));
	while (own && n-- && !atomic_load(&stop))
		step(own, &seed);
	if (own)
		clear(own);
	return NULL;
}

/* A few steps alone, sometimes threads again; then any way out. */
static void in_child(uint64_t seed)
{
	struct block **own = calloc(OWN, sizeof(*own));
	unsigned int n = 50 + seed % 3000;
	pthread_t t[2];
	int i;

	depth++;
	alarm(STUCK_SECONDS);
	signal(SIGALRM, SIG_DFL);
	for (i = 0; i < SHARED; i++)
		if (tap_random(&seed) % 4)
			drop(atomic_exchange(&shared[i], NULL));
	while (n--)
		step(own, &seed);
	if (seed & 3) {
		atomic_store(&stop, false);
		for (i = 0; i < 2; i++)
			if (pthread_create(&t[i], NULL, worker,
					   (void *)(uintptr_t)tap_random(&seed)))
				_exit(7);
		n = 500;
		while (n--)
			step(own, &seed);
		atomic_store(&stop, true);
		/* Sometimes the process ends under its threads. */
		for (i = 0; i < 2 && seed & 4; i++)
			pthread_join(t[i], NULL);
	}
	if (seed & 8)
		clear(own);
	if (atomic_load(&broken))
		_exit(8);
	if (seed & 16)
		exit(0);
	_exit(0);
}

static void last_words(void)
{
	free(malloc(200));
	free(calloc(3, 30000));
}

static void start_timer(void)
{
	struct itimerval every = { { 0, 700 }, { 0, 700 } };
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	sigemptyset(&sa.sa_mask);
	sigaction(SIGPROF, &sa, NULL);
	setitimer(ITIMER_PROF, &every, NULL);
}

/* Watches over the others; ends the process if nothing moves. */
static void *watch(void *arg)
{
	unsigned long seen = 0;
	int still = 0;

	(void)arg;
	while (!atomic_load(&stop)) {
		sleep(1);
		still = atomic_load(&steps) == seen ? still + 1 : 0;
		seen = atomic_load(&steps);
		if (still > STUCK_SECONDS) {
			fail("no progress, a deadlock");
			kill(getpid(), SIGABRT);
		}
		if (time(NULL) >= deadline || atomic_load(&broken))
			atomic_store(&stop, true);
	}
	return NULL;
}

static void *respawn(void *arg)
{
	uint64_t seed = (uintptr_t)arg;

	while (!atomic_load(&stop)) {
		pthread_t t;

		if (pthread_create(&t, NULL, worker, (void *)(uintptr_t)tap_random(&seed)))
			break;
		pthread_join(t, NULL);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned long seconds = argc > 1 ? strtoul(argv[1], NULL, 10) : 20;
	pthread_t t[THREADS + 1];
	uint64_t seed;
	int i;

	if (argc > 2)
		setenv("TEST_SEED", argv[2], 1);
	tap_start(1);
	seed = tap_seed();
	atexit(last_words);
	pthread_key_create(&key, on_thread_end);
	deadline = time(NULL) + (time_t)seconds;
	start_timer();
	pthread_create(&t[THREADS], NULL, watch, NULL);
	for (i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, respawn, (void *)(uintptr_t)tap_random(&seed));
	for (i = 0; i <= THREADS; i++)
		pthread_join(t[i], NULL);
	for (i = 0; i < SHARED; i++)
		drop(atomic_exchange(&shared[i], NULL));
	tap_diag("%lu steps, %lu forks, %lu threads ended, %lu signals, %lu of them allocated",
		 atomic_load(&steps), atomic_load(&forks), atomic_load(&ends),
		 atomic_load(&signals), atomic_load(&handled));
	tap_ok(!atomic_load(&broken) && atomic_load(&steps) && atomic_load(&forks),
	       "%lu seconds of threads, signals, forks and exits", seconds);
	return tap_finish();
}
