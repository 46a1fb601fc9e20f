/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Freed large blocks that are kept for the next ones. All functions but
 * pa_cache_usual() are called under pa_large_lock().
 */
#ifndef PA_CACHE_H
#define PA_CACHE_H

#include "pa_large.h"

size_t pa_cache_usual(size_t total);
struct pa_mapping *pa_cache_take(size_t total, size_t most, bool largest);
void pa_cache_in_use(u64 live);
void pa_cache_missed(size_t bytes, u64 live);
size_t pa_cache_surplus(u64 live);
void pa_cache_put(struct pa_mapping *m);
bool pa_cache_has_room(size_t bytes, u64 live);
struct pa_mapping *pa_cache_old(u64 now, u64 delay, size_t most);

#endif
