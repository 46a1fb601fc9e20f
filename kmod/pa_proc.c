// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/poolalloc. What a read needs is allocated when the file is opened,
 * so that reading needs no memory, and nothing is held while it counts.
 */
#include <linux/capability.h>
#include <linux/cpumask.h>
#include <linux/nodemask.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

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
	if (static_branch_unlikely(&pa_slab_on)) {
		pa_slab_show(m);
		return 0;
	}
	pa_report(m->private, pa_proc_write_line, m);
	seq_puts(m, "backend pool\n");
	return 0;
}

static void pa_proc_trim(void)
{
	if (static_branch_unlikely(&pa_slab_on))
		pa_slab_shrink();
	else
		pa_trim_all();
}

static void pa_reset_peaks(void)
{
	unsigned int nid;

	pa_slab_reset_peaks();
	for (nid = 0; nid < PA_MAX_NODES; nid++)
		if (pa_nodes[nid])
			pa_node_reset_peaks(pa_nodes[nid]);
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

/*
 * "trim" gives back what holds no live block, "reset_peaks" lets the peaks
 * start again from now.
 */
static ssize_t pa_proc_write(struct file *file, const char __user *from, size_t len,
			     loff_t *pos)
{
	char word[16];

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (len >= sizeof(word))
		return -EINVAL;
	if (copy_from_user(word, from, len))
		return -EFAULT;
	word[len] = '\0';
	if (strlen(word) != len)
		return -EINVAL;
	if (sysfs_streq(word, "trim"))
		pa_proc_trim();
	else if (sysfs_streq(word, "reset_peaks"))
		pa_reset_peaks();
	else
		return -EINVAL;
	return len;
}

static int pa_proc_release(struct inode *inode, struct file *file)
{
	kvfree(((struct seq_file *)file->private_data)->private);
	return single_release(inode, file);
}

static const struct proc_ops pa_proc_ops = {
	.proc_open	= pa_proc_open,
	.proc_read_iter	= seq_read_iter,
	.proc_write	= pa_proc_write,
	.proc_lseek	= seq_lseek,
	.proc_release	= pa_proc_release,
};

/**
 * pa_proc_init() - create /proc/poolalloc
 * @mode: who may read it; writing is root's
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
