# SPDX-License-Identifier: GPL-2.0-only
# backend=slab: every function as with pools, and what the report can say.
# guest: backend=pool smp=2 mem=1G
. ./common

POOLALLOC_BACKEND=
caches() {
	find /sys/kernel/slab -maxdepth 1 -name 'poolalloc-*' | wc -l
}

# auto is what a kernel is best served with.
load
grep -q ' kasan_report$' /proc/kallsyms && expected=slab || expected=pool
is "by default the backend is $expected" "$(cat $PARAMS/backend)" $expected
check "/proc/poolalloc says so" grep -qx "backend $expected" $PROC
rmmod poolalloc
load backend=auto
is "backend=auto is the default" "$(cat $PARAMS/backend)" $expected
rmmod poolalloc
load backend=pool
is "backend=pool" "$(cat $PARAMS/backend) $(grep '^backend' $PROC)" "pool backend pool"
is "has no kmem_cache" "$(caches)" 0
rmmod poolalloc

log_start
if load backend=slub 2>/dev/null; then
	rmmod poolalloc
	false
else
	log_has "poolalloc: backend=slub is unknown, give auto, pool or slab"
fi
result $? "backend=slub is refused with a message"

# When a cache cannot be made, those that there are go again.
for n in 1 2 56 112; do
	load backend=slab fail_nth=$n 2>/dev/null
	is "without the cache number $n it does not load" "$? $(caches)" "1 0"
done

load backend=slab && load_test
is "backend=slab" "$(cat $PARAMS/backend) $(grep '^backend' $PROC)" "slab backend slab"
is "a kmem_cache per class" "$(caches)" 112
scenario api
accounted 0 "after api"
scenario threads "$(scaled 20000)"
accounted 0 "after threads"
# SLUB takes sleeping locks there.
if ! uname -v | grep -q PREEMPT_RT; then
	scenario contexts
	accounted 0 "after contexts"
	scenario storm "$(scaled 10000)"
	accounted 0 "after the storm"
fi
scenario object 0
scenario deferred "$(scaled 5000)"
accounted 0 "after deferred frees"
scenario pipe "$(scaled 20000)"
accounted 0 "after the pipe"

scenario hold 20
held=$((20 * 26 * $(nproc)))
accounted $held "holding blocks"
is "no other kind of line" \
	"$(grep -cvE '^(#|poolalloc - |backend slab$|live_blocks [0-9]+$|live_bytes [0-9]+ peak [0-9]+$|class )' $PROC)" 0
is "first line" "$(head -n 1 $PROC)" "poolalloc - version: 1"
heading=$(sed -n "s/^# \(class .*\)/\1/p" $PROC | wc -w)
is "columns of class" "$(awk '$1 == "class" { print NF }' $PROC | sort -u)" "$heading"
sums=$(awk '$1 == "class" { blocks += $4; bytes += $7; if ($7 != $2 * $4) bad++ }
	END { print blocks, bytes, bad + 0 }' $PROC)
is "the classes add up" "$sums" "$(value live_blocks) $(value live_bytes) 0"
at_most "live_bytes are not above their peak" "$(value live_bytes)" "$(peak live_bytes)"
check "trim" sh -c "echo trim >$PROC"
scenario release
accounted 0 "after release"
is "no class has a row" "$(grep -c '^class ' $PROC)" 0
check "reset_peaks" sh -c "echo reset_peaks >$PROC"
is "the peak starts again" "$(value live_bytes) $(peak live_bytes)" "0 0"

unload
is "the caches are gone" "$(caches)" 0

load backend=slab max_arenas=4 && load_test
scenario exhaust 512
[ "$POOLALLOC_GEOMETRY" = modern ] && arena=1048576 || arena=262144
at_most "max_arenas=4 is as many bytes" "$(peak live_bytes)" $((4 * arena))
accounted 0 "after exhaustion"
unload
finish
