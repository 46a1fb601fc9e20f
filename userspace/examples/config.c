// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Readers never wait: a configuration that is replaced while others read it.
 * The old one is freed after a grace period. Needs liburcu, flavour bp:
 *
 *	gcc config.c $(pkg-config --cflags --libs poolalloc liburcu-bp) -pthread
 */
#include <urcu-bp.h>
#include <poolalloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct config {
	int version;
	int twice;
};

static struct config *current;
static int stop;

static void *read_it(void *arg)
{
	long *looks = arg;

	while (!CMM_LOAD_SHARED(stop)) {
		struct config *c;

		urcu_bp_read_lock();
		c = rcu_dereference(current);
		if (c->twice != 2 * c->version)
			abort();
		urcu_bp_read_unlock();
		++*looks;
	}
	return NULL;
}

static int replace(int version)
{
	struct config *old = current, *c = poolalloc_alloc(sizeof(*c));

	if (!c)
		return -1;
	c->version = version;
	c->twice = 2 * version;
	rcu_assign_pointer(current, c);
	poolalloc_free_rcu(old);
	return 0;
}

int main(void)
{
	pthread_t reader;
	long looks = 0;
	int i;

	if (replace(0) || pthread_create(&reader, NULL, read_it, &looks))
		return 1;
	for (i = 1; i <= 100000; i++)
		if (replace(i))
			return 1;
	CMM_STORE_SHARED(stop, 1);
	pthread_join(reader, NULL);
	printf("version %d is current\n", current->version);
	return 0;
}
