// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * A program that uses liburcu itself, the flavour that the library uses (bp)
 * or another (memb, -DMEMB): allocates, frees, trims, joins threads and forks
 * with its hooks, inside and outside of read-side sections.
 */
#ifdef MEMB
#include <urcu.h>
#else
#include <urcu-bp.h>
#endif
#include "tap.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/wait.h>

struct item {
	struct rcu_head head;
	int value;
	char pad[200];
};

static struct item *current_item;
static bool stop;
static unsigned long freed;

static void register_me(void)
{
#ifdef MEMB
	rcu_register_thread();
#endif
}

static void unregister_me(void)
{
#ifdef MEMB
	rcu_unregister_thread();
#endif
}

#ifndef MEMB
/* The preloaded library's hooks may be called more than once; liburcu's own may not. */
static unsigned int hooks;

static void before_fork(void)
{
	unsigned int i;

	call_rcu_before_fork();
	hooks = getenv("LD_PRELOAD") && hooks == 1 ? 2 : 1;
	for (i = 0; i < hooks; i++)
		urcu_bp_before_fork();
}

static void after_fork(bool child)
{
	unsigned int i;

	for (i = 0; i < hooks; i++) {
		if (child)
			urcu_bp_after_fork_child();
		else
			urcu_bp_after_fork_parent();
	}
	if (child)
		call_rcu_after_fork_child();
	else
		call_rcu_after_fork_parent();
}
#else
static void before_fork(void)
{
	call_rcu_before_fork();
}

static void after_fork(bool child)
{
	if (!child)
		call_rcu_after_fork_parent();
}
#endif

static void free_item(struct rcu_head *head)
{
	struct item *item = caa_container_of(head, struct item, head);

	item->value = -1;
	free(item);
	__atomic_fetch_add(&freed, 1, __ATOMIC_RELAXED);
}

static struct item *make_item(int value)
{
	struct item *item = calloc(1, sizeof(*item));

	item->value = value;
	return item;
}

static void *reader(void *arg)
{
	void *mine[50] = { 0 };
	unsigned int i = 0;

	register_me();
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		struct item *item;

		rcu_read_lock();
		item = rcu_dereference(current_item);
		TAP_CHECK(item->value >= 0);
		free(mine[i % 50]);
		mine[i % 50] = malloc(i % 3000 + 1);
		if (i % 1000 == 0)
			malloc_trim(0);
		TAP_CHECK(item->value >= 0);
		rcu_read_unlock();
		i++;
	}
	for (i = 0; i < 50; i++)
		free(mine[i]);
	unregister_me();
	return arg;
}

static void *short_thread(void *arg)
{
	free(arg);
	return malloc(5000);
}

static void fork_once(void)
{
	int status = -1;
	pid_t pid;

	before_fork();
	pid = fork();
	if (pid)
		after_fork(false);
	if (!pid) {
		alarm(120);
		free(malloc(300));
		free(malloc(300000));
#ifndef MEMB	/* There, readers stay registered that the child does not have: no threads. */
		void *ret = NULL;
		pthread_t t;

		after_fork(true);
		rcu_read_lock();
		free(malloc(300));
		rcu_read_unlock();
		call_rcu(&make_item(1)->head, free_item);
		rcu_barrier();
		TAP_CHECK(!pthread_create(&t, NULL, short_thread, malloc(40)));
		pthread_join(t, &ret);
		free(ret);
#endif
		malloc_trim(0);
		_exit(tap.broken_checks != 0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!TAP_CHECK(status == 0))
		tap_diag("wait status %#x", (unsigned int)status);
}

static void test_urcu(void)
{
	pthread_t t[3], s;
	void *ret = NULL;
	int i;

	register_me();
	current_item = make_item(0);
	for (i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, reader, NULL);
	for (i = 1; i < 3000; i++) {
		struct item *old = current_item;

		rcu_assign_pointer(current_item, make_item(i));
		if (i % 100 == 0) {
			synchronize_rcu();
			old->value = -1;
			free(old);
		} else {
			call_rcu(&old->head, free_item);
		}
		if (i % 200 == 50) {
			/* The thread's end must not wait for a grace period. */
			rcu_read_lock();
			pthread_create(&s, NULL, short_thread, malloc(1000));
			pthread_join(s, &ret);
			free(ret);
			malloc_trim(0);
			rcu_read_unlock();
		}
		if (i % 300 == 0)
			fork_once();
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	rcu_barrier();
	TAP_CHECK(freed > 2900);
	free(current_item);
	unregister_me();
}

int main(void)
{
	alarm(240);
	tap_start(1);
	tap_test("frees, trims, joins and forks beside liburcu", test_urcu);
	return tap_finish();
}
