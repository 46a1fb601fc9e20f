/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PA_COMPAT_WORKQUEUE_H
#define PA_COMPAT_WORKQUEUE_H

#include_next <linux/workqueue.h>
#include <linux/version.h>

/* Since 6.18 a workqueue says that it is per CPU; before, all others were. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
#define WQ_PERCPU	0
#endif

/* Since 7.0 its users hold the CPU themselves; they include linux/cpu.h. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
#define work_on_cpu_safe(cpu, fn, arg)					\
({									\
	unsigned int __cpu = (cpu);					\
	long __ret = -ENODEV;						\
									\
	cpus_read_lock();						\
	if (cpu_online(__cpu))						\
		__ret = work_on_cpu(__cpu, fn, arg);			\
	cpus_read_unlock();						\
	__ret;								\
})
#endif

#endif
