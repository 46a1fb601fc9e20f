// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * A program whose allocations are known, for the recorder. Every size is one
 * that libc does not ask for by itself.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS	4
#define ROUNDS	2000

static void *_Atomic mailbox[THREADS];

/* Keeps the compiler from removing a pair of malloc and free. */
static void *volatile sink;

/* Each swaps its block for another thread's: most are freed by someone else. */
static void *worker(void *arg)
{
	uintptr_t self = (uintptr_t)arg;

	for (int i = 0; i < ROUNDS; i++) {
		void *p = malloc(11000 + self);

		sink = p;
		free(atomic_exchange(&mailbox[(self + i) % THREADS], p));
	}
	return NULL;
}

static void run_threads(void)
{
	pthread_t id[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&id[i], NULL, worker, (void *)i))
			abort();
	for (int i = 0; i < THREADS; i++)
		pthread_join(id[i], NULL);
	for (int i = 0; i < THREADS; i++)
		free(mailbox[i]);
}

static void run_child(void)
{
	pid_t pid = fork();

	if (!pid) {
		for (int i = 0; i < 100; i++)
			sink = malloc(12001);
		_exit(0);
	}
	if (waitpid(pid, NULL, 0) != pid)
		abort();
}

int main(int argc, char **argv)
{
	void *kept = malloc(10001), *zero = calloc(3, 3335), *grown, *aligned;

	sink = kept;
	grown = realloc(NULL, 10007);
	for (int i = 1; i <= 50; i++)
		sink = grown = realloc(grown, 10007 + i * 1000);
	if (posix_memalign(&aligned, 64, 10009))
		abort();
	sink = aligned_alloc(256, 10240);
	free(sink);
	sink = malloc(SIZE_MAX / 2);
	free(zero);
	run_child();
	run_threads();
	free(aligned);
	free(grown);
	if (argc > 1 && argv[1][0] == 'k')
		kill(getpid(), SIGKILL);
	return 7;
}
