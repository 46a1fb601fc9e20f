#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# poolalloc-trace: what it records of a program whose allocations are known, damaged files, replays.
# test-timeout: 900
set -u
. "$(dirname "$0")/lib/common.sh"
. "$LIB_DIR/tap.sh"

tools=$POOLALLOC_ROOT/userspace/tools
[ -d "$tools" ] || tap_skip_all "needs the project's checkout: give POOLALLOC_ROOT=DIR"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cc=${CC:-gcc}
unset MAKEFLAGS MFLAGS MAKELEVEL LD_PRELOAD
tool=${POOLALLOC_TRACE:-$work/poolalloc-trace}

build_tool() {
	[ -z "${POOLALLOC_TRACE:-}" ] || return 0
	make --no-print-directory -C "$POOLALLOC_ROOT/userspace" O="$work" CC="$cc" \
		"$work/poolalloc-trace" "$work/libpoolalloc-trace.so"
}

build_programs() {
	$cc -std=gnu11 -D_GNU_SOURCE -O0 -fno-builtin -Wall -Wextra -Werror -o "$work/known" \
		"$SELFTESTS_DIR/trace/known.c" -pthread &&
	$cc -std=gnu11 -D_GNU_SOURCE -g -O1 -Wall -Wextra -Werror \
		-fsanitize=address,undefined -fno-sanitize-recover=all \
		-I"$tools/host" -I"$tools" -I"$SELFTESTS_DIR" -o "$work/damage" \
		"$SELFTESTS_DIR/trace/damage.c" "$tools/trace_decode.c" "$tools/trace_replay.c" -pthread
}

# status EXPECTED COMMAND...
status() {
	local expected=$1 got

	shift
	"$@" >"$work/out" 2>&1
	got=$?
	[ "$got" = "$expected" ] && return 0
	cat "$work/out"
	echo "exit status $got, not $expected: $*"
	return 1
}

# complains TEXT STATUS COMMAND...
complains() {
	local text=$1

	shift
	status "$@" && grep -qF -- "$text" "$work/out" && return 0
	cat "$work/out"
	echo "no '$text'"
	return 1
}

# lines N REGEX: of the dump.
lines() {
	local n

	n=$(grep -cE -- "$2" "$work/dump")
	[ "$n" = "$1" ] || { echo "$n lines, not $1: $2"; return 1; }
}

known_calls() {
	lines 1 ' malloc [0-9]+ 10001$' && lines 1 ' calloc [0-9]+ 10005$' &&
	lines 1 ' realloc-new [0-9]+ 10007$' && lines 1 ' aligned [0-9]+ 10009 64$' &&
	lines 1 ' aligned [0-9]+ 10240 256$'
}

# All of the chain are the same object, in order.
known_chain() {
	local object

	object=$(sed -n 's/.* realloc-new \([0-9]*\) 10007$/\1/p' "$work/dump")
	[ "$(grep -E " realloc $object [0-9]+$" "$work/dump" | awk '{ print $5 }')" = \
		"$(seq 11007 1000 60007)" ] || { grep ' realloc ' "$work/dump"; return 1; }
}

known_threads() {
	local i

	for i in 0 1 2 3; do
		lines 2000 " malloc [0-9]+ 1100$i\$" || return 1
		[ "$(grep -E " malloc [0-9]+ 1100$i\$" "$work/dump" | awk '{ print $2 }' |
			sort -u | wc -l)" = 1 ] || { echo "1100$i: not one thread"; return 1; }
	done
}

# Every block of the threads ends, and each by a record of its own.
known_frees() {
	awk '$3 == "malloc" && $5 >= 11000 && $5 <= 11003 { mine[$4] = 1 }
		$3 == "free" && ($4 in mine) { delete mine[$4]; n++ }
		END { for (o in mine) left++; print n + 0, "freed", left + 0, "left"
			exit n != 8000 || left }' "$work/dump"
}

no_child() {
	lines 0 ' 12001$'
}

# Only the object that the program keeps, of those it made itself.
known_end() {
	"$tool" info "$work/known.trace" >"$work/info" || return 1
	grep -qE '^failed +1$' "$work/info" && grep -qE '^free of unrecorded +0$' "$work/info" &&
		grep -qE '^threads +5$' "$work/info" && return 0
	cat "$work/info"
	return 1
}

replays_alike() {
	status 0 "$tool" replay --repeat 3 "$work/known.trace" &&
	status 0 "$tool" replay --threads --stop-at-peak "$work/known.trace" &&
	status 0 "$tool" replay --malloc --threads --repeat 2 "$work/known.trace" &&
	status 0 "$tool" replay --limit 10005 --copy --no-check --stats "$work/known.trace" &&
	grep -q '^live_blocks' "$work/out" && grep -qE '^left_out [1-9]' "$work/out"
}

killed_program() {
	status 137 "$tool" record -o "$work/killed.trace" -- "$work/known" kill &&
		"$tool" dump "$work/killed.trace" >"$work/dump" && lines 2000 ' malloc [0-9]+ 11003$'
}

exec_chain() {
	status 7 "$tool" record -o "$work/exec.trace" -- sh -c "exec env X=1 $work/known" &&
		"$tool" dump "$work/exec.trace" >"$work/dump" && lines 1 ' malloc [0-9]+ 10001$'
}

truncated_file() {
	head -c 1000 "$work/known.trace" >"$work/cut" &&
		complains "byte 1000: file ends too early" 1 "$tool" info "$work/cut" &&
		complains "byte 1000:" 1 "$tool" dump "$work/cut" &&
		complains "byte 1000:" 1 "$tool" replay "$work/cut" &&
		echo text >"$work/cut" && complains "byte 0: not a poolalloc trace" 1 \
			"$tool" info "$work/cut"
}

wrong_usage() {
	complains "unknown option '--wrong'" 2 "$tool" info --wrong x &&
	complains "unknown option '-x'" 2 "$tool" record -x &&
	complains "no -o FILE" 2 "$tool" record -- true &&
	complains "no COMMAND" 2 "$tool" record -o "$work/x" &&
	complains "--repeat needs a number" 2 "$tool" replay --repeat 0 x &&
	complains "unknown command" 2 "$tool" nonsense &&
	complains "cannot open" 1 "$tool" info "$work/none" &&
	complains "cannot run" 127 "$tool" record -o "$work/x" -- "$work/none" &&
	complains "cannot create" 125 "$tool" record -o "$work/none/x" -- true &&
	complains "SYNOPSIS" 0 "$tool" --help
}

tap_start
tap_run "the tool builds" build_tool
tap_run "the test programs build" build_programs
tap_run "record keeps the program's exit status" \
	status 7 "$tool" record -o "$work/known.trace" -- "$work/known"
"$tool" dump "$work/known.trace" >"$work/dump"
tap_run "each kind of call, its size and alignment" known_calls
tap_run "a chain of reallocs is one object" known_chain
tap_run "calls of four threads" known_threads
tap_run "blocks freed by other threads" known_frees
tap_run "a forked child is not recorded" no_child
tap_run "counts, threads and failed calls" known_end
tap_run "a program killed by a signal" killed_program
tap_run "a program behind exec" exec_chain
tap_run "replays give the same result each time" replays_alike
tap_run "truncated and foreign files name the byte" truncated_file
tap_run "wrong usage" wrong_usage
"$tool" record -o "$work/small.trace" -- ls / >/dev/null
tap_run "damaged files, and a damaged block" "$work/damage" "$work/small.trace"
tap_finish
