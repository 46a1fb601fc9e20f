// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Freeing after a grace period, in batches.
 *
 * A block of 8 bytes cannot hold an rcu_head, and readers may still read it,
 * so pointers are collected in batches. A helper thread takes all batches that
 * there are, waits for a grace period, and frees them; meanwhile the next ones
 * fill. It is not liburcu's: that one is started, and its callers are
 * registered, by functions that abort when memory is short.
 *
 * Without a helper thread, who frees waits; inside a read-side section it
 * leaves the pointer for the next one.
 */
#define _GNU_SOURCE
#include "pa_user.h"
#include "poolalloc.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#define PA_BATCH	120

/* The helper lets pointers gather, for so long or until there are so many. */
#define PA_GATHER_NS	(10 * 1000000L)
#define PA_GATHER_MOST	4000

#define PA_HELPER_STACK	(256UL << 10)

struct pa_batch {
	struct pa_batch *next;
	size_t n;
	void *ptr[PA_BATCH];
};

static pthread_mutex_t pa_batch_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t pa_batch_more = PTHREAD_COND_INITIALIZER;

/* All under pa_batch_mutex. */
static struct pa_batch *pa_batch_open;		/* newest first */
static struct pa_batch *pa_batch_waiting;	/* taken by the helper, not yet freed */
static size_t pa_batch_pointers;		/* in the open ones */
static bool pa_helper;				/* there is one, or will be */

/* Taken around fork(). */
void pa_free_rcu_lock(void)
{
	pthread_mutex_lock(&pa_batch_mutex);
}

void pa_free_rcu_unlock(void)
{
	pthread_mutex_unlock(&pa_batch_mutex);
}

/*
 * The child has no helper until it needs one. What the parent's waits for is
 * waited for again; only the batch that it was freeing just now is lost.
 */
void pa_free_rcu_fork_child(void)
{
	struct pa_batch **end = &pa_batch_open;

	pthread_mutex_init(&pa_batch_mutex, NULL);
	pthread_cond_init(&pa_batch_more, NULL);
	while (*end)
		end = &(*end)->next;
	*end = pa_batch_waiting;
	pa_batch_waiting = NULL;
	pa_helper = false;
}

static void pa_batch_free(struct pa_batch *batch)
{
	size_t i;

	for (i = 0; i < batch->n; i++)
		poolalloc_free(batch->ptr[i]);
	poolalloc_free(batch);
}

/* Waits for the first pointer, and a moment for more. The mutex is held. */
static void pa_helper_gather(void)
{
	struct timespec until;

	while (!pa_batch_open)
		pthread_cond_wait(&pa_batch_more, &pa_batch_mutex);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += PA_GATHER_NS;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	while (pa_batch_pointers < PA_GATHER_MOST &&
	       pthread_cond_timedwait(&pa_batch_more, &pa_batch_mutex, &until) != ETIMEDOUT)
		;
}

static void *pa_helper_thread(void *arg)
{
	struct pa_batch *batch;

	(void)arg;
	pthread_mutex_lock(&pa_batch_mutex);
	for (;;) {
		pa_helper_gather();
		pa_batch_waiting = pa_batch_open;
		pa_batch_open = NULL;
		pa_batch_pointers = 0;
		pthread_mutex_unlock(&pa_batch_mutex);
		synchronize_rcu();
		pthread_mutex_lock(&pa_batch_mutex);
		while ((batch = pa_batch_waiting)) {
			pa_batch_waiting = batch->next;
			pthread_mutex_unlock(&pa_batch_mutex);
			pa_batch_free(batch);
			pthread_mutex_lock(&pa_batch_mutex);
		}
	}
	return NULL;
}

/* The application's signals are none of the helper's business. */
static bool pa_helper_create(void)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t thread;
	int ret;

	if (pthread_attr_init(&attr))
		return false;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, PA_HELPER_STACK);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&thread, &attr, pa_helper_thread, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return !ret;
}

/* Frees all that has gathered, here, unless that would wait for itself. */
static void pa_free_rcu_wait(void)
{
	struct pa_batch *batch, *next;

	if (!pa_rcu_may_wait())
		return;
	pthread_mutex_lock(&pa_batch_mutex);
	batch = pa_batch_open;
	pa_batch_open = NULL;
	pa_batch_pointers = 0;
	pthread_mutex_unlock(&pa_batch_mutex);
	synchronize_rcu();
	for (; batch; batch = next) {
		next = batch->next;
		pa_batch_free(batch);
	}
}

static void pa_helper_start(void)
{
	int saved = errno;

	if (!pa_helper_create()) {
		pthread_mutex_lock(&pa_batch_mutex);
		pa_helper = false;
		pthread_mutex_unlock(&pa_batch_mutex);
		pa_free_rcu_wait();
	}
	errno = saved;
}

/* Without memory for a batch: wait here, unless that would wait for itself. */
static void pa_free_rcu_now(void *p)
{
	if (!pa_rcu_may_wait()) {
		pa_corrupt("no memory to free after a grace period, block leaked", p);
		return;
	}
	synchronize_rcu();
	poolalloc_free(p);
}

/*
 * Adds to the open batches; *@fresh is used up if they are full.
 * Return: false if they are and there is no fresh one.
 */
static bool pa_batch_add(void *p, struct pa_batch **fresh, bool *start)
{
	struct pa_batch *batch;

	pthread_mutex_lock(&pa_batch_mutex);
	if (*fresh && (!pa_batch_open || pa_batch_open->n == PA_BATCH)) {
		(*fresh)->n = 0;
		(*fresh)->next = pa_batch_open;
		pa_batch_open = *fresh;
		*fresh = NULL;
	}
	batch = pa_batch_open;
	if (!batch || batch->n == PA_BATCH) {
		pthread_mutex_unlock(&pa_batch_mutex);
		return false;
	}
	batch->ptr[batch->n++] = p;
	if (++pa_batch_pointers == 1 || pa_batch_pointers == PA_GATHER_MOST)
		pthread_cond_signal(&pa_batch_more);
	*start = !pa_helper;
	pa_helper = true;
	pthread_mutex_unlock(&pa_batch_mutex);
	return true;
}

__attribute__((visibility("default"))) void poolalloc_free_rcu(void *p)
{
	struct pa_batch *fresh = NULL;
	bool start = false;

	if (!p)
		return;
	if (!pa_batch_add(p, &fresh, &start)) {
		fresh = poolalloc_alloc(sizeof(*fresh));
		if (!fresh || !pa_batch_add(p, &fresh, &start)) {
			pa_free_rcu_now(p);
			return;
		}
		poolalloc_free(fresh);
	}
	if (start)
		pa_helper_start();
}
