// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * remote: every block is allocated by a producer and freed by its consumer.
 * They meet at a queue of batches that sleeps when it is full or empty, so that
 * CPU time is work and not spinning. `pairs` producers have a consumer each.
 */
#include <pthread.h>

#include "bench.h"

enum { PAIRS, MIN, MAX, OPS };

#define BATCH	256
#define DEPTH	16

struct remote_queue {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned long put, taken;
	void *batch[DEPTH][BATCH];
	long batches;
	uint64_t state;
};

struct remote_side {
	struct remote_queue *q;
	bool producer;
};

static struct bench_sizes sizes;

/* Waits until slot @n may be filled (@room) or emptied. */
static void remote_wait(struct remote_queue *q, bool room)
{
	pthread_mutex_lock(&q->lock);
	while (room ? q->put - q->taken == DEPTH : q->put == q->taken)
		pthread_cond_wait(&q->changed, &q->lock);
	pthread_mutex_unlock(&q->lock);
}

static void remote_advance(struct remote_queue *q, unsigned long *counter)
{
	pthread_mutex_lock(&q->lock);
	++*counter;
	pthread_cond_signal(&q->changed);
	pthread_mutex_unlock(&q->lock);
}

static void *remote_thread(void *arg)
{
	struct remote_side *s = arg;
	struct remote_queue *q = s->q;
	long n, i;

	for (n = 0; n < q->batches; n++) {
		void **batch = q->batch[n % DEPTH];

		remote_wait(q, s->producer);
		for (i = 0; s->producer && i < BATCH; i++) {
			batch[i] = bench_malloc(bench_size(&sizes, bench_random(&q->state)));
			bench_stamp(batch[i], i);
		}
		for (i = 0; !s->producer && i < BATCH; i++) {
			bench_check(batch[i], i);
			bench_free(batch[i]);
		}
		remote_advance(q, s->producer ? &q->put : &q->taken);
	}
	return NULL;
}

static void remote_run(const long *v)
{
	struct remote_queue *q = bench_memory(v[PAIRS] * sizeof(*q));
	struct remote_side *s = bench_memory(2 * v[PAIRS] * sizeof(*s));
	long i;

	if (!v[PAIRS])
		bench_die("remote needs pairs >= 1");
	bench_sizes_init(&sizes, 0, v[MIN], v[MAX]);
	for (i = 0; i < v[PAIRS]; i++) {
		pthread_mutex_init(&q[i].lock, NULL);
		pthread_cond_init(&q[i].changed, NULL);
		q[i].batches = v[OPS] / BATCH;
		q[i].state = 0x4e + i;
		s[2 * i] = (struct remote_side){ &q[i], true };
		s[2 * i + 1] = (struct remote_side){ &q[i], false };
	}
	bench_start();
	bench_threads(2 * v[PAIRS], remote_thread, s, sizeof(*s));
	bench_stop(v[PAIRS] * q[0].batches * BATCH);
}

const struct workload remote_workload = {
	.name = "remote",
	.help = "producers allocate, consumers free",
	.params = { { "pairs", 1 }, { "min", 16 }, { "max", 256 }, { "ops", 1000000 } },
	.run = remote_run,
};
