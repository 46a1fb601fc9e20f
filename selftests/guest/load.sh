# SPDX-License-Identifier: GPL-2.0-only
# Loading, unloading, parameters.
# guest: smp=2 mem=1G
. ./common

check "loads" load
check "/proc/poolalloc is there" test -f $PROC
is "/proc/poolalloc is root's" "$(stat -c %a $PROC)" 400
is "first line" "$(head -n 1 $PROC)" "poolalloc - version: 1"
accounted 0 "just loaded"
check "a user loads" load_test
rmmod poolalloc 2>/dev/null
is "unloading is refused while it is used" $? 1
check "the user unloads" rmmod test_poolalloc
check "unloads" rmmod poolalloc
check "/proc/poolalloc is gone" test ! -e $PROC

i=0
while [ $i -lt "$(scaled 10)" ]; do
	load && load_test && echo api >$TEST && unload || break
	i=$((i + 1))
done
is "loaded, used and unloaded $i times" $i "$(scaled 10)"

check "world_readable=1" load world_readable=1
is "/proc/poolalloc is everybody's" "$(stat -c %a $PROC)" 444
rmmod poolalloc

# refused "PARAMETERS" "MESSAGE IN THE LOG"
refused() {
	log_start
	# shellcheck disable=SC2086
	if load $1 2>/dev/null; then
		rmmod poolalloc
		false
	else
		log_has "$2"
	fi
	result $? "$1 is refused with a message"
}

refused reserve=1025 "reserve=1025 is too much, give 0 to 1024"
refused "reserve=20 max_arenas=10" "reserve=20 is more than max_arenas=10 allows"
refused reserve=many "invalid for parameter .reserve"
refused max_arenas=-1 "invalid for parameter .max_arenas"
refused world_readable=2x "invalid for parameter .world_readable"

# SLUB reports leaks too, and keeps their caches.
[ "$POOLALLOC_BACKEND" = slab ] && finish
POOLALLOC_BACKEND=pool
log_start
load && load_test && echo "leak 7" >$TEST
check "unloads with leaks" unload
check "7 leaks of 64 bytes are reported" log_has "leak: 7 blocks of 64 bytes were never freed"
check "7 leaks of 3072 bytes are reported" log_has "leak: 7 blocks of 3072 bytes were never freed"
is "nothing else is" "$(dmesg | grep -c 'leak:')" 2

# Every page is returned, those with leaks included: the guest has less memory than this.
i=0
while [ $i -lt 60 ]; do
	load && load_test && echo "leak 7000" >$TEST && unload || break
	i=$((i + 1))
done
is "1.3 GiB leaked and given back" $i 60
finish
