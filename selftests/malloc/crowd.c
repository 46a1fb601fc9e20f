// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Threads that work one after the other, each with 14 MB that it allocates and frees a few times, and then
 * wait. A thread may keep what it has freed for its next turn, all of them together not: crowd MIB
 * says how much that is.
 */
#include "resident.h"

#include <pthread.h>
#include <semaphore.h>
#include <string.h>

#define THREADS	20
#define BLOCKS	700
#define SIZE	20000
#define MIB	((size_t)1 << 20)

static sem_t done, end;

static void *work(void *arg)
{
	static char *block[BLOCKS];
	int turn, i;

	for (turn = 0; turn < 6; turn++) {
		for (i = 0; i < BLOCKS; i++) {
			block[i] = malloc(SIZE);
			if (!block[i])
				tap_bail_out("no memory");
			memset(block[i], turn, SIZE);
		}
		while (i)
			free(block[--i]);
	}
	sem_post(&done);
	sem_wait(&end);
	return arg;
}

int main(int argc, char **argv)
{
	size_t base, kept = argc > 1 ? strtoul(argv[1], NULL, 10) : 16;
	pthread_t thread[THREADS];
	int i;

	tap_start(1);
	sem_init(&done, 0, 0);
	sem_init(&end, 0, 0);
	look("at the start");
	base = resident;
	for (i = 0; i < THREADS; i++) {
		if (pthread_create(&thread[i], NULL, work, NULL))
			tap_bail_out("no thread");
		sem_wait(&done);
	}
	look("20 threads wait");
	/* Of each 1 MiB and its stack, what all may keep together, and the free memory of one that works. */
	TAP_CHECK(resident - base < THREADS * (MIB + MIB / 4) + (kept + 14 + 4) * MIB);
	for (i = 0; i < THREADS; i++)
		sem_post(&end);
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	tap_ok(!tap.broken_checks, "crowd");
	return tap_finish();
}
