// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/poolalloc. What a read needs is allocated when the file is opened,
 * so that reading needs no memory, and nothing is held while it counts.
 */
#include <linux/cpumask.h>
#include <linux/nodemask.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "pa_kmod.h"

#define PA_PROC_NAME	"poolalloc"

/* No line of the report is longer, and this many are neither class nor slot. */
#define PA_PROC_LINE	128
#define PA_PROC_LINES	32

static size_t pa_proc_size(void)
{
	return PA_PROC_LINE * (PA_PROC_LINES + PA_CLASSES + num_possible_cpus() +
			       2 * num_possible_nodes());
}

static void pa_proc_write_line(void *ctx, const char *text, size_t len)
{
	seq_write(ctx, text, len);
}

static int pa_proc_show(struct seq_file *m, void *v)
{
	pa_report(m->private, pa_proc_write_line, m);
	return 0;
}

static int pa_proc_open(struct inode *inode, struct file *file)
{
	struct pa_stats *scratch = kvmalloc(sizeof(*scratch), GFP_KERNEL);
	int ret;

	if (!scratch)
		return -ENOMEM;
	ret = single_open_size(file, pa_proc_show, scratch, pa_proc_size());
	if (ret)
		kvfree(scratch);
	return ret;
}

static int pa_proc_release(struct inode *inode, struct file *file)
{
	kvfree(((struct seq_file *)file->private_data)->private);
	return single_release(inode, file);
}

static const struct proc_ops pa_proc_ops = {
	.proc_open	= pa_proc_open,
	.proc_read	= seq_read,
	.proc_lseek	= seq_lseek,
	.proc_release	= pa_proc_release,
};

/**
 * pa_proc_init() - create /proc/poolalloc
 * @mode: who may read it
 *
 * Return: 0 or an error.
 */
int pa_proc_init(umode_t mode)
{
	return proc_create(PA_PROC_NAME, mode, NULL, &pa_proc_ops) ? 0 : -ENOMEM;
}

/* Waits for readers. */
void pa_proc_exit(void)
{
	remove_proc_entry(PA_PROC_NAME, NULL);
}
