// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * liburcu under us: forks while its locks are taken, by whom ever, and no
 * memory for what it would need. Linked with --wrap, so that calls of its fork
 * hooks are counted; without that (in a kernel tree) one test is skipped.
 * ASan has locks of its own for threads, which a fork leaves taken.
 * test-variants: seed modern clang-seed
 * test-libs: -Wl,--wrap=urcu_bp_before_fork,--wrap=urcu_bp_after_fork_parent,--wrap=urcu_bp_after_fork_child
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <urcu-bp.h>

#include "shared/oracle.h"
#include "shared/report.h"

#define THREADS	3

/* Pulled in by the test's own calls, when they are wrapped. */
extern void __wrap_urcu_bp_before_fork(void) __attribute__((weak));

static bool counted(void)
{
	return __wrap_urcu_bp_before_fork;
}

static bool running;

static bool go_on(void)
{
	return __atomic_load_n(&running, __ATOMIC_RELAXED);
}

static int count(void *ctx, void *block, size_t size)
{
	(void)block;
	*(uint64_t *)ctx += size == 96;
	return 0;
}

/* A child must not print: it tells by its exit status. */
enum { GOOD, NO_MEMORY, BAD_STATS, BAD_WALK, NOT_FREED };

/* Everything that has to do with RCU. */
static int use_all(bool defer)
{
	void *p[200];
	uint64_t seen = 0, before = report_live_blocks(96);
	int i;

	for (i = 0; i < 200; i++) {
		p[i] = poolalloc_alloc(96);
		if (!p[i])
			return NO_MEMORY;
	}
	if (report_live_blocks(96) != before + 200)
		return BAD_STATS;
	if (poolalloc_walk(count, &seen) || seen < 200)
		return BAD_WALK;
	for (i = 0; i < 200; i++) {
		if (defer)
			poolalloc_free_rcu(p[i]);
		else
			poolalloc_free(p[i]);
	}
	poolalloc_trim();
	for (i = 0; i < 60000 && report_live_blocks(96) != before; i++)
		usleep(1000);
	return report_live_blocks(96) == before ? GOOD : NOT_FREED;
}

static int wait_for(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static void must_be_good(pid_t pid)
{
	int ret = wait_for(pid);

	if (!TAP_CHECK(ret == GOOD))
		tap_diag("child: %d (more than 100: a signal)", ret);
}

static __thread bool registered;

/* Registers with liburcu, unless it is. */
static void *brief_reader(void *arg)
{
	rcu_read_lock();
	rcu_read_unlock();
	registered = true;
	return arg;
}

/*
 * liburcu works in the child. A thread that it does not know yet would stop
 * there for ever if another was about to register: no hook frees that lock.
 */
static void use_liburcu(void)
{
	if (registered)
		brief_reader(NULL);
	synchronize_rcu();
}

/* Others register and leave, again and again: liburcu's locks are often taken. */
static void *come_and_go(void *arg)
{
	while (go_on()) {
		pthread_t t;

		if (!pthread_create(&t, NULL, brief_reader, NULL))
			pthread_join(t, NULL);
		synchronize_rcu();
	}
	return arg;
}

static void beside_liburcu(void (*body)(void))
{
	pthread_t t[THREADS];
	int i;

	running = true;
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&t[i], NULL, come_and_go, NULL))
			tap_bail_out("cannot create a thread");
	body();
	running = false;
	for (i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
}

static int grandchild(bool defer)
{
	pid_t pid = fork();

	if (!pid)
		_exit(use_all(defer));
	return wait_for(pid);
}

/* All signals are blocked, but nobody has called liburcu's hooks. */
static void fork_blocked(void)
{
	size_t i, n = tap_scaled(300, 20);
	sigset_t all, old;

	sigfillset(&all);
	for (i = 0; i < n; i++) {
		pid_t pid;

		if (i == n / 2)
			brief_reader(NULL);
		pthread_sigmask(SIG_BLOCK, &all, &old);
		pid = fork();
		pthread_sigmask(SIG_SETMASK, &old, NULL);
		if (!pid) {
			alarm(120);
			/* When they are counted, liburcu works in the child as well. */
			if (counted())
				use_liburcu();
			_exit(use_all(counted()) ?: grandchild(counted()));
		}
		must_be_good(pid);
	}
}

static void blocked(void)
{
	beside_liburcu(fork_blocked);
}

