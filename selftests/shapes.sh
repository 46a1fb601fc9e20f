#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# shapes.sh: programs that nobody has chosen, drawn from seeds (userspace/bench/shape.c), on the
# preloaded library: each block that is written to is stamped, and the stamp is checked before it is
# freed. TEST_SEED=N is the first seed. And what `make bench-shapes` says to bad input.
# test-timeout: 600
set -u
. "$(dirname "$0")/lib/common.sh"
. "$LIB_DIR/tap.sh"

bench=$POOLALLOC_ROOT/userspace/bench
[ -d "$bench" ] || tap_skip_all "needs the project's checkout: give POOLALLOC_ROOT=DIR"
. "$SELFTESTS_DIR/malloc/lib.sh"

first=${TEST_SEED:-$((RANDOM * 32768 + RANDOM))}
count=40
out=$POOLALLOC_BUILD/selftests/bench
make --no-print-directory -f "$bench/bench.mk" BENCH_OUT="$out" "$out/pabench" >"$work/build" 2>&1 ||
	{ cat "$work/build"; die "pabench does not build"; }

# shapes [KEY=VALUE,...]: all seeds; what fails is shown with what it stands for.
shapes() {
	local seed status=0

	for ((seed = first; seed < first + count; seed++)); do
		preload "$1" "$out/pabench" shape seed="$seed" describe=1 >"$work/shape" 2>&1 && continue
		echo "# seed $seed"
		sed 's/^/# /' "$work/shape"
		status=1
	done
	return "$status"
}

# refused TEXT ARGUMENT...: shapes.py ends with an error that says TEXT.
refused() {
	local text=$1

	shift
	! BENCH_OUT=$out python3 -B "$bench/shapes.py" "$@" >"$work/refused" 2>&1 &&
		grep -q -e "$text" "$work/refused"
}

tap_start
echo "# seeds from $first on (TEST_SEED=$first repeats this run)"
for geometry in seed modern; do
	make_library "$geometry"
	shapes ""
	tap_ok $? "[$geometry] $count programs: every block is what was written to it"
	shapes purge_delay=0
	tap_ok $? "[$geometry, purge_delay=0] $count programs: every block is what was written to it"
done
refused "use FIRST-LAST" --seeds one
tap_ok $? "seeds that are no numbers"
refused "use FIRST-LAST" --seeds 9-3
tap_ok $? "seeds in the wrong order"
refused "no such file" --seeds 1 --peers "$work/none.so"
tap_ok $? "a peer that is not there"
tap_finish
