#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# This directory inside a kernel tree, as tools/testing/selftests/poolalloc, run by the kernel's own
# lib.mk and runner. They are unpacked from Debian's linux-source package, never copied into the
# repository. The kernel's `make run_tests` exits 0 when tests fail, so its output is what counts.
set -u
. "$(dirname "$0")/lib/common.sh"
. "$LIB_DIR/tap.sh"

[ -f "$POOLALLOC_ROOT/userspace/Makefile" ] || tap_skip_all "needs the project's checkout"
series=6.1
k=tools/testing/selftests
source=$("$LIB_DIR/source.sh" "$series" scripts tools/scripts $k/Makefile $k/lib.mk $k/kselftest $k/kselftest_harness.h \
	$k/kselftest.h $k/run_kselftest.sh $k/kselftest_install.sh) ||
	tap_skip_all "no kernel source package"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
unset MAKEFLAGS MFLAGS MAKELEVEL
tree=$work/linux
mkdir -p "$tree" && cp -r "$source/scripts" "$source/tools" "$tree/" || exit 1
ours=$tree/$k/poolalloc
mkdir -p "$ours"
(cd "$SELFTESTS_DIR" && tar -c --exclude='*.o' --exclude='*.ko' .) | tar -x -C "$ours"
# Only what takes seconds: the point here is the integration.
quick=$(grep -lE '^[/* #]*test-kselftest: yes' "$SELFTESTS_DIR"/*.c "$SELFTESTS_DIR"/*.sh |
	sed 's|.*/||; s|\.c$||' | sort | xargs)

library=$work/lib
mkdir -p "$library"
build_library() {
	make -C "$POOLALLOC_ROOT/userspace" O="$library" "$library/libpoolalloc.a"
}

# run_tests NAME...: the kernel's own runner on these; its output in $work/out.
run_tests() {
	TEST_SCALE=20 make -C "$tree/$k" TARGETS=poolalloc TESTS="$*" \
		POOLALLOC_ROOT="$POOLALLOC_ROOT" POOLALLOC_LIB="$library/libpoolalloc.a" \
		run_tests >"$work/out" 2>&1 </dev/null
}

# Every one of the tests has its "ok" line, and there is no failing result at any depth.
all_ok() {
	local name

	run_tests "$@" || { cat "$work/out"; return 1; }
	cat "$work/out"
	for name; do
		grep -qE "^ok [0-9]+ selftests: poolalloc: $name( |\$)" "$work/out" || {
			echo "no result for $name"
			return 1
		}
	done
	! grep -qE '^(# )*not ok' "$work/out"
}

# Plants a test that fails: it must be seen.
failure_is_seen() {
	printf '#!/bin/sh\necho "TAP version 13"\necho "1..1"\necho "not ok 1 planted"\nexit 1\n' \
		>"$ours/planted.sh"
	chmod +x "$ours/planted.sh"
	run_tests planted.sh
	cat "$work/out"
	grep -qE '^not ok 1 selftests: poolalloc: planted.sh' "$work/out"
}

# "settings" is honoured: a test that sleeps longer than its timeout fails by it.
settings_are_read() {
	printf '#!/bin/sh\nsleep 60\n' >"$ours/slow.sh"
	chmod +x "$ours/slow.sh"
	sed -i.kept 's/^timeout=.*/timeout=1/' "$ours/settings"
	run_tests slow.sh
	mv "$ours/settings.kept" "$ours/settings"
	cat "$work/out"
	grep -qE '^not ok 1 selftests: poolalloc: slow.sh # TIMEOUT' "$work/out"
}

installs() {
	make -C "$tree/$k" TARGETS=poolalloc TESTS="$quick" POOLALLOC_ROOT="$POOLALLOC_ROOT" \
		POOLALLOC_LIB="$library/libpoolalloc.a" \
		INSTALL_PATH="$work/installed" install </dev/null &&
		[ -x "$work/installed/run_kselftest.sh" ] &&
		[ -f "$work/installed/poolalloc/settings" ] &&
		grep -q '^poolalloc:' "$work/installed/kselftest-list.txt"
}

tap_start
tap_run "the library for it builds" build_library
# shellcheck disable=SC2086 # words
tap_run "run_tests: $quick" all_ok $quick
tap_run "a failing test is reported" failure_is_seen
tap_run "the timeout in settings is honoured" settings_are_read
tap_run "install" installs
tap_finish
