# SPDX-License-Identifier: GPL-2.0-only OR MIT
# shellcheck shell=sh
# In a guest: pages that OBJECTS objects take, and what is left of them after 95 % and after all
# are freed at random; ALLOCATOR is kmalloc or poolalloc, NAME what to call it.
#	sh memory.sh ALLOCATOR NAME OBJECTS [PARAMETER-OF-POOLALLOC...]
# What the page allocator has in stock per CPU is free, too: in /proc/zoneinfo both are told.
allocator=$1 name=$2 objects=$3
memory=/proc/poolalloc_memory
shift 3

free_pages() {
	awk '$1 == "nr_free_pages" || $1 == "count:" { n += $2 } END { print n }' /proc/zoneinfo
}

say() {
	sleep 3
	echo "bench-kernel-memory $(uname -r) $name $objects $1 $((before - $(free_pages)))"
}

[ "$allocator" = kmalloc ] && kmalloc=1 || kmalloc=0
insmod poolalloc.ko "$@" && insmod poolalloc_memory.ko kmalloc="$kmalloc" &&
	cat sizes.txt >$memory || exit 1
sleep 1
before=$(free_pages)
echo "fill $objects" >$memory || exit 1
say live
echo "free 95" >$memory || exit 1
say freed-95
echo "free 100" >$memory || exit 1
say freed-100
