# SPDX-License-Identifier: GPL-2.0-only
# Arenas in which few blocks live: their free pools go back alone.
# guest: backend=pool smp=2 mem=512M
. ./common

POOLALLOC_BACKEND=pool
MEMORY=/proc/poolalloc_memory

free_pages() {
	awk '$1 == "nr_free_pages" || $1 == "count:" { n += $2 } END { print n }' /proc/zoneinfo
}

# Pools without blocks, in arenas that are not wholly empty.
idle() {
	echo $(($(value mapped_bytes) / $(value pool_bytes) - $(value arenas) - $(value pools) -
		$(value empty_arenas) * 63))
}

# The last scenario's word.
holding() {
	sed -n 's/^# holding \([0-9]*\) blocks/\1/p' $TEST
}

load && load_test
insmod poolalloc_memory.ko
printf '64 20\n200 5\n512 5\n5000 1\n' >$MEMORY
blocks=$(scaled 200000)
kept=$((blocks - blocks / 100 * 95))
taskset -p 1 $$ >/dev/null

# Whoever reads under RCU finds nobody else's memory.
scenario grace "$(value arena_bytes)"
accounted 0 "after a grace period"
before=$(value arenas_unmapped)

echo "fill $blocks" >$MEMORY
accounted "$blocks" "full"
full=$(value mapped_bytes)
free_full=$(free_pages)
echo "free 95" >$MEMORY
accounted "$kept" "95 % freed"
if ! uname -v | grep -q PREEMPT_RT; then
	# One put may bring a span of 32 pools.
	at_most "few pools are idle" "$(idle)" $((64 + 32 + $(value pools) / 16))
	at_most "memory went back" "$(value mapped_bytes)" $((full * 3 / 4))
fi
is "arenas stay" "$(value arenas_unmapped)" "$before"

before=$(value mapped_bytes)
scenario trim 0
is "the trim of one CPU tells what it gave back" \
	"$(sed -n 's/^ok \([0-9]*\) bytes.*/\1/p' $TEST)" $((before - $(value mapped_bytes)))
echo trim >$PROC
accounted "$kept" "after a trim"
is "none is idle" "$(idle)" 0
is "memory is that of pools in use and descriptors" "$(value mapped_bytes)" \
	"$((($(value arenas) + $(value pools)) * $(value pool_bytes)))"
gone=$(((full - $(value mapped_bytes)) / 4096))
# A kernel that checks itself needs some for what it notes.
at_most "it is the page allocator's" $((gone * 9 / 10 - 256)) $(($(free_pages) - free_full))

# Pools that are gone do not come back: it grows by new arenas.
scenario hold512 10000
accounted $((kept + $(holding))) "grown again"
scenario release
echo "free 100" >$MEMORY
accounted 0 "all freed"
echo trim >$PROC
at_most "arenas after all was freed" "$(value arenas)" 1
accounted 0 "trimmed"

# Beside allocation and free on both CPUs, and by whoever has freed the other one's last block.
taskset -p 3 $$ >/dev/null
scenario start
for i in 1 2 3 4 5 6; do
	taskset -p 1 $$ >/dev/null
	echo "fill $blocks" >$MEMORY
	taskset -p 2 $$ >/dev/null
	echo "free 95" >$MEMORY
	echo trim >$PROC
	[ $i = 3 ] && echo 2 >/proc/sys/vm/drop_caches
	echo "free 100" >$MEMORY
done
scenario stop
echo trim >$PROC
accounted 0 "after the threads"

# Blocks that are left behind in such arenas.
echo "fill $blocks" >$MEMORY
echo "free 95" >$MEMORY
rmmod poolalloc_memory
accounted 0 "the user is gone"
unload

# A limit is one on memory: pools that have gone may come again in short arenas.
load max_arenas=4 && load_test
insmod poolalloc_memory.ko
echo "512 1" >$MEMORY
pool=$(($(value pool_bytes) / 512))
echo "fill $((225 * pool))" >$MEMORY
is "as many arenas as there may be" "$(value arenas)" 4
echo "free 95" >$MEMORY
echo trim >$PROC
scenario hold512 $((125 * pool))
is "the limit leaves room for so many" "$(holding)" $((125 * pool))
accounted $((125 * pool + 225 * pool - 225 * pool / 100 * 95)) "full again"
scenario release
scenario exhaust 512
at_most "it is kept" "$(peak mapped_bytes)" $((4 * $(value arena_bytes)))
rmmod poolalloc_memory

# What CPU 1 had, and CPU 0 has freed, is what is left: CPU 1 is asked for it. Of one arena the pools
# stay where they are.
echo trim >$PROC
echo 1 >$PARAMS/max_arenas
taskset -p 2 $$ >/dev/null
scenario hold512 1000000
taskset -p 1 $$ >/dev/null
most=$(holding)
scenario thin
most=$(($(holding) + most * 8 / 10))
scenario hold512 $((most - $(holding)))
is "blocks that wait for the other CPU are had" "$(holding)" "$most"
scenario release
accounted 0 "with a limit"
unload

sleep 1
at_most "pages that are missing in the end" $((free_full + full / 4096 - $(free_pages))) 2048
finish
