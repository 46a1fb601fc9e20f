#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# malloc_torture.sh [--seconds N]: threads, signals, forks and exits at random. Half of the time
# preloaded, half statically linked, in both geometries. TEST_SEED=N repeats a run.
# test-timeout: 600
set -u
. "$(dirname "$0")/lib/common.sh"
. "$LIB_DIR/tap.sh"

seconds=20
case "${1:-}" in
--seconds) seconds=${2:-} ;;
"") ;;
*) die "usage: malloc_torture.sh [--seconds N]" ;;
esac
case "$seconds" in ''|*[!0-9]*|0) die "bad number of seconds '$seconds'" ;; esac
. "$SELFTESTS_DIR/malloc/lib.sh"

seed=${TEST_SEED:-$((RANDOM * 32768 + RANDOM))}
part=$(((seconds + 3) / 4))
tap_start
for geometry in seed modern; do
	make_library "$geometry"
	compile torture torture.c
	compile_static torture-static torture.c
	pass_on "$geometry" preload "" timeout -k 5 $((part + 300)) "$work/torture" "$part" "$seed"
	pass_on "$geometry, static, purge_delay=5" env POOLALLOC=purge_delay=5 \
		timeout -k 5 $((part + 300)) "$work/torture-static" "$part" "$seed"
done
tap_finish
