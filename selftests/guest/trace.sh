# SPDX-License-Identifier: GPL-2.0-only
# The trace events, and what may be written to /proc/poolalloc.
# guest: smp=2 mem=1G
. ./common

POOLALLOC_BACKEND=pool
TRACING=/sys/kernel/tracing
load reserve=0 && load_test
is "events" "$(cd $TRACING/events/poolalloc && echo */ | tr -d /)" \
	"alloc_failure arena_map arena_unmap heap_shrink pool_adopt pool_refill remote_drain"
echo 1 >$TRACING/events/poolalloc/enable
echo 4096 >$TRACING/buffer_size_kb
scenario hold 30
echo 0 >/sys/devices/system/cpu/cpu1/online
scenario release
scenario hold 30
scenario release
echo 1 >/sys/devices/system/cpu/cpu1/online
scenario pipe 2000
echo 1 >$PARAMS/fail_nth
echo "exhaust 32768" >$TEST &
echo 2 >/proc/sys/vm/drop_caches
wait
for event in alloc_failure arena_map arena_unmap heap_shrink pool_adopt pool_refill remote_drain; do
	check "$event is seen" grep -q " $event: " $TRACING/trace
done
grep -q ' arena_map: node=0 bytes=[0-9]*$' $TRACING/trace
result $? "arena_map tells node and bytes"
grep -q ' pool_refill: size=64$' $TRACING/trace
result $? "pool_refill tells the size"
echo 0 >$TRACING/events/poolalloc/enable
echo >$TRACING/trace

scenario hold 300
scenario release
high=$(peak arenas)
check "trim" sh -c "echo trim >$PROC"
at_most "nothing is left" "$(value arenas)" 0
is "the peak is kept" "$(peak arenas)" "$high"
check "reset_peaks" sh -c "echo reset_peaks >$PROC"
is "the peak starts again" "$(peak arenas)" "$(value arenas)"
is "arena peak of bytes too" "$(peak mapped_bytes)" "$(value mapped_bytes)"
for word in "" x trimm "trim 1" TRIM reset_peak 0123456789012345678901234567890123456789; do
	if printf '%s\n' "$word" 2>/dev/null >$PROC; then false; fi 2>/dev/null
	result $? "'$word' is refused"
done
accounted 0 "after all"
unload
finish
