#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# run.sh [-j JOBS] [-f REGEX] LIST: runs the tests in LIST and prints TAP, one result a test, and
# after a failing one its output. The last line counts every result that the tests printed:
# "N passed, N failed, N skipped". Exit status 1 when anything failed, or when nothing ran.
#
# LIST has lines of three fields, separated by tabs: name, timeout in seconds, command (for bash).
# Full outputs stay in build/selftests/log/NAME.log.
set -u
. "$(dirname "$0")/lib/common.sh"

jobs=$(nproc) filter=
while getopts j:f: opt; do
	case "$opt" in
	j) jobs=$OPTARG ;;
	f) filter=$OPTARG ;;
	*) die "usage: run.sh [-j JOBS] [-f REGEX] LIST" ;;
	esac
done
shift $((OPTIND - 1))
[ $# = 1 ] && [ -f "$1" ] || die "usage: run.sh [-j JOBS] [-f REGEX] LIST"
case "$jobs" in ''|*[!0-9]*|0) die "bad number of jobs '$jobs'" ;; esac

logs=$POOLALLOC_BUILD/selftests/log
state=$(mktemp -d) || die "no temporary directory"
trap 'rm -rf "$state"' EXIT
trap 'kill $(jobs -p) 2>/dev/null; exit 130' INT TERM
mkdir -p "$logs" || die "cannot create $logs"
unset MAKEFLAGS MFLAGS MAKELEVEL

# Never without `build`, which is there if a test program could not be built: old ones would run.
mapfile -t lines < <(grep -v '^[[:space:]]*$' "$1" | grep -E -- "$filter|^build"$'\t')
[ ${#lines[@]} -gt 0 ] || die "no test matches"

# Runs one and leaves its counts; prints its report as one piece.
run_one() {
	local index=$1 name=$2 limit=$3 command=$4 log status start counts
	local passed=0 failed=0 skipped=0

	log=$logs/$(printf %s "$name" | tr -c 'A-Za-z0-9._+-' _).log
	start=$SECONDS
	timeout -k 10 "$limit" bash -c "$command" </dev/null >"$log" 2>&1
	status=$?
	if [ "$status" = 124 ] || [ "$status" = 137 ]; then
		echo "not ok - timed out or killed (limit $limit s)" >>"$log"
	fi
	counts=$(awk -v name="$name" -v status="$status" -f "$LIB_DIR/tapcount.awk" "$log")
	read -r passed failed skipped <<<"$counts"
	echo "$passed $failed $skipped" >"$state/$index"
	(
		flock 9
		report "$((index + 1)) $name # $passed passed, $failed failed, $skipped skipped" \
			"$((SECONDS - start))"
	) 9>"$state/lock"
}

report() {
	if [ "$failed" -gt 0 ]; then
		echo "not ok $1 ($2 s)"
		printf '%s\n' "$counts" | sed '1d; s/^/# /'
		echo "# output of $name, from $log:"
		tail -n 600 "$log" | sed 's/^/#   /'
	elif [ "$passed" = 0 ]; then
		echo "ok $1 ($2 s) # SKIP"
		printf '%s\n' "$counts" | sed '1d; s/^/# /'
	else
		echo "ok $1 ($2 s)"
		printf '%s\n' "$counts" | sed '1d; s/^/# /'
	fi
}

echo "TAP version 13"
echo "1..${#lines[@]}"
for index in "${!lines[@]}"; do
	IFS=$'\t' read -r name limit command <<<"${lines[index]}"
	while [ "$(jobs -pr | wc -l)" -ge "$jobs" ]; do
		wait -n
	done
	run_one "$index" "$name" "$limit" "$command" &
done
wait

for index in "${!lines[@]}"; do
	# A runner that vanished without its counts is a failure too.
	[ -s "$state/$index" ] && cat "$state/$index" || echo "0 1 0"
done | awk '{ p += $1; f += $2; s += $3 }
	END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0 || p == 0 }'
