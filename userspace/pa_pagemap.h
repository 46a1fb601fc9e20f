/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Which pages are there. */
#ifndef PA_PAGEMAP_H
#define PA_PAGEMAP_H

#include "pa_heap.h"

size_t pa_pages_there(const char *p, size_t pages);
bool pa_pages_zero(char *p, size_t bytes);
void pa_pagemap_lock(void);
void pa_pagemap_unlock(void);
void pa_pagemap_fork_child(void);

#endif
