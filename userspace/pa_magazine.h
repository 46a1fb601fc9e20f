/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The mappings of large blocks that threads freed last. See pa_magazine.c for
 * the protocol.
 */
#ifndef PA_MAGAZINE_H
#define PA_MAGAZINE_H

#include "pa_large.h"

bool pa_magazine_put(struct pa_mapping *m);
struct pa_mapping *pa_magazine_take(size_t total, size_t most);
struct pa_mapping *pa_magazine_empty(void);
struct pa_mapping *pa_magazine_old(u64 now, u64 delay, size_t most);
void pa_magazine_count(u64 *blocks, u64 *bytes);

#endif
