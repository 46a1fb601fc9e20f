// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * A signal handler that allocates while the code it interrupted is inside a
 * slow path: it must neither wait for that code's locks nor spoil its lists.
 * Looks into the library (pa_thread.level), so it is linked statically.
 */
#include "pa_user.h"
#include "tap.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

#define HELD	400

static uint32_t total, inside, forks;
static bool stop;
static __thread void *left[64];
static __thread unsigned int nleft;

/* Inside: allocates, frees what it allocated, and what handlers left before. */
static void on_signal(int sig)
{
	static const size_t sizes[] = { 8, 100, 512, 3000, 30000, 200000 };
	size_t i;

	(void)sig;
	__atomic_fetch_add(&total, 1, __ATOMIC_RELAXED);
	if (!pa_thread.level)
		return;
	__atomic_fetch_add(&inside, 1, __ATOMIC_RELAXED);
	for (i = 0; i < 6; i++) {
		unsigned char *p = malloc(sizes[i]);

		TAP_CHECK(p);
		if (!p)
			continue;
		memset(p, 0x77, sizes[i]);
		if (nleft < 64 && i % 2) {
			left[nleft++] = p;
			continue;
		}
		p = realloc(p, sizes[i] * 2);
		TAP_CHECK(p && p[0] == 0x77 && p[sizes[i] - 1] == 0x77);
		free(p);
	}
	if (nleft > 32)
		while (nleft)
			free(left[--nleft]);
}

/* Slow paths of all kinds: refills, spans, large blocks, remote frees, purges. */
static void *shared[HELD];

static void *worker(void *arg)
{
	uint64_t seed = (uintptr_t)arg;
	unsigned int n = 0;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		uint64_t r = tap_random(&seed);
		size_t size = 1 + (r >> 8) % (r % 4 ? 4000 : r % 64 ? 40000 : 2000000);
		unsigned char *p = malloc(size);

		TAP_CHECK(p);
		p[0] = 0x11;
		p[size - 1] = 0x11;
		p = __atomic_exchange_n(&shared[(r >> 40) % HELD], p, __ATOMIC_SEQ_CST);
		TAP_CHECK(!p || p[0] == 0x11);
		free(p);
		if (++n % 500 == 0)
			malloc_trim(0);
		if (n % 700 == 0)
			mallinfo2();
	}
	return NULL;
}

static void *forker(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		pid_t pid = fork();
		int status = 0;

		if (!pid) {
			alarm(120);
			free(malloc(100));
			free(malloc(200000));
			_exit(tap.broken_checks != 0);
		}
		while (pid > 0 && waitpid(pid, &status, 0) < 0)
			;
		TAP_CHECK(pid > 0 && status == 0);
		forks++;
		usleep(20000);
	}
	return arg;
}

static void test_signals(void)
{
	struct itimerval every = { { 0, 300 }, { 0, 300 } };
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	pthread_t t[5];
	uintptr_t i;
	unsigned int seconds = 0;

	sigemptyset(&sa.sa_mask);
	sigaction(SIGPROF, &sa, NULL);
	setitimer(ITIMER_PROF, &every, NULL);
	for (i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, worker, (void *)(i + 1));
	pthread_create(&t[4], NULL, forker, NULL);
	/* Until enough handlers have hit a slow path; on a slow machine longer. */
	while (seconds++ < 100 && (seconds < 5 ||
				   __atomic_load_n(&inside, __ATOMIC_RELAXED) < 200))
		for (i = 0; i < 10; i++)
			usleep(100000);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < 5; i++)
		pthread_join(t[i], NULL);
	tap_diag("%u signals, %u of them inside a slow path, %u forks", total, inside, forks);
	TAP_CHECK(inside);
}

int main(void)
{
	alarm(240);
	tap_start(1);
	tap_test("handlers that allocate inside slow paths", test_signals);
	return tap_finish();
}
