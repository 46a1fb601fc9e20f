#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# malloc_memory.sh [--long]: memory goes back to the system, and does not bounce.
# --long: ten times as much steady churn.
set -u
. "$(dirname "$0")/lib/common.sh"
. "$LIB_DIR/tap.sh"
. "$SELFTESTS_DIR/malloc/lib.sh"

churn=150
case "${1:-}" in
--long) churn=1500 ;;
"") ;;
*) die "usage: malloc_memory.sh [--long]" ;;
esac

operations=300000

# calls OPTIONS PROGRAM...: its system calls, counted. The same with no operations is subtracted.
calls() {
	local options=$1

	shift
	strace -f -c -o "$work/strace" env LD_PRELOAD="$(lib libpoolalloc-malloc.so)" \
		POOLALLOC="$options" "$@" || return 1
	awk '$NF == "total" { print $4 }' "$work/strace"
}

# A large block that no kept mapping serves is one system call.
fresh() {
	local none all

	none=$(calls "" "$work/kept" fresh 0) && all=$(calls "" "$work/kept" fresh 1000) || return 1
	echo "$((all - none)) system calls for 1000 large blocks"
	[ $((all - none)) -ge 900 ] && [ $((all - none)) -le 1100 ]
}

edge() {
	local none all

	none=$(calls "$1" "$work/memory" edge 0) && all=$(calls "$1" "$work/memory" edge "$operations") ||
		return 1
	echo "$((all - none)) system calls for $operations operations"
	[ "$none" -gt 20 ] && [ $(((all - none) * 1000)) -le "$operations" ]
}

# calls_result DESCRIPTION COMMAND [ARGUMENTS]
calls_result() {
	local description=$1 text status

	shift
	text=$("$@")
	status=$?
	printf '%s\n' "$text" | sed 's/^/# /'
	tap_ok "$status" "$description"
}

compile memory memory.c
compile growth growth.c
compile kept kept.c
compile crowd crowd.c
compile exchange exchange.c
tap_start
for geometry in seed modern; do
	make_library "$geometry"
	pass_on "$geometry" preload "" "$work/memory" all-freed
	pass_on "$geometry" preload "" "$work/memory" most-freed
	pass_on "$geometry" preload "" "$work/memory" sleep
	pass_on "$geometry, purge_delay=600000" preload purge_delay=600000 "$work/memory" cycles
	pass_on "$geometry, purge_delay=600000" preload purge_delay=600000 "$work/kept" large
	pass_on "$geometry, purge_delay=600000" preload purge_delay=600000 "$work/growth" append
	pass_on "$geometry" preload "" "$work/growth" alone
	# Huge pages are there as a whole, which says nothing about what buffers keep.
	pass_on "$geometry, thp=never" preload thp=never "$work/growth" stay
	pass_on "$geometry" preload "" "$work/growth" turn
	pass_on "$geometry, purge_delay=600000" preload purge_delay=600000 "$work/growth" together
	pass_on "$geometry, purge_delay=600000" preload purge_delay=600000 "$work/growth" refit
	pass_on "$geometry" preload "" "$work/growth" mix
	pass_on "$geometry, purge_delay=600000" preload purge_delay=600000 "$work/memory" phases
	pass_on "$geometry, purge_delay=600000" preload purge_delay=600000 "$work/memory" turns
	pass_on "$geometry" preload "" "$work/memory" drift
	pass_on "$geometry, purge_delay=600000" preload purge_delay=600000 "$work/kept" part
	pass_on "$geometry, purge_delay=600000" preload purge_delay=600000 "$work/kept" shrink
	pass_on "$geometry, purge_delay=600000" preload purge_delay=600000 "$work/kept" zeros
	pass_on "$geometry, purge_delay=600000" preload purge_delay=600000 "$work/kept" forks
	pass_on "$geometry" preload "" "$work/kept" swing
	pass_on "$geometry" preload "" "$work/kept" share
	pass_on "$geometry, limit=32M" preload limit=32M "$work/kept" limit
	pass_on "$geometry" preload "" "$work/crowd" 16
	pass_on "$geometry, limit=96M" preload limit=96M "$work/crowd" 6
	pass_on "$geometry" preload "" "$work/exchange"
	pass_on "$geometry" preload "" "$work/memory" thin
	pass_on "$geometry" preload "" "$work/memory" sparse
	pass_on "$geometry" preload "" "$work/memory" late
	pass_on "$geometry" preload "" "$work/memory" beside
	pass_on "$geometry" preload "" "$work/memory" grow
	pass_on "$geometry" preload "" "$work/memory" obstacle
	# Two runs of 26 pools leave 44 KiB of an arena of 256, which huge pages make memory.
	[ $geometry = seed ] && thp=thp=never || thp=
	pass_on "$geometry${thp:+, $thp}" preload "$thp" "$work/memory" waits
	pass_on "$geometry" preload "" "$work/memory" churn "$churn"
	pass_on "$geometry, purge_delay=0" preload purge_delay=0 "$work/kept" round
	pass_on "$geometry, purge_delay=0" preload purge_delay=0 "$work/memory" all-freed
	pass_on "$geometry, purge_delay=0" preload purge_delay=0 "$work/memory" most-freed
	if command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null; then
		calls_result "[$geometry]: a new large block is one system call" fresh
		for options in "" purge_delay=never; do
			calls_result "[$geometry${options:+, $options}]: at most one system call for 1000 \
operations at an arena's edge" edge "$options"
		done
	else
		tap_skip "[$geometry] system calls" "no strace, or it may not trace"
	fi
done
tap_finish
