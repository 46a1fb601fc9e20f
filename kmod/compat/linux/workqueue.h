/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PA_COMPAT_WORKQUEUE_H
#define PA_COMPAT_WORKQUEUE_H

#include_next <linux/workqueue.h>
#include <linux/version.h>

/* Since 6.18 a workqueue says that it is per CPU; before, all others were. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
#define WQ_PERCPU	0
#endif

#endif