/* The application calls the hooks itself, once or twice, by hand or as fork handlers. */
static void fork_hooked(int times)
{
	pid_t pid;
	int i;

	for (i = 0; i < times; i++)
		urcu_bp_before_fork();
	pid = fork();
	for (i = 0; i < times; i++) {
		if (pid)
			urcu_bp_after_fork_parent();
		else
			urcu_bp_after_fork_child();
	}
	if (!pid) {
		alarm(120);
		use_liburcu();
		_exit(use_all(true) ?: grandchild(true));
	}
	must_be_good(pid);
}

static void fork_by_hand(void)
{
	size_t i, n = tap_scaled(100, 10);

	for (i = 0; i < n; i++)
		fork_hooked(1);
}

static void by_hand(void)
{
	beside_liburcu(fork_by_hand);
}

static void fork_nested(void)
{
	size_t i, n = tap_scaled(100, 10);

	for (i = 0; i < n; i++)
		fork_hooked(i % 3);
}

static void nested(void)
{
	pthread_atfork(urcu_bp_before_fork, urcu_bp_after_fork_parent, urcu_bp_after_fork_child);
	beside_liburcu(fork_nested);
}

/* Forks inside a read-side section that others wait for, with liburcu's lock. */
static void fork_reading(void)
{
	size_t i, n = tap_scaled(40, 5);

	for (i = 0; i < n; i++) {
		pid_t pid;

		rcu_read_lock();
		usleep(2000);
		pid = fork();
		if (!pid) {
			alarm(120);
			rcu_read_unlock();
			_exit(use_all(false) ?: grandchild(false));
		}
		rcu_read_unlock();
		must_be_good(pid);
	}
}

static void reading(void)
{
	beside_liburcu(fork_reading);
}

static pthread_barrier_t barrier;

static int no_memory_thread(void)
{
	uint64_t seen = 0, before = report_live_blocks(96);
	void *p = poolalloc_alloc(96), *q = poolalloc_alloc(96);

	if (!p || !q)
		return NO_MEMORY;
	/* Large blocks need memory to be walked over: an error is right, an abort is not. */
	if (poolalloc_walk(count, &seen) && errno != ENOMEM)
		return BAD_WALK;
	poolalloc_free_rcu(p);
	poolalloc_free_rcu(q);
	poolalloc_trim();
	return report_live_blocks(96) == before ? GOOD : NOT_FREED;
}

static void *starved(void *arg)
{
	void *p = poolalloc_alloc(96);

	poolalloc_free(p);
	pthread_barrier_wait(&barrier);	/* now there is a limit */
	pthread_barrier_wait(&barrier);
	/* One after the other: they compare numbers. */
	*(int *)arg = no_memory_thread();
	return NULL;
}

/* Inside a read-side section nothing can wait: the next one to free does. */
static int starved_reader(void)
{
	uint64_t before = report_live_blocks(96);
	void *p = poolalloc_alloc(96);

	rcu_read_lock();
	poolalloc_free_rcu(p);
	if (report_live_blocks(96) != before + 1)
		return NOT_FREED;
	rcu_read_unlock();
	poolalloc_free_rcu(poolalloc_alloc(96));
	return report_live_blocks(96) == before ? GOOD : NOT_FREED;
}

static int starve(void)
{
	struct rlimit none = { 1 << 20, 1 << 20 };
	int verdict = -1, ret;
	pthread_t t;

	brief_reader(NULL);
	/* The memory for a batch is there: a pool of its class is. */
	poolalloc_free(poolalloc_alloc(1000));
	pthread_barrier_init(&barrier, NULL, 2);
	if (pthread_create(&t, NULL, starved, &verdict))
		return NO_MEMORY;
	pthread_barrier_wait(&barrier);
	if (setrlimit(RLIMIT_AS, &none))
		return NO_MEMORY;
	ret = starved_reader();
	pthread_barrier_wait(&barrier);
	pthread_join(t, NULL);
	return ret ? ret : verdict;
}

/*
 * No address space is left; a thread that liburcu does not know asks for
 * statistics, walks, trims, and frees after a grace period.
 */
static void no_memory(void)
{
	pid_t pid = fork();

	if (!pid) {
		alarm(120);
		_exit(starve());
	}
	must_be_good(pid);
}

int main(void)
{
	alarm(1500);
	tap_start(5);
	tap_test("all signals blocked, liburcu's hooks not called", blocked);
	tap_test("the hooks called by hand", by_hand);
	tap_test("fork inside a read-side section", reading);
	tap_test("no memory: nothing aborts", no_memory);
	if (counted())
		tap_test("the hooks called more than once, and as fork handlers", nested);
	else
		tap_skip("the hooks called more than once: not linked with --wrap");
	return tap_finish();
}
