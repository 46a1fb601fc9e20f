/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PA_COMPAT_PERCPU_H
#define PA_COMPAT_PERCPU_H

#include_next <linux/percpu.h>

/* Since 6.8 the operand of an instruction names its address space, on x86. */
#ifndef __my_cpu_var
#define __my_cpu_var(var)	(var)
#endif

#endif
