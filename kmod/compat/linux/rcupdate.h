/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PA_COMPAT_RCUPDATE_H
#define PA_COMPAT_RCUPDATE_H

#include_next <linux/rcupdate.h>
#include <linux/version.h>

/* Since 6.2 call_rcu() may wait for seconds (RCU_LAZY); this one does not. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define call_rcu_hurry(head, func)	call_rcu(head, func)
#endif

#endif
