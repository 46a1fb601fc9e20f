// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Fork from a process with threads: parent and child go on. TSan does not follow it.
 * test-variants: seed modern asan-seed valgrind-seed
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <urcu-bp.h>

#include "shared/oracle.h"
#include "shared/report.h"

#define WORKERS	3
#define TABLE	2048
#define KEEP	200

static uint64_t seed;
static unsigned char *table[TABLE];
static bool running;
static unsigned int started, ended;

/*
 * libasan (GCC 12) takes a lock of its own while a thread starts or ends and has
 * no fork handlers: a child that is forked meanwhile cannot create a thread. So
 * nobody forks before all threads of a test have started, or after one has ended.
 */
static void all_have(unsigned int *done, unsigned int threads)
{
	while (__atomic_load_n(done, __ATOMIC_RELAXED) < threads)
		sched_yield();
}

static void have(unsigned int *done)
{
	__atomic_fetch_add(done, 1, __ATOMIC_RELAXED);
}

static size_t random_size(uint64_t *rng)
{
	uint64_t r = tap_random(rng);

	return (r >> 8) % (r % 128 == 0 ? 40000 : r % 8 == 0 ? 3000 : 300) + 8;
}

static void *worker(void *arg)
{
	uint64_t rng = seed + (uintptr_t)arg;

	have(&started);
	while (__atomic_load_n(&running, __ATOMIC_RELAXED)) {
		size_t size = random_size(&rng);
		unsigned char *p = poolalloc_alloc(size);

		if (!TAP_CHECK(p))
			return NULL;
		memset(p, 0x5a, size);
		p = __atomic_exchange_n(&table[tap_random(&rng) % TABLE], p, __ATOMIC_ACQ_REL);
		if (p && !TAP_CHECK(p[0] == 0x5a && p[7] == 0x5a))
			tap_diag("block %p was overwritten", (void *)p);
		poolalloc_free(p);
	}
	return NULL;
}

/* A child must not print: its buffers are copies. It tells by its exit status. */
enum {
	GOOD, NO_MEMORY, OVERWRITTEN, DAMAGED, NO_IDENTITY, LOST, NO_THREAD, GRANDCHILD, NOT_FREED,
};

static const char *const verdicts[] = {
	"good", "no memory", "the parent's block was overwritten", "an own block was overwritten",
	"the identity does not hold", "blocks are not visited", "no thread", "a child of it failed",
	"free_rcu does not free",
};

static int play(uint64_t rng, size_t n)
{
	unsigned char *own[KEEP] = { NULL };
	size_t i;

	for (i = 0; i < n; i++) {
		size_t at = tap_random(&rng) % KEEP, size = random_size(&rng);

		if (own[at] && (own[at][0] != (at & 0xff) || own[at][7] != (at & 0xff)))
			return DAMAGED;
		poolalloc_free(own[at]);
		own[at] = poolalloc_alloc(size);
		if (!own[at])
			return NO_MEMORY;
		memset(own[at], (int)at, size);
	}
	for (i = 0; i < KEEP; i++)
		poolalloc_free(own[i]);
	return GOOD;
}

/* Frees what the parent's threads had, in pools that nobody owns here. */
static int free_inherited(void)
{
	size_t i;

	for (i = 0; i < TABLE; i++) {
		unsigned char *p = table[i];

		table[i] = NULL;
		if (p && (p[0] != 0x5a || p[7] != 0x5a))
			return OVERWRITTEN;
		poolalloc_free(p);
	}
	return GOOD;
}

static bool identity(void)
{
	struct poolalloc_stats s;

	return !poolalloc_stats(&s) && s.arenas * s.arena_bytes == s.live_bytes + s.free_bytes +
	       s.descriptor_bytes + s.uncarved_bytes;
}

static int find(void *ctx, void *block, size_t size)
{
	void **looked_for = ctx;

	(void)size;
	if (block == *looked_for)
		*looked_for = NULL;
	return 0;
}

static void *child_thread(void *arg)
{
	return (void *)(uintptr_t)play((uintptr_t)arg, 500);
}

