#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# matrix.sh [KERNEL[:BACKEND]...]: the guest tests on each of these kernels, and a table of the results.
# So many kernels at once as JOBS says, by default one per two CPUs.
set -u
. "$(dirname "$0")/lib/common.sh"

[ $# -gt 0 ] || set -- 6.1 6.12 6.1-rt 6.12-rt sid
# Empty: as many as guest/hotplug.sh does by itself, which depends on the kernel.
export HOTPLUG_CYCLES=${HOTPLUG_CYCLES-1000}
jobs=${JOBS:-$((($(nproc) + 1) / 2))}
logs=$POOLALLOC_BUILD/selftests/matrix
mkdir -p "$logs" || die "cannot create $logs"
trap 'kill $(jobs -p) 2>/dev/null; exit 130' INT TERM

row() {
	printf '%-15s %-22s %7s %7s %8s %6s\n' "$@"
}

# Leaves its row, and its report when something failed.
run_kernel() {
	local entry=$1 kernel=${1%%:*} backend='' log=$logs/$1.log start=$SECONDS
	local settings KVER status counts passed failed skipped

	[ "$entry" = "$kernel" ] || backend=${entry#*:}
	rm -f "$logs/$entry".{row,report}
	settings=$("$LIB_DIR/kernel.sh" "$kernel") || return
	eval "$settings"
	note "the guest tests on $entry"
	"$LIB_DIR/guest.sh" "$kernel" ${backend:+-b "$backend"} >"$log" 2>&1 </dev/null
	status=$?
	counts=$(awk -v name="$entry" -v status="$status" -f "$LIB_DIR/tapcount.awk" "$log")
	read -r passed failed skipped <<<"$counts"
	[ "$failed" = 0 ] || {
		printf '%s\n' "$counts" | sed '1d; s/^/# /'
		echo "# output, from $log:"
		tail -n 600 "$log" | sed 's/^/#   /'
	} >"$logs/$entry.report"
	row "$entry" "$KVER" "$passed" "$failed" "$skipped" $((SECONDS - start)) >"$logs/$entry.row"
}

for kernel; do
	while [ "$(jobs -pr | wc -l)" -ge "$jobs" ]; do
		wait -n
	done
	run_kernel "$kernel" &
done
wait

failures=0
for kernel; do
	[ ! -f "$logs/$kernel.report" ] || { cat "$logs/$kernel.report"; failures=1; }
done
row kernel release passed failed skipped time/s
for kernel; do
	cat "$logs/$kernel.row" 2>/dev/null ||
		{ failures=1; row "$kernel" "could not be tried" - - - -; }
done
exit "$failures"
