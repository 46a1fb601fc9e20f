/* SPDX-License-Identifier: GPL-2.0-only */
/* What the shared trace sources need, from the kernel: see userspace/tools/host/. */
#ifndef TRACE_HOST_H
#define TRACE_HOST_H

#include <linux/compiler.h>
#include <linux/string.h>
#include <linux/types.h>

#endif
