# SPDX-License-Identifier: GPL-2.0-only
# The trace events.
# guest: backend=pool smp=2 mem=1G
. ./common

POOLALLOC_BACKEND=pool
TRACING=/sys/kernel/tracing
load reserve=0 && load_test
is "events" "$(cd $TRACING/events/poolalloc && echo */ | tr -d /)" \
	"alloc_failure arena_map arena_unmap heap_shrink pool_adopt pool_refill pools_unmap remote_drain"
echo 1 >$TRACING/events/poolalloc/enable
echo 4096 >$TRACING/buffer_size_kb
scenario hold 30
echo 0 >/sys/devices/system/cpu/cpu1/online
scenario release
scenario hold 30
# What else the arenas have goes alone.
echo trim >$PROC
scenario release
echo 1 >/sys/devices/system/cpu/cpu1/online
scenario pipe 2000
echo 1 >$PARAMS/fail_nth
echo "exhaust 32768" >$TEST &
echo 2 >/proc/sys/vm/drop_caches
wait
for event in alloc_failure arena_map arena_unmap heap_shrink pool_adopt pool_refill pools_unmap remote_drain; do
	check "$event is seen" grep -q " $event: " $TRACING/trace
done
grep -q ' arena_map: node=0 bytes=[0-9]*$' $TRACING/trace
result $? "arena_map tells node and bytes"
grep -q ' pool_refill: size=64$' $TRACING/trace
result $? "pool_refill tells the size"
echo 0 >$TRACING/events/poolalloc/enable
echo >$TRACING/trace

accounted 0 "after all"
unload
finish
