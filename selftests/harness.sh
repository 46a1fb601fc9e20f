#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# The harness itself: that it counts right, and that it sees what it is there to see.
# test-kselftest: yes
set -u
. "$(dirname "$0")/lib/common.sh"
. "$LIB_DIR/tap.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# counts STATUS 'P F S': standard input is a program's output, of which these are the counts.
counts() {
	local got

	got=$(awk -v name=t -v status="$1" -f "$LIB_DIR/tapcount.awk" /dev/stdin | head -n 1)
	[ "$got" = "$2" ] || { echo "counted '$got', should be '$2'"; return 1; }
}

case_tells() {
	printf '1..2\nok 1 a\n  # before\nnot ok 2 b\n    # after\n# Subtest: c\n# not this\n' |
		awk -v name=t -v status=1 -f "$LIB_DIR/tapcount.awk" /dev/stdin | tr '\n' '/' |
		grep -qx '1 1 0/failed: t: 2 b/  # before/  # after/'
}
case_flat() { printf '1..3\nok 1 a\nnot ok 2 b\nok 3 c # SKIP none\n' | counts 1 "1 1 1"; }
case_silent_pass() { counts 0 "1 0 0" </dev/null; }
case_silent_skip() { counts 4 "0 0 1" </dev/null; }
case_silent_fail() { counts 3 "0 1 0" </dev/null; }
case_status() { printf '1..1\nok 1 a\n' | counts 139 "1 1 0"; }
case_short() { printf '1..2\nok 1 a\n' | counts 0 "1 1 0"; }
case_all_skipped() { printf '1..0 # SKIP no such thing\n' | counts 4 "0 0 1"; }
case_bail() { printf '1..1\nok 1 a\nBail out! gone\n' | counts 1 "1 1 0"; }
case_nested() {
	printf '1..2\n  1..2\n  ok 1 x\n  not ok 2 y\nnot ok 1 p\nok 2 q\n' | counts 1 "2 1 0"
}
case_nested_parent_fails() { printf '1..1\n  1..1\n  ok 1 x\nnot ok 1 p\n' | counts 1 "1 1 0"; }

# A console as init.sh leaves it, with these lines while "one" runs.
console() {
	printf '[    1.0] WARNING: before our time\n[    2.0] guest: up 6.1\n[    2.1] guest: begin one\n'
	printf '[    3.0] %s\n' "$@"
	printf '[    4.0] guest: end one 0\n[    4.1] guest: done\n'
}
seen() { [ -n "$(console "$@" | awk -f "$LIB_DIR/console_reports.awk" /dev/stdin)" ]; }
unseen() { ! seen "$@"; }
allowed() {
	local regex=$1

	shift
	[ -z "$(console "$@" | awk -v allow="$regex" -f "$LIB_DIR/console_reports.awk" /dev/stdin)" ]
}
refused() { ! allowed "$@"; }
warn=("------------[ cut here ]------------" "WARNING: CPU: 0 PID: 1 at kmod/x.c:3 f+0x1" "Call Trace:"
	" <TASK>" " f+0x1" " </TASK>" "---[ end trace 0000000000000000 ]---")
odebug="ODEBUG: Out of memory. ODEBUG disabled"

# race FRAME...: of the writer of a race whose reader is none of ours.
race() {
	printf '%s\n' "BUG: KCSAN: data-race in balance_pgdat / shrink_node" "" \
		"write to 0xff of 8 bytes by task 2 on cpu 1:" "$@" "" \
		"read to 0xff of 8 bytes by task 1 on cpu 0:" " shrink_node+0x2/0x9" " kswapd+0x1/0x2" "" \
		"value changed: 0x1 -> 0x0" "=================================================================="
}
# races COMMAND FRAME...
races() {
	local command=$1 lines

	shift
	mapfile -t lines < <(race "$@")
	"$command" "${lines[@]}"
}

