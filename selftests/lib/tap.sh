# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Sourced by shell tests, in a guest too (plain sh):
#	tap_start; tap_run NAME COMMAND...; tap_ok STATUS NAME; tap_skip NAME REASON; tap_finish
# shellcheck shell=sh

tap_count=0
tap_failed=0

tap_start() {
	echo "TAP version 13"
}

# tap_ok STATUS NAME: one result; STATUS 0 is a pass.
tap_ok() {
	tap_count=$((tap_count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $tap_count $2"
	else
		tap_failed=$((tap_failed + 1))
		echo "not ok $tap_count $2"
	fi
}

tap_diag() {
	echo "# $*"
}

# tap_run NAME COMMAND...: passes when the command does; its output is shown when it does not.
tap_run() {
	tap_name=$1
	shift
	tap_output=$("$@" 2>&1)
	tap_status=$?
	[ "$tap_status" = 0 ] || printf '%s\n' "$tap_output" | sed 's/^/# /'
	tap_ok "$tap_status" "$tap_name"
}

tap_skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count $1 # SKIP $2"
}

tap_skip_all() {
	echo "TAP version 13"
	echo "1..0 # SKIP $*"
	exit 4
}

# Prints the plan and ends the test.
tap_finish() {
	echo "1..$tap_count"
	[ "$tap_failed" = 0 ]
	exit
}
