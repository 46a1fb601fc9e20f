# SPDX-License-Identifier: GPL-2.0-only
# Wrong pointers: one report each, with the caller, and the machine goes on.
# guest: backend=pool smp=2 mem=512M own allow="poolalloc: BUG: "
. ./common

# wrong NUMBER CALLER MESSAGE [REPORTS]
wrong() {
	log_start
	echo "misuse $1" >$TEST
	is "$2: reports" "$(dmesg | grep -c 'poolalloc: BUG:')" "${4:-1}"
	log_has "$3.*called from $2+"
	result $? "$2: $3"
	dmesg | grep -q 'poolalloc: BUG:.*\(ffff[89a-e]\|ff11\)[0-9a-f]\{11\}'
	is "$2: no address" $? 1
}

POOLALLOC_BACKEND=pool
load && load_test
wrong 0 free_static "was not allocated here"
wrong 1 free_stack "was not allocated here"
wrong 2 free_kmalloc "was not allocated here"
wrong 3 free_vmalloc "was not allocated here"
wrong 4 free_nonsense "was not allocated here" 2
wrong 5 free_middle "into the middle of a block"
wrong 6 free_stale "\(holds no blocks\|not allocated here\)"
wrong 7 free_twice "was freed twice"
scenario api
accounted 0 "after wrong frees"
# A scenario that uses every class notices the list that goes in a circle.
scenario threads "$(scaled 5000)"
unload

load check_free=1 && load_test
# The log's limit is ten reports in five seconds.
sleep 5
wrong 9 free_middle_own "into the middle of a block"
wrong 7 free_twice "was freed already"
wrong 8 free_twice_later "was freed already"
scenario api
accounted 0 "after double frees with check_free=1"
unload

# Without it, one is told when the list is used, by whoever does.
load reserve=0 spare=8 && load_test
log_start
echo "misuse 10" >$TEST
is "a pointer into an own block: reports" "$(dmesg | grep -c 'poolalloc: BUG:')" 1
check "it is told when the list is used" log_has "BUG: free list is damaged .*inside a block"
scenario api
unload
check "the blocks of that list are leaked" log_has "leak: [0-9]* blocks of 64 bytes"

# What SLUB does not know of. The rest of that backend's net is tried by fish.sh.
load backend=slab && load_test
sleep 5
wrong 0 free_static "was not allocated here"
wrong 1 free_stack "was not allocated here"
wrong 2 free_kmalloc "was not allocated here"
wrong 3 free_vmalloc "was not allocated here"
wrong 4 free_nonsense "was not allocated here" 2
accounted 0 "after wrong frees with backend=slab"
unload
finish
