# SPDX-License-Identifier: GPL-2.0-only
# The kernel's own fault injection: memory that fails to come at random, on debug kernels.
# guest: smp=2 mem=1G kernels="6.1-kasan" append="slub_debug=A,poolalloc-*,proc_dir_entry" allow="module_alloc[+]"
. ./common

FAULTS=/sys/kernel/debug

# inject NAME PERCENT [FILE=VALUE]...: whoever writes 1 to make-it-fail, unless task-filter=N
inject() {
	inject_dir=$FAULTS/$1
	inject_percent=$2
	shift 2
	for inject_pair in verbose=0 interval=1 space=0 times=-1 ignore-gfp-wait=N task-filter=Y "$@"; do
		echo "${inject_pair#*=}" >"$inject_dir/${inject_pair%%=*}"
	done
	echo "$inject_percent" >"$inject_dir/probability"
}

no_faults() {
	echo 0 >$FAULTS/fail_page_alloc/probability
	echo 0 >$FAULTS/failslab/probability
}

# As a task whose allocations fail.
failing() {
	sh -c 'echo 1 >/proc/self/make-it-fail; exec "$@"' sh "$@" 2>/dev/null
}

# Loading, when any of the allocations on the way fails. When it is that of the module's own memory, before any
# of its code runs, the kernel shows a stack: allowed above.
load_failing() {
	loaded=0 refused=0
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		inject failslab $((i % 4 + 1)) cache-filter=N
		inject fail_page_alloc $((i % 4 + 1)) min-order=0
		failing insmod poolalloc.ko backend=pool
		no_faults
		if rmmod poolalloc 2>/dev/null; then
			loaded=$((loaded + 1))
		else
			refused=$((refused + 1))
		fi
	done
	echo "# loaded $loaded times, refused $refused times"
}

# refused WHAT COMMAND...: it does not load, for want of memory, and leaves nothing behind.
refused() {
	refused_what=$1
	shift
	log_start
	"$@" 2>/dev/null
	log_has "poolalloc: cannot load: error -12"
	result $? "$refused_what: refused for want of memory"
	is "$refused_what: caches left" "$(find /sys/kernel/slab -maxdepth 1 -name 'poolalloc-*' | wc -l)" 0
	rmmod poolalloc 2>/dev/null
}

# With backend=slab nothing fails at random while the module is loaded: it would hit
# kmem_cache_create(), of which there are more than a hundred calls, first, and that shows a stack
# whenever it fails, and in 6.1 loses the name of the cache's kobject. Instead, the n-th cache cannot
# be had; and with all of them made, the last step, which is an allocation from a cache of its own. The
# kernel parameter names that cache, too.
load_failing_slab() {
	for n in 1 2 56 112; do
		refused "the cache number $n" load fail_nth=$n
	done
	inject failslab 100 cache-filter=Y
	refused "the file in /proc" failing insmod poolalloc.ko backend=slab
	no_faults
}

case "$POOLALLOC_BACKEND" in
pool) load_failing ;;
*) load_failing_slab ;;
esac
check "loads after all that" load reserve=0
check "a user loads" load_test

# Arenas whole and short, for the task and for threads. With backend=slab, the blocks' own caches.
if has_pools; then
	faults() {
		inject fail_page_alloc "$1" min-order=3 task-filter=N
	}
else
	# Which they are, the kernel parameter says.
	faults() {
		inject failslab "$1" cache-filter=Y task-filter=N
	}
fi
for percent in 20 60; do
	faults $percent
	for i in 1 2 3 4 5; do
		echo fail >$TEST
		grep '^not ok' $TEST
	done >/tmp/fail
	is "each call beside $percent % failures" "$(cat /tmp/fail)" ""
	accounted 0 "after $percent % failures"
	echo "threads 2000" >$TEST
	is "threads beside $percent % failures" "$(grep -c '^not ok' $TEST)" 0
	echo "deferred 1000" >$TEST
	is "deferred frees beside $percent % failures" "$(grep -c '^not ok' $TEST)" 0
	no_faults
	accounted 0 "after threads beside $percent % failures"
done
scenario api
accounted 0 "when memory comes again"
unload
finish
