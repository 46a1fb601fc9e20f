#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# panic_on_corruption=1 stops the machine at the first wrong free; 0 does not. Set at run time, too.
# test-timeout: 2400
set -u
. "$(dirname "$0")/lib/common.sh"
. "$LIB_DIR/tap.sh"

[ -d "$POOLALLOC_ROOT/kmod" ] || tap_skip_all "needs the project's checkout: give POOLALLOC_ROOT=DIR"
kernel=6.12
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
modules=$("$LIB_DIR/kmod.sh" --kernel $kernel --geometry seed --tests) || tap_skip_all "no kernel $kernel"
wrong="echo misuse 0 >/proc/test_poolalloc; echo went on"

# guest COMMAND: its output is $work/output, the kernel's log $work/console.
guest() {
	"$LIB_DIR/qemu.sh" --kernel $kernel --mem 512M --timeout 600 --allow 'poolalloc: BUG' \
		--file "$modules/poolalloc.ko" --file "$modules/selftests/modules/test_poolalloc.ko" \
		--console "$work/console" --output "$work/output" -- "$1" >"$work/log" 2>&1
}

panics() {
	guest "$1; insmod test_poolalloc.ko; $wrong"
	grep -q 'Kernel panic - not syncing: poolalloc: pointer was not allocated here: .*called from free_static+' \
		"$work/console" && ! grep -q '^went on' "$work/output" && return
	cat "$work/log"
	return 1
}

goes_on() {
	guest "$1; insmod test_poolalloc.ko; $wrong"
	grep -q 'poolalloc: BUG: pointer was not allocated here: .*called from free_static+' "$work/console" &&
		grep -q '^went on' "$work/output" && return
	cat "$work/log"
	return 1
}

tap_start
tap_run "panic_on_corruption=1 stops the machine" panics "insmod poolalloc.ko backend=pool panic_on_corruption=1"
tap_run "so it does with backend=slab" panics "insmod poolalloc.ko backend=slab panic_on_corruption=1"
tap_run "set when the module is loaded already" panics "insmod poolalloc.ko; \
	echo 1 >/sys/module/poolalloc/parameters/panic_on_corruption"
tap_run "without, it goes on" goes_on "insmod poolalloc.ko"
tap_finish
