// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * One thread allocates messages, another one frees them. Memory does not grow:
 * the blocks find their way back to the thread that owns their pools.
 */
#include <poolalloc.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define MESSAGES	1000000
#define ROOM		1024

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static char *queue[ROOM];
static unsigned int head, tail;

static void put(char *message)
{
	pthread_mutex_lock(&mutex);
	while (head - tail == ROOM)
		pthread_cond_wait(&changed, &mutex);
	queue[head++ % ROOM] = message;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&mutex);
}

static char *get(void)
{
	char *message;

	pthread_mutex_lock(&mutex);
	while (head == tail)
		pthread_cond_wait(&changed, &mutex);
	message = queue[tail++ % ROOM];
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&mutex);
	return message;
}

static void *consume(void *arg)
{
	size_t *bytes = arg;
	char *message;

	while ((message = get())) {
		*bytes += strlen(message);
		poolalloc_free(message);
	}
	return NULL;
}

int main(void)
{
	static struct poolalloc_stats stats;
	pthread_t consumer;
	size_t bytes = 0;
	int i;

	if (pthread_create(&consumer, NULL, consume, &bytes))
		return 1;
	for (i = 0; i < MESSAGES; i++) {
		char *message = poolalloc_alloc(32);

		if (!message)
			return 1;
		snprintf(message, 32, "message %d", i);
		put(message);
	}
	put(NULL);
	pthread_join(consumer, NULL);
	poolalloc_stats(&stats);
	printf("%d messages, %zu bytes, through %llu arenas at most\n", MESSAGES, bytes,
	       (unsigned long long)stats.arenas_peak);
	return 0;
}
