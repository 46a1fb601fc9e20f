// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Freeing after a grace period, in batches.
 *
 * A block of 8 bytes cannot hold an rcu_head, and readers may still read it,
 * so pointers are collected in batches. No timer: the first pointer opens a
 * batch and starts a grace period; its end closes the batch and starts a
 * second one, at the end of which every pointer in the batch has waited for a
 * whole grace period.
 */
#define _GNU_SOURCE
#include "pa_user.h"
#include "poolalloc.h"

#include <errno.h>

#define PA_BATCH	120

struct pa_batch {
	struct rcu_head head;
	struct pa_batch *next;
	size_t n;
	void *ptr[PA_BATCH];
};

static pthread_mutex_t pa_batch_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct pa_batch *pa_batch_open;	/* newest first, under pa_batch_mutex */
static struct rcu_head pa_batch_timer;
static bool pa_batch_waiting;		/* pa_batch_timer is in use */

static bool pa_forked;			/* this process began with fork() */
static pthread_mutex_t pa_helper_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct call_rcu_data *pa_helper;	/* who calls back; under pa_helper_mutex */

/*
 * Taken around fork(). A helper thread is started under pa_helper_mutex, so
 * that no fork finds liburcu's own mutex taken by one of our threads.
 */
void pa_free_rcu_lock(void)
{
	pthread_mutex_lock(&pa_helper_mutex);
	pthread_mutex_lock(&pa_batch_mutex);
}

void pa_free_rcu_unlock(void)
{
	pthread_mutex_unlock(&pa_batch_mutex);
	pthread_mutex_unlock(&pa_helper_mutex);
}

/*
 * The child has no liburcu helper thread: what waits for it waits for ever.
 * Batches that it had taken already are lost with it; the open ones are not.
 */
void pa_free_rcu_fork_child(void)
{
	pthread_mutex_init(&pa_batch_mutex, NULL);
	pthread_mutex_init(&pa_helper_mutex, NULL);
	pa_batch_waiting = false;
	pa_helper = NULL;
	pa_forked = true;
}

/* After a fork liburcu's default helper thread is gone: the child has its own. */
static struct call_rcu_data *pa_helper_get(void)
{
	struct call_rcu_data *helper;

	pthread_mutex_lock(&pa_helper_mutex);
	if (!pa_helper)
		pa_helper = pa_forked ? urcu_bp_create_call_rcu_data(0, -1) :
					urcu_bp_get_default_call_rcu_data();
	helper = pa_helper;
	pthread_mutex_unlock(&pa_helper_mutex);
	return helper;
}

static void pa_call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	struct call_rcu_data *mine = urcu_bp_get_thread_call_rcu_data();

	if (!mine)
		urcu_bp_set_thread_call_rcu_data(pa_helper_get());
	urcu_bp_call_rcu(head, func);
	if (!mine)
		urcu_bp_set_thread_call_rcu_data(NULL);
}

static void pa_batch_free(struct rcu_head *head)
{
	struct pa_batch *batch = container_of(head, struct pa_batch, head);
	size_t i;

	for (i = 0; i < batch->n; i++)
		poolalloc_free(batch->ptr[i]);
	poolalloc_free(batch);
}

static void pa_batch_close(struct rcu_head *head)
{
	struct pa_batch *batch, *next;

	(void)head;
	pthread_mutex_lock(&pa_batch_mutex);
	batch = pa_batch_open;
	pa_batch_open = NULL;
	pa_batch_waiting = false;
	pthread_mutex_unlock(&pa_batch_mutex);
	for (; batch; batch = next) {
		next = batch->next;
		pa_call_rcu(&batch->head, pa_batch_free);
	}
}

/* Adds to the open batch. Return: false if none has room and is waited for. */
static bool pa_batch_add(void *p)
{
	struct pa_batch *batch = pa_batch_open;

	if (!pa_batch_waiting || !batch || batch->n == PA_BATCH)
		return false;
	batch->ptr[batch->n++] = p;
	return true;
}

/* Without memory for a batch: wait here, unless that would wait for itself. */
static void pa_free_rcu_now(void *p)
{
	if (rcu_read_ongoing()) {
		pa_corrupt("no memory to free after a grace period, block leaked", p);
		return;
	}
	synchronize_rcu();
	poolalloc_free(p);
}

__attribute__((visibility("default"))) void poolalloc_free_rcu(void *p)
{
	struct pa_batch *fresh;
	bool start;
	bool done;

	if (!p)
		return;
	pthread_mutex_lock(&pa_batch_mutex);
	done = pa_batch_add(p);
	pthread_mutex_unlock(&pa_batch_mutex);
	if (done)
		return;

	fresh = poolalloc_alloc(sizeof(*fresh));
	if (!fresh) {
		pa_free_rcu_now(p);
		return;
	}
	pthread_mutex_lock(&pa_batch_mutex);
	fresh->n = 1;
	fresh->ptr[0] = p;
	fresh->next = pa_batch_open;
	pa_batch_open = fresh;
	start = !pa_batch_waiting;
	pa_batch_waiting = true;
	pthread_mutex_unlock(&pa_batch_mutex);
	if (start)
		pa_call_rcu(&pa_batch_timer, pa_batch_close);
}
