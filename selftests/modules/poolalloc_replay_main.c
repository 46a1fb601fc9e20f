// SPDX-License-Identifier: GPL-2.0-only
/*
 * poolalloc_replay: replays a trace of userspace/poolalloc-trace against
 * poolalloc.ko, through its exported functions.
 *
 *   /proc/poolalloc_replay/trace     the file is written here, in any pieces
 *   /proc/poolalloc_replay/control   pause    stop at the peak of the next trace
 *                                    resume   go on from there
 *                                    reset    free everything, forget the trace
 *                                    spread N batches of N records on one CPU after
 *                                             the other; 0: by thread (default)
 *   /proc/poolalloc_replay/status    the state and the result, as text
 *
 * A writer replays what it writes before write() returns; at the pause it
 * sleeps. Records run in the trace's order, in batches of one thread of the
 * trace, each batch on one CPU: its thread's, or the next one with spread.
 * Requests above POOLALLOC_MAX_SIZE are counted and left out.
 */
#include <linux/cpu.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poolalloc.h>
#include <linux/proc_fs.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "trace_replay.h"

#define PIECE		4096
#define COMMAND_MAX	32

enum state { IDLE, RUNNING, AT_PEAK, DONE, FAILED };

static const char * const state_name[] = { "idle", "running", "peak", "done", "failed" };

/* Held by whoever feeds or resets, for the whole write(). */
static DEFINE_MUTEX(feed_lock);
/* Protects the replay's fields below; not held while a writer sleeps at the peak. */
static DEFINE_MUTEX(state_lock);
static DECLARE_WAIT_QUEUE_HEAD(resumed);
static struct pa_replay *replay;
static enum state state;
static bool pause_wanted;
static u32 spread;
static u32 batches;

static void *kernel_alloc(size_t size)
{
	return poolalloc_alloc(size, GFP_KERNEL);
}

static void *kernel_zalloc(size_t size)
{
	return poolalloc_zalloc(size, GFP_KERNEL);
}

/* A block is aligned to the largest power of two in its size, to a page at most. */
static void *kernel_aligned(size_t align, size_t size)
{
	return poolalloc_alloc(ALIGN(max_t(size_t, size, 1), align), GFP_KERNEL);
}

static void kernel_free(void *p)
{
	poolalloc_free(p);
}

static size_t kernel_usable(void *p)
{
	return poolalloc_size(p);
}

/* The API has no realloc: the shared code allocates, copies and frees. */
static const struct pa_replay_ops ops = {
	.alloc = kernel_alloc,
	.zalloc = kernel_zalloc,
	.aligned = kernel_aligned,
	.free = kernel_free,
	.usable = kernel_usable,
};

struct batch {
	void (*fn)(void *arg);
	void *arg;
};

static long run_on_cpu(void *arg)
{
	struct batch *batch = arg;

	batch->fn(batch->arg);
	return 0;
}

/* The CPU may go away between the choice and its use: then another is chosen. */
static int host_run(void *ctx, u32 thread, void (*fn)(void *arg), void *arg)
{
	struct batch batch = { .fn = fn, .arg = arg };
	u32 wanted = spread ? batches++ : thread;
	long err;

	do {
		unsigned int nth = wanted % num_online_cpus();
		unsigned int cpu;

		for_each_online_cpu(cpu)
			if (!nth--)
				break;
		err = cpu < nr_cpu_ids ? work_on_cpu_safe(cpu, run_on_cpu, &batch) : -ENODEV;
	} while (err == -ENODEV);
	return err;
}

static int host_at_peak(void *ctx)
{
	int err;

	if (!pause_wanted)
		return 0;
	pause_wanted = false;
	state = AT_PEAK;
	mutex_unlock(&state_lock);
	err = wait_event_interruptible(resumed, READ_ONCE(state) != AT_PEAK);
	mutex_lock(&state_lock);
	if (!err)
		return 0;
	state = RUNNING;
	return -EINTR;
}

static void *host_table(size_t bytes)
{
	return vzalloc(bytes);
}

static void host_table_free(void *table)
{
	vfree(table);
}

static const struct pa_replay_host host = {
	.table = host_table,
	.table_free = host_table_free,
	.run = host_run,
	.at_peak = host_at_peak,
};

static void replay_begin(void)
{
	replay->ops = &ops;
	replay->host = &host;
	replay->limit = POOLALLOC_MAX_SIZE;
	replay->batch_max = spread;
	replay->check = true;
	pa_replay_init(replay);
	batches = 0;
	state = RUNNING;
}

