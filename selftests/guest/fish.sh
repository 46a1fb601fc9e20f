# SPDX-License-Identifier: GPL-2.0-only
# The net catches fish: each wrong use of poolalloc is reported by the kernel's checkers, by name.
# guest: backend=pool smp=2 mem=1G own kernels="6.1-kasan 6.1-kcsan" append="kasan_multi_shot" allow="fish_|kasan: bad access detected|pa_slab_free_all"
. ./common

KMEMLEAK=/sys/kernel/debug/kmemleak
has() {
	grep -q " $1\$" /proc/kallsyms
}

# fish NAME REPORT: the report's first line, and below it the function that did it.
fish() {
	log_start
	insmod test_fish.ko "catch=$1" 2>/dev/null
	rmmod test_fish
	dmesg >/tmp/log
	grep -q "$2" /tmp/log || grep -E 'BUG|kmemleak' /tmp/log | sed 's/^/# found: /'
	grep -q "$2" /tmp/log
	result $? "$1: reported as '$2'"
	grep -q "fish_$1+.*\[test_fish\]" /tmp/log
	result $? "$1: the report names fish_$1"
}

# leaked: what kmemleak finds unreferenced. It looks at nothing younger than five seconds, and an
# object that has changed is given another chance. Without the stack, which keeps old pointers.
leaked() {
	echo stack=off >$KMEMLEAK
	sleep 6
	echo scan >$KMEMLEAK
	echo scan >$KMEMLEAK
	cat $KMEMLEAK
}

# leaks PARAMETER N: of ten lost blocks so many are reported, each with who allocated it; and what
# only a block points to is none.
leaks() {
	# shellcheck disable=SC2086
	load $1
	insmod test_fish.ko catch=leak
	leaked >/tmp/leaks
	is "$1: lost blocks that are reported" "$(grep -c '^unreferenced object .*(size 64)' /tmp/leaks)" $2
	is "$1: with who allocated it" "$(grep -c 'fish_leak+.*\[test_fish\]' /tmp/leaks)" $2
	is "$1: what a block points to is no leak" "$(grep -c 'fish_keep' /tmp/leaks)" 0
	is "$1: nothing else is" "$(grep -c '^unreferenced object' /tmp/leaks)" $2
	rmmod test_fish
}

POOLALLOC_BACKEND=
if has kasan_report; then
	load backend=slab
	fish read_after_free 'BUG: KASAN: .*use-after-free in fish_read_after_free'
	fish write_after_free 'BUG: KASAN: .*use-after-free in fish_write_after_free'
	fish read_after_free_rcu 'BUG: KASAN: .*use-after-free in fish_read_after_free_rcu'
	fish double_free 'BUG: KASAN: double-free in '
	fish double_free_bulk 'BUG: KASAN: double-free in '
	fish free_middle 'BUG: KASAN: invalid-free in '
	fish write_beyond 'BUG: KASAN: slab-out-of-bounds in fish_write_beyond'
	fish read_beyond 'BUG: KASAN: slab-out-of-bounds in fish_read_beyond'
	rmmod poolalloc
fi

if [ -e $KMEMLEAK ]; then
	# What booting has lost is not ours.
	leaked >/dev/null
	echo clear >$KMEMLEAK
	leaks "backend=pool kmemleak=1" 10
	rmmod poolalloc
	leaks "backend=pool" 0
	rmmod poolalloc
	# SLUB keeps a cache with lost blocks, and reports it when poolalloc is unloaded: this comes last.
	leaks "backend=slab" 10
	echo clear >$KMEMLEAK
fi

if has kcsan_setup_watchpoint; then
	load backend=pool
	fish race 'BUG: KCSAN: .*race in .*fish_race'
	rmmod poolalloc
fi
finish
