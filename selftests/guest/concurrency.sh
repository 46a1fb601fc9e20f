# SPDX-License-Identifier: GPL-2.0-only
# CPUs that free each other's blocks, interrupts that land inside, hotplug.
# guest: smp=2 mem=1G
. ./common

load reserve=0 && load_test
scenario threads
accounted 0 "after threads"

scenario storm
accounted 0 "after the storm"
inside=$(awk '$1 == "slot" && $NF == "fallback0" { print $5 }' $PROC)
! has_pools || [ "${inside:-0}" -gt 0 ]
result $? "interrupts landed inside an allocation and refilled ${inside:-0} times elsewhere"

scenario deferred
accounted 0 "after deferred frees"
unload

# 200 000 blocks of 64 bytes go from one CPU to the other, 512 at a time.
load reserve=0 && load_test
scenario pipe
has_pools && at_most "a pipe between two CPUs runs in constant memory" "$(peak arenas)" 2
accounted 0 "after the pipe"
unload

# 50 000 blocks of 64 bytes are 13 arenas.
load reserve=0 && load_test
scenario idle-class
# The 64 empty pools that a slot keeps lie in two of them, what it goes on with in a third: a
# refill takes back 64 pools at a time, and uses what the first ones bring.
has_pools && at_most "a class that its CPU allocates no more goes back" "$(value arenas)" 3
accounted 0 "after the idle class"
unload

# 6 MB of blocks of all sizes up to 16000 bytes, which two CPUs replace and free in turn.
load reserve=0 && load_test
scenario turns "$(scaled 1000)"
has_pools && at_most "what the other CPU has freed is used again" "$(peak mapped_bytes)" 24000000
accounted 0 "after the turns"
unload

# Readers of the report beside all of that.
load && load_test
has_pools && line=identity || line=live_blocks
scenario start
i=0
bad=0
reports=$(scaled 300)
while [ $i -lt "$reports" ]; do
	cat $PROC >/tmp/report || bad=$((bad + 1))
	[ "$(grep -c "^$line " /tmp/report)" = 1 ] || bad=$((bad + 1))
	i=$((i + 1))
done
is "$reports reports under load, all complete" $bad 0
scenario stop
accounted 0 "after reading under load"
unload

# Unloading right behind a storm of deferred frees.
log_start
for i in 1 2 3 4 5; do
	load && load_test && echo "deferred-storm $(scaled 5000)" >$TEST && unload || break
done
is "unloads while frees are deferred" $? 0
log_has "leak:"
is "nothing leaked" $? 1
finish
