# SPDX-License-Identifier: GPL-2.0-only
# Without init_on_alloc nothing is wiped unless it is asked for.
# guest: smp=2 mem=512M own append="init_on_alloc=0 init_on_free=0"
. ./common

load spare=8 && load_test
scenario api
scenario contexts
# What SLUB has is not to be read.
has_pools && scenario wiped 0
accounted 0 "with init_on_alloc=0 init_on_free=0"
unload
finish
