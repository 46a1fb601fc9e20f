// SPDX-License-Identifier: GPL-2.0-only
#include "pa_kmod.h"

#ifndef __CHECKER__
#define CREATE_TRACE_POINTS
#include "pa_trace.h"
#endif
