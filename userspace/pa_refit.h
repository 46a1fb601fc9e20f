/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Mappings made to fit, for pa_large.c. */
#ifndef PA_REFIT_H
#define PA_REFIT_H

#include "pa_large.h"

char *pa_refit_reserve(size_t total);
struct pa_large *pa_refit_remap(struct pa_large *large, size_t total);
struct pa_mapping *pa_refit_cut(size_t total);
struct pa_mapping *pa_refit_stretch(size_t total);

#endif
