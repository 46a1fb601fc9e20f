/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What every workload shares: parameters, a clock, random numbers and memory
 * that does not come from the allocator under test.
 *
 * One process runs one workload once and prints one line. The allocator is
 * whatever malloc() the process was started with (LD_PRELOAD); compiled with
 * -DBENCH_NATIVE the same workloads call libpoolalloc's own functions.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef BENCH_NATIVE
#include "poolalloc_static.h"
#define bench_malloc(n)		poolalloc_alloc(n)
#define bench_free(p)		poolalloc_free(p)
#define bench_calloc(n)		poolalloc_zalloc(n)
#define bench_realloc(p, n)	poolalloc_realloc(p, n)
#else
#define bench_malloc(n)		malloc(n)
#define bench_free(p)		free(p)
#define bench_calloc(n)		calloc(1, n)
#define bench_realloc(p, n)	realloc(p, n)
#endif

#define BENCH_MAX_PARAMS	8

/* A parameter's name and default; given on the command line as name=value. */
struct bench_param {
	const char *name;
	long value;
};

/*
 * @run gets the values in the order of @params. It calls bench_start() and
 * bench_stop() around what is measured.
 */
struct workload {
	const char *name;
	const char *help;
	struct bench_param params[BENCH_MAX_PARAMS];
	void (*run)(const long *v);
};

extern const struct workload pair_workload, batch_workload, random_workload, queue_workload;
extern const struct workload server_workload, remote_workload, churn_workload;
extern const struct workload bursty_workload, sharing_workload, fill_workload,
			      large_workload, append_workload;
extern const struct workload replay_workload, shape_workload, constant_workload;

void bench_start(void);
void bench_stop(uint64_t ops);

/* Zeroed, already faulted in, never from malloc(), never given back. */
void *bench_memory(size_t bytes);

/* Ends the process with one line on stderr. */
void bench_die(const char *what) __attribute__((noreturn, cold));

/* Returns @p: stands for a call of the allocator when calls=0. */
void *bench_nothing(void *p);

/* Starts @n threads of @fn, the i-th with &args[i * stride], and joins them. */
void bench_threads(long n, void *(*fn)(void *), void *args, size_t stride);

/* The value of a text parameter (trace=path), or NULL. */
const char *bench_text(const char *name);

/* xorshift64*: one multiplication per number, the high bits are the good ones. */
static inline uint64_t bench_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1dULL;
}

/* A number in [0, n) from the high half of @r. */
static inline uint32_t bench_below(uint64_t r, uint32_t n)
{
	return ((r >> 32) * n) >> 32;
}

/* Mixed sizes: a table to draw from with ten random bits. */
#define BENCH_SIZES	1024

struct bench_sizes {
	uint16_t size[BENCH_SIZES];
};

/*
 * @shape 0: uniform in [min, max]; 1: log-uniform, so that every doubling is
 * as likely as the next and small sizes dominate.
 */
void bench_sizes_init(struct bench_sizes *s, long shape, long min, long max);

static inline size_t bench_size(const struct bench_sizes *s, uint64_t r)
{
	return s->size[(r >> 8) % BENCH_SIZES];
}

/* Stamps a block so that its loss or corruption is seen when it is freed. */
static inline void bench_stamp(void *p, uintptr_t tag)
{
	*(volatile uintptr_t *)p = tag;
}

static inline void bench_check(void *p, uintptr_t tag)
{
	if (*(volatile uintptr_t *)p != tag)
		bench_die("a block was overwritten while it was live");
}

/* Keeps the compiler from reasoning about what @p points to. */
static inline void bench_use(void *p)
{
	__asm__ volatile("" : : "r"(p) : "memory");
}

#endif /* BENCH_H */
