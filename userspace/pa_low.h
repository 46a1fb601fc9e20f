/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Address space for blocks that are aligned to an arena or more.
 */
#ifndef PA_LOW_H
#define PA_LOW_H

#include <stddef.h>

void *pa_low_reserve(size_t size, size_t align);

#endif