static int replay_piece(const void *data, size_t len)
{
	if (state == IDLE)
		replay_begin();
	if (state != RUNNING && state != DONE)
		return -EINVAL;
	if (pa_replay_feed(replay, data, len)) {
		state = FAILED;
		if (signal_pending(current))
			return -EINTR;
		return replay->decoder.error == PA_TRACE_NO_MEMORY ? -ENOMEM : -EINVAL;
	}
	if (replay->decoder.state == PA_TRACE_DONE)
		state = DONE;
	return 0;
}

static ssize_t trace_write(struct file *file, const char __user *data, size_t len, loff_t *pos)
{
	size_t done = 0;
	int err = 0;
	char *piece;

	piece = kmalloc(PIECE, GFP_KERNEL);
	if (!piece)
		return -ENOMEM;
	if (!mutex_trylock(&feed_lock)) {
		kfree(piece);
		return -EBUSY;
	}
	while (done < len && !err) {
		size_t n = min_t(size_t, len - done, PIECE);

		if (copy_from_user(piece, data + done, n)) {
			err = -EFAULT;
			break;
		}
		mutex_lock(&state_lock);
		err = replay_piece(piece, n);
		mutex_unlock(&state_lock);
		done += n;
		cond_resched();
	}
	mutex_unlock(&feed_lock);
	kfree(piece);
	return err ? err : len;
}

static const struct proc_ops trace_ops = {
	.proc_write	= trace_write,
	.proc_lseek	= noop_llseek,
};

static int replay_reset(void)
{
	int err;

	if (!mutex_trylock(&feed_lock))
		return -EBUSY;
	mutex_lock(&state_lock);
	err = state == IDLE ? 0 : pa_replay_drain(replay);
	state = IDLE;
	mutex_unlock(&state_lock);
	mutex_unlock(&feed_lock);
	return err ? -EIO : 0;
}

static int replay_resume(void)
{
	int err = -EINVAL;

	mutex_lock(&state_lock);
	if (state == AT_PEAK) {
		WRITE_ONCE(state, RUNNING);
		wake_up(&resumed);
		err = 0;
	}
	mutex_unlock(&state_lock);
	return err;
}

static int replay_command(const char *command)
{
	u32 number;

	if (!strcmp(command, "resume"))
		return replay_resume();
	if (!strcmp(command, "reset"))
		return replay_reset();
	if (!strcmp(command, "pause")) {
		mutex_lock(&state_lock);
		pause_wanted = true;
		mutex_unlock(&state_lock);
		return 0;
	}
	if (strncmp(command, "spread ", 7) || kstrtou32(command + 7, 10, &number) ||
	    number > PA_REPLAY_BATCH) {
		pr_err("%s: commands are pause, resume, reset, spread 0..%u\n", KBUILD_MODNAME,
		       PA_REPLAY_BATCH);
		return -EINVAL;
	}
	mutex_lock(&state_lock);
	spread = number;
	mutex_unlock(&state_lock);
	return 0;
}

static ssize_t control_write(struct file *file, const char __user *data, size_t len, loff_t *pos)
{
	char command[COMMAND_MAX];
	int err;

	if (!len || len >= sizeof(command))
		return -EINVAL;
	if (copy_from_user(command, data, len))
		return -EFAULT;
	command[len] = '\0';
	err = replay_command(strim(command));
	return err ? err : len;
}

static const struct proc_ops control_ops = {
	.proc_write	= control_write,
	.proc_lseek	= noop_llseek,
};

static void __printf(2, 3) status_print(void *ctx, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	seq_vprintf(ctx, fmt, args);
	va_end(args);
}

static int status_show(struct seq_file *m, void *v)
{
	mutex_lock(&state_lock);
	seq_printf(m, "state %s\n", state_name[state]);
	if (state != IDLE)
		pa_replay_report(replay, status_print, m);
	mutex_unlock(&state_lock);
	return 0;
}

static int __init replay_create_files(struct proc_dir_entry *dir)
{
	if (proc_create("trace", 0200, dir, &trace_ops) &&
	    proc_create("control", 0200, dir, &control_ops) &&
	    proc_create_single("status", 0400, dir, status_show))
		return 0;
	return -ENOMEM;
}

static int __init replay_module_init(void)
{
	struct proc_dir_entry *dir;

	replay = kvzalloc(sizeof(*replay), GFP_KERNEL);
	if (!replay)
		return -ENOMEM;
	dir = proc_mkdir("poolalloc_replay", NULL);
	if (dir && !replay_create_files(dir))
		return 0;
	remove_proc_subtree("poolalloc_replay", NULL);
	kvfree(replay);
	return -ENOMEM;
}

static void __exit replay_module_exit(void)
{
	remove_proc_subtree("poolalloc_replay", NULL);
	if (state != IDLE)
		pa_replay_drain(replay);
	kvfree(replay);
}

module_init(replay_module_init);
module_exit(replay_module_exit);
MODULE_DESCRIPTION("Replays allocation traces against poolalloc");
MODULE_LICENSE("GPL");
