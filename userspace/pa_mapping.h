/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The table of large blocks, and what pa_large.c and pa_large_free.c share. */
#ifndef PA_MAPPING_H
#define PA_MAPPING_H

#include "pa_large.h"

/* Bytes of the mappings of listed blocks in use, under pa_large_lock(). Those in magazines count. */
extern u64 pa_large_bytes;

void pa_unlisted_account(const struct pa_large *large, bool add);
struct pa_mapping *pa_mapping_get(void);
void pa_mapping_put(struct pa_mapping *m);
void pa_large_account(const struct pa_mapping *m, bool live);
void pa_large_account_size(struct pa_mapping *m, size_t bytes);
bool pa_large_register(struct pa_large *large);
void pa_large_settle(void);
void pa_large_drop(struct pa_mapping *m);
void pa_large_drop_own(void);
void pa_large_keep_less(void);

#endif
