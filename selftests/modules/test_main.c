// SPDX-License-Identifier: GPL-2.0-only
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/ctype.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "test.h"

#define RESULTS_SIZE	16384
#define TOLD_MAX	10

static ulong seed = 1;
module_param(seed, ulong, 0644);
MODULE_PARM_DESC(seed, "Start of all random sequences");

static uint scale = 1;
module_param(scale, uint, 0444);
MODULE_PARM_DESC(scale, "Divisor for the lengths of loops, for kernels that check themselves (default 1)");

const u16 test_sizes[] = {
	0, 1, 7, 8, 9, 10, 16, 17, 24, 33, 63, 64, 65, 100, 127, 128, 129, 200, 255, 256, 257,
	300, 384, 488, 504, 511, 512, 513, 576, 577, 700, 1000, 1024, 1025, 1500, 2048, 3000,
	4095, 4096, 4097, 6000, 8192, 10000, 16384, 20000, 32767, 32768,
};

const unsigned int test_nsizes = ARRAY_SIZE(test_sizes);

static const struct scenario {
	const char *name;
	void (*run)(unsigned long arg);
	unsigned long arg;
	bool loop;
} scenarios[] = {
	{ "api", test_api, 0 },
	{ "exhaust", test_api_exhaust, 64 },
	{ "fail", test_api_fail, 0 },
	{ "leak", test_api_leak, 10 },
	{ "hold", test_api_hold, 1000 },
	{ "release", test_api_release, 0 },
	{ "thin", test_api_thin, 1000 },
	{ "contexts", test_context, 0 },
	{ "storm", test_context_storm, 50000, true },
	{ "threads", test_threads, 50000, true },
	{ "pipe", test_threads_pipe, 200000, true },
	{ "idle-class", test_threads_idle_class, 50000 },
	{ "turns", test_threads_turns, 1000 },
	{ "start", test_threads_start, 0 },
	{ "stop", test_threads_stop, 0 },
	{ "deferred", test_deferred, 20000, true },
	{ "on-node", test_api_on_node, 0 },
	{ "wiped", test_api_wiped, 1 },
	{ "hold512", test_api_hold512, 20000 },
	{ "misuse", test_misuse, 0 },
	{ "object", test_object, 4096 },
	{ "reads", test_proc_reads, 10000, true },
	{ "latency", test_latency, 100000, true },
	{ "latency-preempt", test_latency_preempt, 20 },
	{ "fragment", test_pressure_fragment, 0 },
	{ "defragment", test_pressure_defragment, 0 },
	{ "interrupt", test_pressure_interrupt, 0 },
	{ "cache", test_pressure_cache, 0 },
	{ "trim", test_pressure_trim, 0 },
	{ "claim", test_pressure_claim, 10000 },
	{ "grace", test_grace, 256 * 1024 },
	{ "deferred-storm", test_deferred_storm, 50000, true },
};

static DEFINE_MUTEX(running);		/* one scenario at a time */
static DEFINE_SPINLOCK(results_lock);	/* guards the next two */
static char results[RESULTS_SIZE];
static size_t results_len;
static atomic_t broken = ATOMIC_INIT(0);

static void __printf(2, 0) add_line(const char *start, const char *fmt, va_list args)
{
	unsigned long flags;

	spin_lock_irqsave(&results_lock, flags);
	results_len += scnprintf(results + results_len, RESULTS_SIZE - results_len, "%s ", start);
	results_len += vscnprintf(results + results_len, RESULTS_SIZE - results_len, fmt, args);
	results_len += scnprintf(results + results_len, RESULTS_SIZE - results_len, "\n");
	spin_unlock_irqrestore(&results_lock, flags);
}

bool test_ok(bool pass, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add_line(pass ? "ok" : "not ok", fmt, args);
	va_end(args);
	return pass;
}

void test_note(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add_line("#", fmt, args);
	va_end(args);
}

bool test_check_at(bool holds, const char *what, const char *file, int line)
{
	if (!holds && atomic_inc_return(&broken) <= TOLD_MAX)
		test_note("%s:%d: does not hold: %s", kbasename(file), line, what);
	return holds;
}

