#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Instructions of the fast paths, counted by callgrind, not timed: the difference of two lengths of the
# same loop. "Inside" is the function itself, without the slow paths that it calls now and then; those
# are in the pair. Each 4096 pairs blocks go to their pools for a while, which is in the path of free. The
# limit of a fast path is what is reached; where more was aimed at, the aim is printed beside it. What counts
# is time: one instruction of malloc() and three of free() make both faster (common/README.md, "Measured"). A
# pair has refills in it, whose share moves with the layout of a pool: its limit leaves room for two.
# test-timeout: 600
set -u
. "$(dirname "$0")/lib/common.sh"
. "$LIB_DIR/tap.sh"

command -v valgrind >/dev/null || tap_skip_all "valgrind is missing: apt-get install valgrind"
lib=$POOLALLOC_BUILD/budgets
mkdir -p "$lib" && make --no-print-directory -C "$POOLALLOC_ROOT/userspace" O="$lib" all >&2 || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
few=2000 many=22000	# turns of the loop

gcc -O2 -fno-builtin -o "$work/pair" "$SELFTESTS_DIR/budgets/pair.c" &&
	gcc -O2 -fno-builtin -DNATIVE -I"$POOLALLOC_ROOT/userspace/include" -o "$work/native" "$SELFTESTS_DIR/budgets/pair.c" \
		"$lib/libpoolalloc.so.0" &&
	gcc -O2 -fno-builtin -DNATIVE -DINLINE -I"$POOLALLOC_ROOT/userspace/include" -o "$work/inline" "$SELFTESTS_DIR/budgets/pair.c" \
		"$lib/libpoolalloc.a" -lurcu-bp -lurcu-common -pthread || exit 1

# collected PROGRAM PRELOAD WHAT N [CALLGRIND OPTION]: instructions.
collected() {
	local program=$1 preload=$2 what=$3 n=$4

	shift 4
	env LD_LIBRARY_PATH="$work" LD_PRELOAD="$preload" valgrind --tool=callgrind \
		--callgrind-out-file="$work/profile" "$@" "$work/$program" "$what" "$n" \
		2>"$work/log" >/dev/null ||
		{ cat "$work/log" >&2; return 1; }
	sed -n 's/.*Collected : //p' "$work/log"
}

# each PROGRAM PRELOAD WHAT [OPTION]: instructions per turn of the loop, one decimal; - if it cannot run.
each() {
	local program=$1 preload=$2 what=$3 a b

	shift 3
	a=$(collected "$program" "$preload" "$what" $few "$@") &&
		b=$(collected "$program" "$preload" "$what" $many "$@") || { echo -; return; }
	echo "$a $b" | awk -v n=$((many - few)) '{ printf "%.1f", ($2 - $1) / n }'
}

# own FUNCTION PROGRAM PRELOAD WHAT N: instructions of the function itself, without what it calls.
own() {
	local function=$1

	shift
	collected "$@" >/dev/null || return 1
	callgrind_annotate --threshold=100 --inclusive=no "$work/profile" | tr -d , |
		awk -v f="$function" '$0 ~ ":" f "( |$)" { n += $1 } END { print n + 0 }'
}

# path FUNCTION PROGRAM PRELOAD WHAT: instructions of its fast path per turn.
path() {
	local a b

	a=$(own "$@" $few) && b=$(own "$@" $many) || { echo -; return; }
	echo "$a $b" | awk -v n=$((many - few)) '{ printf "%.1f", ($2 - $1) / n }'
}

# aim NAME MEASURED LIMIT: with refills and all, or of a fast path.
aim() {
	echo "$2 $3" | awk '{ exit !($1 != "-" && $1 > 1 && $1 <= $2) }'
	tap_ok $? "$1: $2 instructions, at most $3"
}

# inside NAME LIMIT FUNCTION PROGRAM PRELOAD WHAT; AIM=N before it if that is more than the limit asks.
inside() {
	local name=$1 limit=$2 measured

	shift 2
	measured=$(path "$@")
	aim "$name" "$measured" "$limit"
	if [ -n "${AIM:-}" ]; then
		tap_diag "the aim of $AIM is $(echo "$measured $AIM" |
			awk '{ print $1 != "-" && $1 <= $2 ? "reached" : "not reached" }')"
	fi
	tap_diag "with its slow paths: $(each "$2" "$3" "$4" --toggle-collect="$1")"
}

ln -s "$lib/libpoolalloc.so.0" "$work/libpoolalloc.so.0"
tap_start
inside "poolalloc_alloc() of a constant size" 13 poolalloc_alloc native "" constant
inside "poolalloc_alloc() of a variable size" 13 poolalloc_alloc native "" variable
AIM=17 inside "poolalloc_free() of an own block" 25.5 poolalloc_free native "" constant
AIM=17 inside "poolalloc_free_sized()" 25.5 poolalloc_free_sized native "" variable
aim "native pair with the caller's loop and the PLT" "$(each native "" constant)" 48

aim "inline pair, constant size, with the caller's loop" "$(each inline "" constant)" 37.5
aim "inline pair, variable size, with the caller's loop" "$(each inline "" variable)" 44.5

ours=$lib/libpoolalloc-malloc.so
inside "malloc()" 15 malloc pair "$ours" libc
AIM=17 inside "free()" 25.5 free pair "$ours" libc
aim "pair of malloc() and free() with loop and PLT" "$(each pair "$ours" libc)" 50
inside "realloc() of a block that stays" 26 realloc pair "$ours" resize
aim "realloc() of a block that moves, with the caller's loop" "$(each pair "$ours" move)" 136

tap_diag "instructions per turn            pair  replace one of 1000 live  realloc: stays  moves"
row() {
	tap_diag "$(printf '%-28s %8s %8s %8s %8s' "$1" "$(each pair "$2" libc)" "$(each pair "$2" replace)" \
		"$(each pair "$2" resize)" "$(each pair "$2" move)")"
}
row poolalloc "$ours"
mimalloc=$(ls /usr/lib/*/libmimalloc.so.2.0 2>/dev/null | head -n 1)
[ -n "$mimalloc" ] && row "mimalloc (Debian)" "$mimalloc" || tap_diag "mimalloc: libmimalloc2.0 is not installed"
row glibc ""
tap_diag "the loop alone: $(each pair "" nothing)"
tap_finish
