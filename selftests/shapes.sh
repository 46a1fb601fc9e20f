#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# shapes.sh: programs that nobody has chosen, drawn from seeds (userspace/bench/shape.c), on the
# preloaded library: each block that is written to is stamped, and the stamp is checked before it is
# freed. TEST_SEED=N is the first seed. And what `make bench-shapes` says to bad input, and `beside`, which
# also has to run: two libraries, each other's blocks never mixed.
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
make --no-print-directory -f "$bench/bench.mk" BENCH_OUT="$out" "$out/pabench" "$out/beside" >"$work/build" 2>&1 ||
	{ cat "$work/build"; die "pabench or beside does not build"; }

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

# unfit TEXT ARGUMENT...: beside ends with an error that says TEXT.
unfit() {
	local text=$1

	shift
	! "$out/beside" "$@" >/dev/null 2>"$work/refused" && grep -q -e "$text" "$work/refused"
}

# rows: the report of beside has two workloads, with a time and two ratios each.
rows() {
	sed 's/^/# /' "$work/rows"
	[ "$(grep -c ' ns per operation$' "$work/rows")" = 2 ] &&
		[ "$(grep -c '^  [a-z]* *[0-9.]* of it, half of them [0-9.]* to [0-9.]*$' "$work/rows")" = 4 ]
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
so=$(lib libpoolalloc-malloc.so)
"$out/beside" "ours=$so,twice=$so,glibc" "batch size=100 live=50 order=2" "random live=300 min=1 max=9000" >"$work/rows" &&
	rows
tap_ok $? "beside: two workloads, three libraries"
unfit "usage: beside" "$so"
tap_ok $? "beside without a workload"
unfit "cannot be opened: .*none.so" "$work/none.so" batch
tap_ok $? "beside: a library that is not there"
unfit "no malloc() of its own" "$(ldconfig -p | awk '/libm\.so\.6/ { print $NF; exit }')" batch
tap_ok $? "beside: a library without malloc()"
unfit "workloads are .*: churn" glibc churn
tap_ok $? "beside: an unknown workload"
unfit "no such parameter: depth=1" glibc "batch depth=1"
tap_ok $? "beside: an unknown parameter"
unfit "a bad value: live=0" glibc "batch live=0" && unfit "a bad value: order=x" glibc "batch order=x" &&
	unfit "min is larger than max" glibc "random min=9 max=8"
tap_ok $? "beside: bad values"
tap_finish
