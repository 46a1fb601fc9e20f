// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Several libraries in one: loaded and closed again, by each other, or preloaded before all others. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

void **plugin_make(int n);
void *plugin_thread(void *arg);
void *plugin_open(const char *name);

static void *own[50];

#ifdef EARLY
/* Keys first: what comes after them finds only high numbers. */
static void take_keys(void)
{
	pthread_key_t key;
	int i;

	for (i = 0; i < 40; i++)
		pthread_key_create(&key, NULL);
}
#else
static void take_keys(void)
{
}
#endif

__attribute__((constructor)) static void begin(void)
{
	int i;

	take_keys();
	for (i = 0; i < 50; i++)
		own[i] = malloc((size_t)i * 90 + 1);
}

__attribute__((destructor)) static void end(void)
{
	int i;

	for (i = 0; i < 50; i++)
		free(own[i]);
}

void **plugin_make(int n)
{
	void **p = malloc((size_t)n * sizeof(*p));
	int i;

	for (i = 0; i < n; i++)
		p[i] = calloc(1, (size_t)i * 11 + 1);
	return p;
}

void *plugin_thread(void *arg)
{
	void **p = arg;
	int i;

	for (i = 0; i < 100; i++) {
		free(p[i]);
		p[i] = malloc(200);
	}
	return NULL;
}

/* Looks where this library's RUNPATH says. */
void *plugin_open(const char *name)
{
	return dlopen(name, RTLD_NOW | RTLD_DEEPBIND);
}
