// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Real threads for the threads of a trace: see replay_threads.h. */
#include "replay_threads.h"

#include <pthread.h>
#include <sys/mman.h>

#include "tool.h"

#define MAX_THREADS	1024	/* trace threads beyond share these */
#define NOBODY		0xffffffffu

struct threads;

struct worker {
	struct threads *all;
	pthread_t id;
	pthread_cond_t wake;
	bool started;
	u32 number;
};

struct threads {
	pthread_mutex_t lock;
	pthread_cond_t done;
	u32 turn;			/* whose batch it is, or NOBODY; under lock */
	bool stop;			/* under lock */
	void (*fn)(void *arg);		/* the batch; under lock */
	void *arg;
	struct worker worker[MAX_THREADS];
};

static void *work(void *arg)
{
	struct worker *w = arg;
	struct threads *t = w->all;

	pthread_mutex_lock(&t->lock);
	while (!t->stop) {
		if (t->turn != w->number) {
			pthread_cond_wait(&w->wake, &t->lock);
			continue;
		}
		t->fn(t->arg);
		t->turn = NOBODY;
		pthread_cond_signal(&t->done);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

void *replay_threads_start(void)
{
	struct threads *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (t == MAP_FAILED) {
		complain("no memory for threads");
		return NULL;
	}
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->done, NULL);
	t->turn = NOBODY;
	return t;
}

static int worker_start(struct threads *t, u32 number)
{
	struct worker *w = &t->worker[number];

	if (w->started)
		return 0;
	w->all = t;
	w->number = number;
	pthread_cond_init(&w->wake, NULL);
	w->started = !pthread_create(&w->id, NULL, work, w);
	return w->started ? 0 : -1;
}

int replay_threads_run(void *threads, u32 thread, void (*fn)(void *arg), void *arg)
{
	struct threads *t = threads;
	u32 number = thread % MAX_THREADS;

	if (worker_start(t, number))
		return -1;
	pthread_mutex_lock(&t->lock);
	t->fn = fn;
	t->arg = arg;
	t->turn = number;
	pthread_cond_signal(&t->worker[number].wake);
	while (t->turn != NOBODY)
		pthread_cond_wait(&t->done, &t->lock);
	pthread_mutex_unlock(&t->lock);
	return 0;
}

void replay_threads_stop(void *threads)
{
	struct threads *t = threads;

	pthread_mutex_lock(&t->lock);
	t->stop = true;
	for (u32 i = 0; i < MAX_THREADS; i++)
		if (t->worker[i].started)
			pthread_cond_signal(&t->worker[i].wake);
	pthread_mutex_unlock(&t->lock);
	for (u32 i = 0; i < MAX_THREADS; i++)
		if (t->worker[i].started)
			pthread_join(t->worker[i].id, NULL);
	munmap(t, sizeof(*t));
}
