# SPDX-License-Identifier: GPL-2.0-only
# Memory that is fragmented or gone, and the shrinker.
# guest: smp=2 mem=256M own allow="ODEBUG: Out of memory. ODEBUG disabled"
. ./common

# SLUB has a shrinker and fragments of its own.
if [ "$POOLALLOC_BACKEND" = slab ]; then
	load && load_test
	for size in 64 512 3000 32768; do
		scenario exhaust $size
		accounted 0 "after exhaustion with $size bytes"
	done
	scenario api
	accounted 0 "when there is memory again"
	unload
	finish
fi
POOLALLOC_BACKEND=pool

# The shrinker takes the reserve, and what the CPUs cache.
load reserve=64 && load_test
taskset -p 1 $$ >/dev/null
scenario hold512 20000
scenario release
[ "$(value empty_arenas)" -gt 4 ]
result $? "a reserve of $(value empty_arenas) empty arenas"
echo 2 >/proc/sys/vm/drop_caches
sleep 1
echo 2 >/proc/sys/vm/drop_caches
at_most "the shrinker gives them back" "$(value arenas)" 2
accounted 0 "after the shrinker"

# Beside allocation and free.
taskset -p 3 $$ >/dev/null
scenario start
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	echo 2 >/proc/sys/vm/drop_caches
done
scenario stop
accounted 0 "after the shrinker under load"
unload

# What CPU 0 has freed of CPU 1's goes back when CPU 1 trims. Or else when somebody needs it: most
# memory is free, but CPU 1 would have to say so; no process is killed for want of it.
load && load_test
taskset -p 2 $$ >/dev/null
scenario hold512 20000
taskset -p 1 $$ >/dev/null
scenario release
taskset -p 2 $$ >/dev/null
scenario trim 9000000
accounted 0 "after a trim"
free=$(sed -n 's/^MemFree: *\([0-9]*\).*/\1/p' /proc/meminfo)
taskset -p 2 $$ >/dev/null
scenario hold512 $((free * 2 * 6 / 10))
taskset -p 1 $$ >/dev/null
scenario release
scenario claim $((free / 4 * 7 / 10))
taskset -p 3 $$ >/dev/null
accounted 0 "after others had needed memory"
unload

# All memory of the guest, several times, and back.
load && load_test
for size in 64 512 3000 32768; do
	scenario exhaust $size
	accounted 0 "after exhaustion with $size bytes"
done
# Who exhausted memory may have taken the spare arena.
echo trim >$PROC
scenario interrupt
accounted 0 "after an interrupt without memory"
sleep 3
scenario interrupt
accounted 0 "and the spare arena had been replaced"
unload

# No block of an arena's size is free.
load reserve=0 && load_test
scenario fragment
scenario hold512 20000
held=$(sed -n 's/^# holding \([0-9]*\) blocks/\1/p' $TEST)
arenas=$(value arenas)
[ "$(value mapped_bytes)" -lt $((arenas * $(value arena_bytes))) ]
result $? "$arenas arenas, short ones among them, have $(value mapped_bytes) bytes"
accounted "$held" "short arenas"
scenario release
echo trim >$PROC
is "short arenas are given back" "$(value mapped_bytes)" "$(($(value arenas) * $(value arena_bytes)))"
accounted 0 "after short arenas"
scenario start
sleep 3
scenario stop
accounted 0 "after threads in fragmented memory"
scenario exhaust 512
# Runs of 16 KiB pools for it are longer than what is left between the fragments.
[ "$POOLALLOC_GEOMETRY" = modern ] || scenario exhaust 32768
accounted 0 "after exhaustion in fragmented memory"
scenario defragment
scenario api
accounted 0 "after fragmentation"

# Memory that others give back when they are asked.
scenario cache
accounted 0 "after memory was a cache's"
scenario cache 1
accounted 0 "after reclaim had allocated"
scenario cache 2
accounted 0 "after reclaim beside pieces of memory"

# Nothing of all that is lost.
unload
free_before=$(sed -n 's/^MemFree: *\([0-9]*\).*/\1/p' /proc/meminfo)
load && load_test
scenario exhaust 512
unload
sleep 1
free_after=$(sed -n 's/^MemFree: *\([0-9]*\).*/\1/p' /proc/meminfo)
at_most "memory is returned ($free_before KiB free before, $free_after after)" \
	$((free_before - free_after)) 8192
finish
