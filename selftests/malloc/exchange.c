// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Two threads, in turn: each frees what the other one has left for it, replaces some blocks of its own, and
 * leaves others. All sizes up to 16000 bytes are in it, so that a turn's blocks are of many pools, and what
 * one frees into the other's pools is always more than that looks at by the way. The heap shall not grow
 * beside it. (The kind of work of rpmalloc-benchmark's rptest.)
 */
#include "resident.h"

#include <pthread.h>
#include <string.h>

#define TURNS	8000
#define OWN	1000
#define GIVEN	200
#define LARGEST	16000

struct block {
	char *p;
	size_t size;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int turn;
static struct block given[2][GIVEN];
static size_t live, most;
static uint64_t seed;

static void renew(struct block *b, uint64_t *r, bool again)
{
	/* Small ones are more likely, as in most programs. */
	size_t size = 1 + tap_random(r) % (1 + tap_random(r) % LARGEST);

	free(b->p);
	live -= b->size;
	*b = (struct block){ 0 };
	if (!again)
		return;
	b->p = malloc(size);
	if (!b->p)
		tap_bail_out("no memory");
	memset(b->p, 1, size);
	b->size = size;
	live += size;
	if (live > most)
		most = live;
}

static void *work(void *arg)
{
	static struct block own[2][OWN];
	int me = (int)(uintptr_t)arg, n, i;
	uint64_t r = seed + (uint64_t)me;

	pthread_mutex_lock(&lock);
	for (n = 0; n < TURNS; n++) {
		while (turn != me)
			pthread_cond_wait(&changed, &lock);
		for (i = 0; i < GIVEN; i++)
			renew(&given[me][i], &r, false);
		for (i = 0; i < GIVEN / 2; i++)
			renew(&own[me][tap_random(&r) % OWN], &r, true);
		for (i = 0; i < GIVEN; i++)
			renew(&given[!me][i], &r, true);
		turn = !me;
		pthread_cond_signal(&changed);
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

int main(void)
{
	pthread_t thread[2];
	size_t base;
	int i;

	tap_start(1);
	seed = tap_seed();
	look("at the start");
	base = resident;
	for (i = 0; i < 2; i++)
		if (pthread_create(&thread[i], NULL, work, (void *)(uintptr_t)i))
			tap_bail_out("no thread");
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	look("both are done");
	tap_diag("%zu KiB were in use at most", most >> 10);
	/* The two of them, and what bins and empty pools have. */
	TAP_CHECK(resident - base < 3 * most);
	tap_ok(!tap.broken_checks, "exchange");
	return tap_finish();
}