static int wait_for(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static int child(uint64_t rng, unsigned int depth)
{
	void *mine = poolalloc_alloc(64), *looked_for = mine, *verdict;
	pthread_t thread;
	int ret;

	alarm(120);	/* a deadlock is a failure, not a wait for ever */
	ret = play(rng, 300);
	if (!ret)
		ret = free_inherited();
	if (!ret)
		ret = play(rng + 1, 300);
	if (!ret && !identity())
		ret = NO_IDENTITY;
	if (!ret && (poolalloc_walk(find, &looked_for) || looked_for))
		ret = LOST;
	if (!ret && rng % 8 == 0) {
		if (pthread_create(&thread, NULL, child_thread, (void *)(uintptr_t)rng))
			ret = NO_THREAD;
		else if (pthread_join(thread, &verdict) || verdict)
			ret = NO_THREAD;
	}
	poolalloc_free(mine);
	if (!ret && depth) {
		pid_t pid = fork();

		if (!pid)
			_exit(child(rng + 2, depth - 1));
		if (wait_for(pid))
			ret = GRANDCHILD;
	}
	poolalloc_trim();
	return ret ? ret : identity() ? GOOD : NO_IDENTITY;
}

static void fork_once(uint64_t rng, unsigned int depth)
{
	pid_t pid;
	int ret;

	pid = fork();
	if (!pid)
		_exit(child(rng, depth));
	TAP_CHECK(play(rng + 3, 50) == GOOD);
	ret = wait_for(pid);
	if (!TAP_CHECK(ret == GOOD))
		tap_diag("a child of depth %u: %s %d", depth,
			 ret >= 0 && ret <= NOT_FREED ? verdicts[ret] : "died of signal", ret - 100);
}

static void under_load(size_t forks, void (*more)(size_t i))
{
	pthread_t thread[WORKERS];
	size_t i;

	running = true;
	started = 0;
	for (i = 0; i < WORKERS; i++)
		if (pthread_create(&thread[i], NULL, worker, (void *)i))
			tap_bail_out("cannot create a thread");
	all_have(&started, WORKERS);
	for (i = 0; i < forks; i++) {
		fork_once(seed + i * 16, i % 20 == 0 ? 3 : 0);
		if (more)
			more(i);
	}
	running = false;
	for (i = 0; i < WORKERS; i++)
		pthread_join(thread[i], NULL);
	TAP_CHECK(free_inherited() == GOOD);
	TAP_CHECK(report_accounts(0));
}

static void thousand(void)
{
	under_load(tap_scaled(1000, 25), NULL);
}

static void trim_too(size_t i)
{
	if (i % 4 == 0)
		poolalloc_trim();
}

static void with_trim(void)
{
	under_load(tap_scaled(200, 10), trim_too);
}

/* Two threads fork at the same time. */
static void *forker(void *arg)
{
	size_t i, n = tap_scaled(150, 8);

	have(&started);
	all_have(&started, 2);
	for (i = 0; i < n; i++)
		fork_once(seed + (uintptr_t)arg * 1000 + i, 0);
	have(&ended);
	all_have(&ended, 2);
	return NULL;
}

static void two_forkers(void)
{
	pthread_t thread[2];
	size_t i;

	started = ended = 0;
	for (i = 0; i < 2; i++)
		if (pthread_create(&thread[i], NULL, forker, (void *)(i + 1)))
			tap_bail_out("cannot create a thread");
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	TAP_CHECK(report_accounts(0));
}

/* The application blocks all signals and does liburcu's part itself, as its manual says. */
static void *manual_forker(void *arg)
{
	size_t i, n = tap_scaled(100, 8);

	(void)arg;
	have(&started);
	all_have(&started, 2);
	for (i = 0; i < n; i++) {
		sigset_t all, old;
		pid_t pid;

		sigfillset(&all);
		pthread_sigmask(SIG_BLOCK, &all, &old);
		urcu_bp_before_fork();
		pid = fork();
		if (pid)
			urcu_bp_after_fork_parent();
		else
			urcu_bp_after_fork_child();
		pthread_sigmask(SIG_SETMASK, &old, NULL);
		if (!pid)
			_exit(child(seed + i, 0));
		TAP_CHECK(wait_for(pid) == GOOD);
	}
	have(&ended);
	all_have(&ended, 2);
	return NULL;
}

static void manual(void)
{
	pthread_t thread[2];

	started = ended = 0;
	if (pthread_create(&thread[0], NULL, manual_forker, NULL) ||
	    pthread_create(&thread[1], NULL, forker, NULL))
		tap_bail_out("cannot create a thread");
	pthread_join(thread[0], NULL);
	pthread_join(thread[1], NULL);
	TAP_CHECK(report_accounts(0));
}

/* Of a size that the parent's thread does not use. Every block goes, in a minute. */
static int defer(void)
{
	uint64_t before = report_live_blocks(96);
	size_t k;

	for (k = 0; k < 1000; k++)
		poolalloc_free_rcu(poolalloc_alloc(96));
	for (k = 0; k < 60000 && report_live_blocks(96) != before; k++)
		usleep(1000);
	if (report_live_blocks(96) != before)
		return NOT_FREED;
	return identity() ? GOOD : NO_IDENTITY;
}

/*
 * Threads that own no pools walk and give memory back all the time, so that a
 * fork finds arenas pinned and pools held. The child, which frees all that
 * there is, must get rid of every arena.
 */
static int look(void *ctx, void *block, size_t size)
{
	(void)block;
	(void)size;
	return !--*(int *)ctx;
}

static void *trimmer(void *arg)
{
	size_t i;

	for (i = (uintptr_t)arg; __atomic_load_n(&running, __ATOMIC_RELAXED); i++) {
		int most = 2000;

		if (i % 2)
			poolalloc_walk(look, &most);
		else
			poolalloc_trim();
	}
	return NULL;
}

static int trim_in_child(void **own, size_t n)
{
	struct poolalloc_stats s;
	size_t i;

	for (i = 0; i < n; i++)
		poolalloc_free(own[i]);
	poolalloc_trim();
	return !poolalloc_stats(&s) && !s.arenas ? GOOD : NOT_FREED;
}

static void held(void)
{
	size_t forks = tap_scaled(300, 10), n = 3000, i, j;
	pthread_t thread[2];
	void *own[3000];

	/* Slots that wait for new threads: one that is just being stopped keeps its pools. */
	poolalloc_trim();
	running = true;
	for (i = 0; i < 2; i++)
		if (pthread_create(&thread[i], NULL, trimmer, (void *)i))
			tap_bail_out("cannot create a thread");
	for (i = 0; i < forks; i++) {
		pid_t pid;
		int ret;

		for (j = 0; j < n; j++) {
			own[j] = poolalloc_alloc(2000);
			memset(own[j], 1, 2000);
		}
		/* Pools that are free and dirty, in arenas that are used. */
		for (j = 0; j < n / 8 * 7; j++) {
			poolalloc_free(own[j]);
			own[j] = NULL;
		}
		pid = fork();
		if (!pid) {
			alarm(120);
			_exit(trim_in_child(own, n));
		}
		for (; j < n; j++)
			poolalloc_free(own[j]);
		ret = wait_for(pid);
		if (!TAP_CHECK(ret == GOOD))
			tap_diag("the child: %s", ret == NOT_FREED ? "arenas stay" : "died");
	}
	running = false;
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
}

/* Freed after a grace period in the child, too: no lock of the parent's is stuck. */
static void *rcu_worker(void *arg)
{
	size_t i;

	(void)arg;
	have(&started);
	for (i = 0; __atomic_load_n(&running, __ATOMIC_RELAXED); i++) {
		poolalloc_free_rcu(poolalloc_alloc(48));
		if (i % 500 == 0)	/* the grace periods must keep up */
			usleep(1000);
	}
	return NULL;
}

static void deferred(void)
{
	size_t n = tap_scaled(60, 5), i;
	pthread_t thread;

	TAP_CHECK(defer() == GOOD);	/* here, too: liburcu's thread has started */
	running = true;
	started = 0;
	if (pthread_create(&thread, NULL, rcu_worker, NULL))
		tap_bail_out("cannot create a thread");
	all_have(&started, 1);
	for (i = 0; i < n; i++) {
		pid_t pid = fork();

		if (!pid) {
			alarm(120);
			_exit(defer());
		}
		TAP_CHECK(wait_for(pid) == GOOD);
	}
	running = false;
	pthread_join(thread, NULL);
}

int main(void)
{
	alarm(1500);
	tap_start(6);
	seed = tap_seed();
	tap_test("forks under load, children fork again", thousand);
	tap_test("forks, load and trim", with_trim);
	tap_test("two threads that fork", two_forkers);
	tap_test("one of them does liburcu's part itself", manual);
	tap_test("arenas that other threads stood on, pools that they held", held);
	tap_test("free_rcu in parent and child", deferred);
	return tap_finish();
}
