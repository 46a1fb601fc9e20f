/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Mappings made to fit, for pa_large.c. */
#ifndef PA_REFIT_H
#define PA_REFIT_H

#include "pa_large.h"

/* A part of a mapping that is worth keeping: moving fewer pages is not cheaper than faults. */
#define PA_CUT_LEAST		(64UL << 10)

char *pa_refit_reserve(size_t total);
struct pa_large *pa_refit_remap(struct pa_large *large, size_t total);
bool pa_refit_keep_tail(struct pa_mapping *m, size_t bytes);
struct pa_mapping *pa_refit_cut(size_t total);
struct pa_mapping *pa_refit_stretch(size_t total);

#endif
