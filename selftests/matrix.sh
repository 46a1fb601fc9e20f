#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# matrix.sh [KERNEL...]: the guest tests on each of these kernels, and a table of the results.
set -u
. "$(dirname "$0")/lib/common.sh"

[ $# -gt 0 ] || set -- 6.1 6.12 6.1-rt 6.12-rt
logs=$POOLALLOC_BUILD/selftests/matrix
mkdir -p "$logs" || die "cannot create $logs"
table=$logs/table
printf '%-12s %-28s %8s %8s %8s\n' kernel release passed failed skipped >"$table"
failures=0

for kernel; do
	note "the guest tests on $kernel"
	settings=$("$LIB_DIR/kernel.sh" "$kernel") || { failures=1; continue; }
	eval "$settings"
	log=$logs/$kernel.log
	"$LIB_DIR/guest.sh" "$kernel" >"$log" 2>&1 </dev/null
	status=$?
	counts=$(awk -v name="$kernel" -v status="$status" -f "$LIB_DIR/tapcount.awk" "$log")
	read -r passed failed skipped <<<"$counts"
	[ "$failed" = 0 ] || {
		failures=1
		printf '%s\n' "$counts" | sed '1d; s/^/# /'
		echo "# output, from $log:"
		tail -n 600 "$log" | sed 's/^/#   /'
	}
	printf '%-12s %-28s %8s %8s %8s\n' "$kernel" "$KVER" "$passed" "$failed" "$skipped" >>"$table"
done

cat "$table"
[ "$(wc -l <"$table")" -gt $# ] || echo "matrix.sh: not every kernel could be tried" >&2
exit "$failures"