u64 test_random(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

u64 test_seed(unsigned int stream)
{
	return seed * 1000003 + stream;
}

static u8 test_byte(const void *p, u8 tag)
{
	return (u8)((uintptr_t)p >> 3) ^ tag;
}

void test_fill(void *p, size_t size, u8 tag)
{
	memset(p, test_byte(p, tag), size);
}

bool test_intact(const void *p, size_t size, u8 tag)
{
	return !memchr_inv(p, test_byte(p, tag), size);
}

struct worker {
	void (*fn)(unsigned int cpu, unsigned long arg);
	unsigned long arg;
	unsigned int cpu;
	struct completion done;
};

static int worker_thread(void *data)
{
	struct worker *w = data;

	w->fn(w->cpu, w->arg);
	/* The thread may outlive the module's text otherwise. */
	kthread_complete_and_exit(&w->done, 0);
}

void test_on_cpus(void (*fn)(unsigned int cpu, unsigned long arg), unsigned long arg)
{
	struct worker *workers = kcalloc(nr_cpu_ids, sizeof(*workers), GFP_KERNEL);
	struct task_struct *task;
	unsigned int cpu;

	if (!test_check(workers))
		return;
	cpus_read_lock();
	for_each_online_cpu(cpu) {
		struct worker *w = &workers[cpu];

		w->arg = arg;
		w->cpu = cpu;
		init_completion(&w->done);
		task = kthread_create_on_cpu(worker_thread, w, cpu, "test_poolalloc/%u");
		if (!test_check(!IS_ERR(task)))
			continue;
		w->fn = fn;
		wake_up_process(task);
	}
	cpus_read_unlock();
	for_each_possible_cpu(cpu)
		if (workers[cpu].fn)
			wait_for_completion(&workers[cpu].done);
	kfree(workers);
}

unsigned long test_scaled(unsigned long n)
{
	return max(n / max(scale, 1U), 1UL);
}

static int run_scenario(char *command)
{
	char *word = strsep(&command, " ");
	const struct scenario *s;
	unsigned long arg;
	int i;

	for (i = 0; i < ARRAY_SIZE(scenarios); i++)
		if (!strcmp(scenarios[i].name, word))
			break;
	if (i == ARRAY_SIZE(scenarios))
		return -EINVAL;
	s = &scenarios[i];
	arg = s->loop ? test_scaled(s->arg) : s->arg;
	if (command && kstrtoul(command, 0, &arg))
		return -EINVAL;
	if (mutex_lock_interruptible(&running))
		return -EINTR;
	results_len = 0;
	atomic_set(&broken, 0);
	s->run(arg);
	test_ok(!atomic_read(&broken), "%s: all checks hold", s->name);
	mutex_unlock(&running);
	return 0;
}

static ssize_t proc_write(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	char command[64];
	int ret;

	if (len >= sizeof(command))
		return -EINVAL;
	if (copy_from_user(command, from, len))
		return -EFAULT;
	command[len] = '\0';
	ret = run_scenario(strim(command));
	return ret ? ret : len;
}

static int proc_show(struct seq_file *m, void *v)
{
	seq_write(m, results, results_len);
	return 0;
}

static int proc_open(struct inode *inode, struct file *file)
{
	return single_open(file, proc_show, NULL);
}

static const struct proc_ops proc_ops = {
	.proc_open	= proc_open,
	.proc_read	= seq_read,
	.proc_lseek	= seq_lseek,
	.proc_write	= proc_write,
	.proc_release	= single_release,
};

static int __init test_init(void)
{
	return proc_create("test_poolalloc", 0600, NULL, &proc_ops) ? 0 : -ENOMEM;
}

static void __exit test_exit(void)
{
	remove_proc_entry("test_poolalloc", NULL);
	test_threads_stop(0);
}

module_init(test_init);
module_exit(test_exit);

MODULE_DESCRIPTION("Tests of poolalloc's exported functions");
MODULE_AUTHOR("The poolalloc authors");
MODULE_LICENSE("GPL");
