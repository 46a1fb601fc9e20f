#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# bench_kernel.sh [KERNEL...]: instructions per operation of kmalloc, kmem_cache and poolalloc in
# guests whose clock counts instructions. Prints lines
#	bench-kernel RELEASE ALLOCATOR SIZE PATTERN INSTRUCTIONS
# SIZE is a number, or 8-512 for random sizes; PATTERN is pair, seq-alloc, seq-free, rnd-alloc,
# rnd-free, or mixed (a free and an allocation).
set -u
. "$(dirname "$0")/lib/common.sh"

[ $# -gt 0 ] || set -- 6.1 6.12 6.1-rt 6.12-rt
status=0
for kernel; do
	modules=$("$LIB_DIR/kmod.sh" --kernel "$kernel" --tests) || { status=1; continue; }
	"$LIB_DIR/qemu.sh" --kernel "$kernel" --icount --append init_on_alloc=0 \
		--file "$modules/poolalloc.ko" --file "$modules/selftests/modules/poolalloc_bench.ko" -- \
		'insmod poolalloc.ko && insmod poolalloc_bench.ko && cat /proc/poolalloc_bench' |
		grep '^bench-kernel ' || { echo "no results from $kernel" >&2; status=1; }
done
exit $status
