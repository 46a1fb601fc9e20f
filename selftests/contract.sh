#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# What the core leaves undefined is the contract and nothing else, in both worlds; the names that
# it may take from a world are those in common/README.md.
# test-kselftest: no
set -u
. "$(dirname "$0")/lib/common.sh"
. "$LIB_DIR/tap.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# Functions and variables of the contract that are not inline, by world.
contract_both="pa_arena_map pa_arena_unmap pa_corrupt pa_slot_name pa_fallback_enter pa_fallback_leave"
contract_user="pa_pages_populate pa_peek pa_read_lock pa_read_unlock pa_idle pa_alloc_last_resort pa_bins_lock pa_bins_unlock pa_reclaim pa_thread pa_thread_start"
contract_kernel="pa_cpu pa_arena_pools pa_arena_part pa_pools_unmap pa_list_sound"

# What the inline part of the contract, and the compiler, make of it. Patterns.
# User: locks, the compiler's own memset.
# One geometry needs pa_pages_release().
world_user="pa_pages_release pthread_mutex_* rcu_*_sym memset memcpy __popcountdi2 _GLOBAL_OFFSET_TABLE_
	__stack_chk_fail"
# Kernel: ftrace, return and jump thunks, the stack protector; then preemption, per-CPU addresses,
# RCU's read side, raw spinlocks, cond_resched(), bit counting, checks of addresses, the trace events and their keys.
world_kernel="__fentry__ __x86_return_thunk __x86_indirect_thunk_* __stack_chk_fail __stack_chk_guard
	__ref_stack_chk_guard __SCT__preempt_schedule* __SCT__cond_resched __cond_resched preempt_schedule*
	__preempt_count this_cpu_off pcpu_hot numa_node _numa_mem_ cpu_number __rcu_read_lock
	__rcu_read_unlock _raw_spin_* memset memcpy __memset __memcpy fortify_panic __fortify_panic
	__sw_hweight64 __virt_addr_valid copy_from_kernel_nofault __cpu_online_mask
	__tracepoint_* __SCT__tp_func_* __SCK__tp_func_*
	__pfx_* __ubsan_* __sanitizer_* __asan_* __tsan_* __kcsan_* __kasan_*"

matches() {
	local name=$1 pattern

	shift
	for pattern; do
		# shellcheck disable=SC2254 # a pattern
		case "$name" in $pattern) return 0 ;; esac
	done
	return 1
}

# exactly OBJECT CONTRACT WORLD: every name of the contract is used, and no other one.
exactly() {
	local object=$1 contract=$2 world=$3 name bad=0

	nm -u "$object" | awk '{ print $2 }' | sort -u >"$work/undefined"
	[ -s "$work/undefined" ] || { echo "no undefined symbols in $object"; return 1; }
	set -f
	for name in $contract; do
		grep -qx "$name" "$work/undefined" || { echo "never used: $name"; bad=1; }
	done
	while read -r name; do
		# shellcheck disable=SC2086 # lists of patterns
		matches "$name" $contract $world || { echo "not in the contract: $name"; bad=1; }
	done <"$work/undefined"
	set +f
	return $bad
}

user() {
	local geometry=$1 cc=$2 flags=

	[ "$geometry" = modern ] && flags=-DPA_GEOMETRY_MODERN
	rm -rf "$work/user" && mkdir -p "$work/user" && (
		cd "$work/user" || exit 1
		# shellcheck disable=SC2086
		$cc -O2 -fPIC -fno-builtin-malloc $flags -I"$POOLALLOC_ROOT/common" -I"$POOLALLOC_ROOT/userspace" \
			-I"$POOLALLOC_ROOT/userspace/include" -c "$POOLALLOC_ROOT"/common/*.c &&
			ld -r -o core.o pa_*.o
	) && exactly "$work/user/core.o" "$contract_both $contract_user" "$world_user"
}

kernel() {
	local dir

	dir=$("$LIB_DIR/kmod.sh" --kernel "$1" --geometry "$2") &&
		ld -r -o "$work/core.o" "$dir"/common/pa_*.o &&
		exactly "$work/core.o" "$contract_both $contract_kernel" "$world_kernel"
}

# The test must be able to fail.
can_fail() {
	echo 'void f(void); void g(void) { f(); }' >"$work/f.c"
	gcc -c -o "$work/f.o" "$work/f.c" && ! exactly "$work/f.o" "" "$world_user" >/dev/null &&
		! exactly "$work/f.o" "f h" "" >/dev/null && exactly "$work/f.o" "f" "_GLOBAL_OFFSET_TABLE_"
}

tap_start
tap_run "a symbol too many or too few is seen" can_fail
for geometry in seed modern; do
	for cc in gcc clang; do
		tap_run "userspace, $geometry, $cc" user "$geometry" "$cc"
	done
	for version in 6.1 6.12; do
		tap_run "kernel $version, $geometry" kernel "$version" "$geometry"
	done
done
tap_finish
