/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Address space: taken in chunks, cut into arenas, unmapped when it is idle.
 */
#ifndef PA_CHUNK_H
#define PA_CHUNK_H

#include "pa_platform.h"

/* All but pa_peek(): under the lock of pa_os.c. */
void *pa_chunk_take(bool long_run);
void pa_chunk_hide(const void *arena);
void pa_chunk_hide_idle(void);
bool pa_chunk_is_huge(const void *arena);
void pa_chunks_settle(bool huge);
size_t pa_chunk_unmap_hidden(void);

#endif
