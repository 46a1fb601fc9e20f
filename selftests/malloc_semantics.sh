#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# The malloc family and C++'s operators: with glibc, preloaded, and statically linked.
set -u
. "$(dirname "$0")/lib/common.sh"
. "$LIB_DIR/tap.sh"
. "$SELFTESTS_DIR/malloc/lib.sh"

make_library seed
compile semantics semantics.c
compile cxx cxx.cc
tap_start
pass_on glibc "$work/semantics"
pass_on glibc "$work/semantics" fuzz
pass_on glibc "$work/cxx"
for geometry in seed modern; do
	make_library "$geometry"
	pass_on "$geometry" preload "" "$work/semantics"
	pass_on "$geometry" preload "" "$work/semantics" fuzz
	pass_on "$geometry, fail_nth=3" preload fail_nth=3 "$work/semantics" fuzz
	pass_on "$geometry, purge_delay=0" preload purge_delay=0 "$work/semantics" fuzz
	pass_on "$geometry, system" preload system "$work/semantics"
	pass_on "$geometry" preload "" "$work/cxx"
	pass_on "$geometry, limit=100M" preload limit=100M "$work/cxx" limit
	compile_static semantics-static semantics.c
	pass_on "$geometry, static" "$work/semantics-static"
	pass_on "$geometry, static" "$work/semantics-static" fuzz
	compile_static cxx-static cxx.cc
	pass_on "$geometry, static" "$work/cxx-static" static
done
tap_finish
