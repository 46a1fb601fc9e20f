# SPDX-License-Identifier: GPL-2.0-only
# CPUs that come and go: what they owned stays valid and can be freed.
# guest: smp=2 mem=1G
. ./common

CPU1=/sys/devices/system/cpu/cpu1/online
# In make check-matrix they are 1000: 676 s on a machine with ten times as much to do as it can, 4 CPU minutes.
cycles=${HOTPLUG_CYCLES:-$(scaled 100)}

load reserve=0 spare=8 && load_test
scenario hold 100
live=$(value live_blocks)
check "CPU 1 goes" sh -c "echo 0 >$CPU1"
accounted "$live" "a CPU is gone"
has_pools && check "its slot is marked" grep -q 'cpu1 stopped$' $PROC
scenario api
accounted "$live" "the other goes on"
scenario release
accounted 0 "what it owned is freed"
echo trimmed | grep -q trimmed
scenario api
has_pools && at_most "and given back" "$(value arenas)" 1
check "CPU 1 comes back" sh -c "echo 1 >$CPU1"
has_pools && check "its slot is in use" grep -q 'cpu1$' $PROC
scenario threads "$(scaled 5000)"
accounted 0 "both go on"

# A CPU that is gone when the module is loaded.
unload
echo 0 >$CPU1
load spare=8 && load_test
scenario contexts
check "CPU 1 comes later" sh -c "echo 1 >$CPU1"
scenario contexts
accounted 0 "a CPU that came later"

# Beside threads that allocate and free each other's blocks, and deferred frees.
scenario start
i=0
began=$(date +%s)
while [ $i -lt "$cycles" ]; do
	echo 0 >$CPU1 && echo 1 >$CPU1 || break
	# Of deferred frees, what its own threads do comes to an end; they move to another CPU.
	if [ $((i % 50)) = 0 ]; then
		wait
		echo "deferred 2000" >$TEST &
	fi
	i=$((i + 1))
done
wait
is "offline and online under load, $(($(date +%s) - began)) s" "$i" "$cycles"
is "and under deferred frees" "$(grep -c '^not ok' $TEST)" 0
scenario stop
accounted 0 "after the cycles"

# Unloading with a CPU away.
scenario hold 10
echo 0 >$CPU1
scenario release
log_start
check "unloads while a CPU is away" unload
echo 1 >$CPU1
log_has "leak:"
is "nothing leaked" $? 1
finish
