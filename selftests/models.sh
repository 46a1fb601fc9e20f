#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# The protocols of common/pa_shared.c and userspace/pa_magazine.c as spin models: every interleaving is
# tried. Each model holds, and each of its mutations (one step left out or moved) is found, so a model
# that checks nothing fails.
# test-timeout: 900
set -u
. "$(dirname "$0")/lib/common.sh"
. "$LIB_DIR/tap.sh"

command -v spin >/dev/null || tap_skip_all "spin is missing: apt-get install spin"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# errors MODEL FLAG...: prints how many errors the search has found; its output stays in $work/out.
errors() {
	local model=$1

	shift
	(
		cd "$work" && rm -f pan* ./*.trail && cp "$SELFTESTS_DIR/models/$model.pml" . &&
			spin -a "$@" "$model.pml" && gcc -O2 -w -DCOLLAPSE -o pan pan.c && ./pan -m200000
	) >"$work/out" 2>&1 || { cat "$work/out"; return 1; }
	grep -q 'max search depth too small' "$work/out" && { cat "$work/out"; return 1; }
	sed -n 's/.*errors: \([0-9]*\).*/\1/p' "$work/out"
}

holds() {
	local found

	found=$(errors "$@")
	sed -n 's/^ *\([0-9.e+]*\) states, stored.*/# \1 states/p' "$work/out" >&3
	[ "$found" = 0 ] || { cat "$work/out"; return 1; }
}

fails() {
	local found

	found=$(errors "$@")
	[ "$found" = 1 ] || { echo "found $found errors"; cat "$work/out"; return 1; }
}

exec 3>&1
tap_start
tap_run "remote free" holds remote_free
tap_run "remote free, from an abandoned slot" holds remote_free -DABANDONED
tap_run "inbox and dead flag, with store buffers" holds dead_flag

number=0
for mutation in "the freer does not look at dead" "QUEUED is cleared before the adopter owns the pool" \
	"dead is set after the last look" "the owner is cleared before QUEUED is taken" \
	"a pool in the inbox is not checked for its owner" "a freer reclaims a pool that has an owner" \
	"blocks on the remote word do not count as live" "no last look into the inbox" \
	"a parked slot is handed on too early"; do
	number=$((number + 1))
	tap_run "found: $mutation" fails remote_free -DMUTATION=$number
done
tap_run "magazines of large blocks" holds magazine
number=0
for mutation in "a place is emptied by a plain store" "a place is filled by a plain store" \
	"the size is not looked at again" "unmapped without the lock"; do
	number=$((number + 1))
	tap_run "found: $mutation" fails magazine -DMUTATION=$number
done
tap_run "found: no barrier between push and dead" fails dead_flag -DMUTATION=1
tap_run "found: no barrier between dead and the last look" fails dead_flag -DMUTATION=2
tap_finish
