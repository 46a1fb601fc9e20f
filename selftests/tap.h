/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What a C test needs to speak TAP.
 *
 *	int main(void)
 *	{
 *		tap_start(2);			(0: the plan is printed at the end)
 *		tap_ok(x == 3, "x is %d", x);
 *		tap_test("named", function);	(its checks, and one result for all of them)
 *		return tap_finish();
 *	}
 *
 * tap_ok() is one result, from any thread. TAP_CHECK() is for the inside of a test: silent when it
 * holds, else a diagnostic, and the enclosing tap_test() fails. tap_skip() is one skipped result;
 * tap_skip_all() ends the program with exit status 4.
 */
#ifndef POOLALLOC_TAP_H
#define POOLALLOC_TAP_H

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define TAP_EXIT_SKIP	4
#define TAP_PRINTF(a, b)	__attribute__((format(printf, a, b)))
#define TAP_UNUSED	__attribute__((unused))

static struct {
	pthread_mutex_t lock;		/* guards the rest and the order of lines */
	unsigned int planned;
	unsigned int count;
	unsigned int failed;
	unsigned int broken_checks;	/* of TAP_CHECK, since the current test began */
	uint64_t seed;
} tap = { .lock = PTHREAD_MUTEX_INITIALIZER };

static inline void tap_start(unsigned int planned)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n");
	tap.planned = planned;
	if (planned)
		printf("1..%u\n", planned);
}

static inline void tap_result(bool pass, const char *directive, const char *fmt, va_list args)
{
	pthread_mutex_lock(&tap.lock);
	tap.count++;
	tap.failed += !pass;
	printf("%s %u ", pass ? "ok" : "not ok", tap.count);
	vprintf(fmt, args);
	printf("%s\n", directive);
	pthread_mutex_unlock(&tap.lock);
}

static inline TAP_PRINTF(2, 3) bool tap_ok(bool pass, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	tap_result(pass, "", fmt, args);
	va_end(args);
	return pass;
}

static inline TAP_PRINTF(1, 2) void tap_skip(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	tap_result(true, " # SKIP", fmt, args);
	va_end(args);
}

static inline TAP_PRINTF(1, 2) void tap_diag(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	pthread_mutex_lock(&tap.lock);
	printf("# ");
	vprintf(fmt, args);
	printf("\n");
	pthread_mutex_unlock(&tap.lock);
	va_end(args);
}

static inline _Noreturn TAP_PRINTF(1, 2) void tap_skip_all(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	printf("TAP version 13\n1..0 # SKIP ");
	vprintf(fmt, args);
	printf("\n");
	va_end(args);
	exit(TAP_EXIT_SKIP);
}

static inline _Noreturn TAP_PRINTF(1, 2) void tap_bail_out(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	printf("Bail out! ");
	vprintf(fmt, args);
	printf("\n");
	va_end(args);
	exit(1);
}

/* The first few broken checks are told; a test that breaks a million times prints ten lines. */
static inline bool tap_check(bool holds, const char *file, int line, const char *what)
{
	if (!holds) {
		if (__atomic_fetch_add(&tap.broken_checks, 1, __ATOMIC_RELAXED) < 10)
			tap_diag("%s:%d: does not hold: %s", file, line, what);
	}
	return holds;
}

#define TAP_CHECK(cond)	tap_check(!!(cond), __FILE__, __LINE__, #cond)

static inline TAP_UNUSED void tap_test(const char *name, void (*test)(void))
{
	__atomic_store_n(&tap.broken_checks, 0, __ATOMIC_RELAXED);
	test();
	tap_ok(__atomic_load_n(&tap.broken_checks, __ATOMIC_RELAXED) == 0, "%s", name);
}

static inline int tap_finish(void)
{
	if (!tap.planned)
		printf("1..%u\n", tap.count);
	fflush(stdout);
	return tap.failed || (tap.planned && tap.planned != tap.count);
}

/*
 * Under valgrind or a sanitizer everything takes 5 to 50 times as long: TEST_SCALE in the
 * environment is the divisor that the runner gives for the variant. Never below @least.
 */
static inline TAP_UNUSED size_t tap_scaled(size_t n, size_t least)
{
	const char *env = getenv("TEST_SCALE");
	unsigned long divisor = env ? strtoul(env, NULL, 10) : 1;

	if (divisor > 1)
		n /= divisor;
	return n < least ? least : n;
}

/* TEST_SEED in the environment repeats a run; otherwise the time. The seed is always printed. */
static inline TAP_UNUSED uint64_t tap_seed(void)
{
	const char *env = getenv("TEST_SEED");
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	tap.seed = env ? strtoull(env, NULL, 0) :
		(uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec + (uint64_t)getpid();
	tap_diag("seed %" PRIu64 " (TEST_SEED=%" PRIu64 " repeats this run)", tap.seed, tap.seed);
	return tap.seed;
}

/* splitmix64: a whole state in one word, so that every thread can have its own. */
static inline TAP_UNUSED uint64_t tap_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

#endif
