# SPDX-License-Identifier: GPL-2.0-only
# Two nodes: memory is local, or where it was asked for; remote frees go home.
# guest: backend=pool smp=2 mem=1G numa
. ./common

POOLALLOC_BACKEND=pool
# node N COLUMN: of /proc/poolalloc: 3 arenas, 6 live blocks
node() {
	awk -v n="$1" -v c="$2" '$1 == "node" && $2 == n { print $c }' $PROC
}

load reserve=0 spare=8 && load_test
is "two nodes" "$(grep -c '^node ' $PROC)" 2
scenario hold 100
per_cpu=$((100 * 26))
is "CPU 0's blocks are on node 0" "$(node 0 6)" "$per_cpu"
is "CPU 1's blocks are on node 1" "$(node 1 6)" "$per_cpu"
accounted $((2 * per_cpu)) "two nodes"
scenario release
echo trim >$PROC
is "node 0 got its memory back" "$(node 0 3)" 0
is "node 1 got its memory back" "$(node 1 3)" 0

taskset -p 1 $$ >/dev/null
scenario on-node 1
is "asked for node 1 from CPU 0" "$(node 1 6)" 500
is "nothing of it on node 0" "$(node 0 6)" 0
scenario release
scenario on-node 0
is "asked for node 0" "$(node 0 6) $(node 1 6)" "500 0"
scenario release
taskset -p 3 $$ >/dev/null
scenario api
scenario contexts
scenario threads "$(scaled 20000)"
scenario deferred "$(scaled 5000)"
accounted 0 "after all"

# A node's CPU goes: the other one takes over what it left.
scenario hold 50
echo 0 >/sys/devices/system/cpu/cpu1/online
scenario release
echo trim >$PROC
echo 1 >/sys/devices/system/cpu/cpu1/online
accounted 0 "without node 1's CPU"
unload
finish