list() { printf '%s\t%s\t%s\n' "$@" >"$work/list"; }
runner() { POOLALLOC_BUILD=$work "$SELFTESTS_DIR/run.sh" -j 2 "$@" "$work/list" >"$work/out" 2>&1; }
last_line_is() { [ "$(tail -n 1 "$work/out")" = "$1" ] || { cat "$work/out"; return 1; }; }

runner_passes() {
	list a 60 'echo "ok 1 x"' b 60 'exit 4' c 60 true
	runner && last_line_is "2 passed, 0 failed, 1 skipped"
}
runner_fails() {
	list a 60 'echo "ok 1 x"' b 60 'echo why it broke; exit 1'
	! runner && last_line_is "1 passed, 1 failed, 0 skipped" && grep -q 'why it broke' "$work/out"
}
runner_times_out() {
	list a 1 'sleep 60' b 60 true
	! runner && last_line_is "1 passed, 1 failed, 0 skipped"
}
runner_tells_of_a_build() {
	list a 60 true b 60 true build 60 'exit 1'
	! runner -f '^a' && last_line_is "1 passed, 1 failed, 0 skipped"
}
runner_wants_a_test() { : >"$work/list"; ! runner; }

tap_start
for name in flat silent_pass silent_skip silent_fail status short all_skipped bail nested \
	nested_parent_fails tells; do
	tap_run "count: $name" "case_$name"
done
tap_run "console: a WARN is seen" seen "${warn[@]}"
tap_run "console: an allowed WARN is not" allowed 'x\.c:3' "${warn[@]}"
tap_run "console: allowing one does not allow the next" refused 'x\.c:3' "${warn[@]}" "BUG: other"
tap_run "console: an oops" seen "BUG: kernel NULL pointer dereference, address: 8"
tap_run "console: lockdep" seen "WARNING: possible circular locking dependency detected"
tap_run "console: KASAN" seen "BUG: KASAN: slab-use-after-free in f+0x1"
tap_run "console: RCU stall" seen "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:"
tap_run "console: a trace alone" seen "Call Trace:"
tap_run "console: a sleeping function" seen "BUG: sleeping function called from invalid context at x"
tap_run "console: a report of one line" seen "$odebug"
tap_run "console: an allowed one is not" allowed 'ODEBUG disabled' "$odebug"
tap_run "console: allowing it allows nothing around it" refused 'ODEBUG disabled' "BUG: other" "$odebug"
tap_run "console: nor behind it" refused 'ODEBUG disabled' "$odebug" "BUG: other"
tap_run "console: a race of the kernel's own" races unseen " f+0x1/0x2"
tap_run "console: one with ours" races seen " pa_free+0x1/0x2 [poolalloc]" " f+0x1/0x2"
tap_run "console: one in what we called" races seen " memset+0x1/0x2" " pa_x+0x1/0x2 [poolalloc]"
tap_run "console: ours was interrupted" races unseen " f+0x1/0x2" " asm_sysvec_apic_timer_interrupt+0x1/0x2" \
	" pa_x+0x1/0x2 [poolalloc]"
tap_run "console: ours asked for pages" races unseen " shrink_node+0x1/0x2" " __alloc_pages+0x1/0x2" \
	" pa_arena_map+0x1/0x2 [poolalloc]"
tap_run "console: our shrinker was asked for pages" races seen " pa_shrink_scan+0x1/0x2 [poolalloc]" \
	" __alloc_pages+0x1/0x2" " f+0x1/0x2"
tap_run "console: ordinary lines" unseen "poolalloc: loaded" \
	"poolalloc: loading out-of-tree module taints kernel."
tap_run "runner: passes and skips" runner_passes
tap_run "runner: a failure, with its output" runner_fails
tap_run "runner: a timeout" runner_times_out
tap_run "runner: a program that was not built, whatever tests are picked" runner_tells_of_a_build
tap_run "runner: nothing to run is an error" runner_wants_a_test
tap_finish
