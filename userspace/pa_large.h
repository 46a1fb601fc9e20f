/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Large blocks: more than 32 KiB, or aligned to more than a page. Each has a
 * mapping of its own that begins at a multiple of the arena size, so that its
 * pointer can be masked to a descriptor like any other.
 */
#ifndef PA_LARGE_H
#define PA_LARGE_H

#include "pa_heap.h"

struct pa_large;

void *pa_large_alloc(size_t size, size_t align, bool zero);
void pa_large_free(struct pa_large *large);
void *pa_large_resize(struct pa_large *large, size_t size);
size_t pa_large_usable(const struct pa_large *large);
struct pa_large *pa_large_of(const void *p);
size_t pa_large_purge(u64 now, u64 delay);
void pa_large_count(u64 *blocks, u64 *bytes);
int pa_large_walk(int (*visitor)(void *ctx, void *block, size_t size), void *ctx);
void pa_large_lock(void);
void pa_large_unlock(void);
void pa_large_fork_child(void);

#endif
