#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# bench_kernel.sh [KERNEL...]: instructions per operation of kmalloc, kmem_cache and poolalloc in
# guests whose clock counts instructions, and pages for many objects. Prints lines
#	bench-kernel RELEASE ALLOCATOR SIZE PATTERN INSTRUCTIONS
#	bench-kernel-memory RELEASE ALLOCATOR OBJECTS WHEN PAGES
# and then tables of them with what is aimed at. SIZE is a number, or 8-512 for random sizes; PATTERN
# is pair, seq-alloc, seq-free, rnd-alloc, rnd-free, or mixed (a free and an allocation); WHEN is
# live, freed-95 (per cent, at random) or freed-100. OBJECTS=N instead of 1000000. ONLY=time,
# ONLY=memory or ONLY=native (bench-kernel/uml.sh: nanoseconds, on a quiet machine) does one part.
set -u
. "$(dirname "$0")/lib/common.sh"

[ $# -gt 0 ] || set -- 6.1 6.12 6.1-rt 6.12-rt sid
bench=$SELFTESTS_DIR/bench-kernel
objects=${OBJECTS:-1000000} only=${ONLY:-time memory native}
case "$objects" in ''|*[!0-9]*) die "OBJECTS=$objects is not a number" ;; esac
status=0

# run KERNEL GEOMETRY QEMU-OPTION... -- COMMAND: with the modules of that geometry.
run() {
	local kernel=$1 modules

	modules=$("$LIB_DIR/kmod.sh" --kernel "$1" --geometry "$2" --tests) || return 1
	shift 2
	"$LIB_DIR/qemu.sh" --kernel "$kernel" --file "$modules/poolalloc.ko" \
		--file "$modules/selftests/modules/poolalloc_bench.ko" \
		--file "$modules/selftests/modules/poolalloc_memory.ko" \
		--file "$bench/memory.sh" --file "$bench/sizes.txt" "$@"
}

time_of() {
	run "$1" seed --icount --append init_on_alloc=0 -- \
		'insmod poolalloc.ko && insmod poolalloc_bench.ko && cat /proc/poolalloc_bench' |
		grep '^bench-kernel ' || { echo "no instructions from $1" >&2; return 1; }
}

memory_of() {
	run "$1" "$2" --smp 1 --mem 1500M -- "sh memory.sh $3 $4 $objects ${5:-}" |
		grep '^bench-kernel-memory ' || { echo "no pages from $1, $4" >&2; return 1; }
}

measure() {
	local kernel

	for kernel; do
		case "$only" in *time*) time_of "$kernel" || status=1 ;; esac
		case "$only" in *memory*)
			memory_of "$kernel" seed kmalloc kmalloc || status=1
			memory_of "$kernel" seed poolalloc poolalloc-seed || status=1
			memory_of "$kernel" seed poolalloc poolalloc-purge purge=1000 || status=1
			memory_of "$kernel" modern poolalloc poolalloc-modern || status=1 ;;
		esac
	done
	case "$only" in *native*) "$bench/uml.sh" || status=1 ;; esac
	return $status
}

results=$POOLALLOC_BUILD/selftests/bench-kernel.txt
mkdir -p "$(dirname "$results")" || die "cannot create $(dirname "$results")"
measure "$@" | tee "$results"
status=${PIPESTATUS[0]}
awk -f "$bench/summary.awk" "$results"
exit "$status"
