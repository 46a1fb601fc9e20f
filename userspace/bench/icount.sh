#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# Instructions per malloc+free, and cache misses per operation, counted by
# valgrind: icount.sh [so ...]. A path, or name=path, or glibc, floor, native (the
# library linked, its own interface). What the loop itself
# costs is taken off by running it once more without allocator calls; what the
# process costs, by running it at two lengths.
set -e
here=$(dirname "$(readlink -f "$0")")
out=${BENCH_OUT:-$here/../../build/bench}
make -s -f "$here/bench.mk" bench-tools BENCH_OUT="$out" >&2
command -v valgrind >/dev/null || {
	echo "icount.sh: valgrind is missing: apt-get install valgrind" >&2
	exit 1
}
tool=pabench
short=50000 long=250000
step_short=200 step_long=600
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# count SO WORKLOAD... : total instructions under callgrind, or - on failure
count() {
	so=$1
	shift
	env LD_PRELOAD="$so" valgrind --tool=callgrind --callgrind-out-file=/dev/null \
		"$out/$tool" "$@" 2>"$tmp/log" >/dev/null || { echo -; return; }
	sed -n 's/.*Collected : //p' "$tmp/log"
}

# stepped SO WORKLOAD... : the same by single-stepping, for what valgrind cannot run
stepped() {
	so=$1
	shift
	PRELOAD="$so" "$out/steps" "$tmp/steps" "$out/$tool" "$@" >/dev/null 2>&1 &&
		cat "$tmp/steps" || echo -
}

# misses SO WORKLOAD... : D1 and LL data misses (fixed caches, so it repeats)
misses() {
	so=$1
	shift
	env LD_PRELOAD="$so" valgrind --tool=cachegrind --cache-sim=yes --cachegrind-out-file=/dev/null \
		--I1=32768,8,64 --D1=32768,8,64 --LL=1048576,16,64 \
		"$out/$tool" "$@" 2>"$tmp/log" >/dev/null || { echo - -; return; }
	awk '/D1  misses/ {gsub(",", ""); d = $4} /LLd misses/ {gsub(",", ""); l = $4}
		END {print d, l}' "$tmp/log"
}

# per_op SO CALLS WORKLOAD... : instructions per operation of the loop
per_op() {
	so=$1 calls=$2
	shift 2
	passes=1
	[ "$1" = random ] && passes=2	# its warm-up does as many operations again
	a=$(count "$so" "$@" calls="$calls" ops=$short)
	b=$(count "$so" "$@" calls="$calls" ops=$long)
	n=$(((long - short) * passes))
	case $a$b in *-*)
		a=$(stepped "$so" "$@" calls="$calls" ops=$step_short)
		b=$(stepped "$so" "$@" calls="$calls" ops=$step_long)
		n=$((step_long - step_short))
	esac
	case $a$b in *-*) echo -; return ;; esac
	echo "$a $b" | awk -v n=$n '{printf "%.1f", ($2 - $1) / n}'
}

row() {
	name=$1
	pair=$(per_op "$2" 1 pair size=64)
	rand=$(per_op "$2" 1 random min=64 max=64 live=1000)
	m1=$(misses "$2" random live=20000 ops=$short)
	m2=$(misses "$2" random live=20000 ops=$long)
	echo "$name $pair $rand $m1 $m2" | awk -v p="$pair0" -v r="$rand0" -v n=$((long - short)) '
		$2 == "-" {printf "%-28s did not run\n", $1; next}
		{printf "%-28s %8.1f %8.1f", $1, $2 - p, $3 - r}
		$4 == "-" {print "  (no misses: valgrind cannot run it)"; next}
		{printf " %10.2f %8.2f\n", ($6 - $4) / n / 2, ($7 - $5) / n / 2}'
}

pair0=$(per_op "" 0 pair size=64)
rand0=$(per_op "" 0 random min=64 max=64 live=1000)
echo "                             instructions per op    misses per op, 20 000 live mixed"
echo "allocator                        pair   random         D1   L2 1M"
[ $# -gt 0 ] || set -- glibc floor
for so in "$@"; do
	tool=pabench
	name=${so%%=*} path=${so#*=}
	case $so in
	*=*) ;;
	glibc) path= ;;
	floor) path=$out/floor.so ;;
	native) path='' tool=pabench-native ;;
	*) name=$(basename "$so" | sed 's/^lib//; s/\.so.*//') ;;
	esac
	[ -z "$path" ] || [ -f "$path" ] || { echo "icount.sh: $path: no such file" >&2; exit 1; }
	row "$name" "${path:+$(readlink -f "$path")}"
done
