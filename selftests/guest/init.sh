# SPDX-License-Identifier: GPL-2.0-only
# The kernel's own init_on_alloc and init_on_free are honoured.
# guest: smp=2 mem=512M own append="init_on_alloc=1 init_on_free=1"
. ./common

load spare=8 && load_test
scenario api
scenario contexts
# What SLUB has is not to be read.
has_pools && scenario wiped 1
accounted 0 "with init_on_alloc=1 init_on_free=1"
scenario threads "$(scaled 5000)"
accounted 0 "after threads"
unload
finish
