/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_poolalloc: scenarios that a guest script starts one after the other.
 *
 *   echo "NAME [NUMBER]" > /proc/test_poolalloc     runs it, in the writer
 *   cat /proc/test_poolalloc                        its results, as TAP lines
 */
#ifndef TEST_H
#define TEST_H

#include <linux/poolalloc.h>
#include <linux/types.h>

struct task_struct;

/* One result. The script numbers them. Any task context. */
bool __printf(2, 3) test_ok(bool pass, const char *fmt, ...);
void __printf(1, 2) test_note(const char *fmt, ...);

/*
 * For the inside of a loop: the first few that do not hold are told, and the
 * scenario has a failed result at its end. Any context.
 */
bool test_check_at(bool holds, const char *what, const char *file, int line);
#define test_check(cond)	test_check_at(!!(cond), #cond, __FILE__, __LINE__)

/* splitmix64. Every user has a state of its own, derived from the seed. */
u64 test_random(u64 *state);
u64 test_seed(unsigned int stream);

/* How often something is tried, at least once; less on a kernel that checks itself. */
unsigned long test_scaled(unsigned long n);

/* What a block is filled with depends on where it is and on @tag. */
void test_fill(void *p, size_t size, u8 tag);
bool test_intact(const void *p, size_t size, u8 tag);

/* Runs @fn in a thread bound to each online CPU and waits for all of them. */
void test_on_cpus(void (*fn)(unsigned int cpu, unsigned long arg), unsigned long arg);

/* Allocates a block that test_api_release() frees. One task at a time. */
bool test_hold(size_t size);

/* What the threads of test_threads_start() have done so far. */
unsigned long test_threads_steps(void);

/* Sizes worth trying: the borders of classes, and some between. */
extern const u16 test_sizes[];
extern const unsigned int test_nsizes;

void test_api(unsigned long arg);
void test_api_exhaust(unsigned long arg);
void test_api_fail(unsigned long arg);
void test_api_leak(unsigned long arg);
void test_api_hold(unsigned long arg);
void test_api_on_node(unsigned long nid);
void test_api_wiped(unsigned long expected);
void test_api_hold512(unsigned long arg);
void test_api_release(unsigned long arg);
void test_api_thin(unsigned long nth);
void test_context(unsigned long arg);
void test_context_storm(unsigned long arg);
void test_threads(unsigned long arg);
void test_threads_pipe(unsigned long arg);
void test_threads_idle_class(unsigned long arg);
void test_threads_turns(unsigned long arg);
void test_threads_start(unsigned long arg);
void test_threads_stop(unsigned long arg);
void test_deferred(unsigned long arg);
void test_deferred_storm(unsigned long arg);
void test_grace(unsigned long arena_bytes);
void test_misuse(unsigned long which);
void test_object(unsigned long pool_bytes);
void test_proc_reads(unsigned long n);
void test_latency(unsigned long n);
void test_latency_preempt(unsigned long n);
void test_pressure_fragment(unsigned long arg);
void test_pressure_defragment(unsigned long arg);
void test_pressure_interrupt(unsigned long arg);
void test_pressure_cache(unsigned long arg);
void test_pressure_claim(unsigned long arg);
void test_pressure_trim(unsigned long arg);

#endif
