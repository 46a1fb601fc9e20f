#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Real programs on libpoolalloc-malloc.so: the same output and exit status as with glibc's malloc.
# programs.sh [--short|--full|--python] [REGEX]: --short is what make check runs, --full make
# check-programs; --python is CPython's whole regression suite, twice, an hour or more.
# test-timeout: 2400
set -u
. "$(dirname "$0")/lib/common.sh"
. "$LIB_DIR/tap.sh"
. "$SELFTESTS_DIR/programs/lib.sh"
. "$SELFTESTS_DIR/programs/jobs_short.sh"

mode=short only=
for arg; do
	case "$arg" in
	--short) mode=short ;;
	--full) mode=full ;;
	--python) mode=python ;;
	-*) die "unknown option $arg; usage: programs.sh [--short|--full|--python] [REGEX]" ;;
	*) only=$arg ;;
	esac
done

python_packages="libpython3.11-testsuite python3.11 python3.11-minimal libpython3.11-stdlib
	libpython3.11-minimal libpython3.11"
python_short="test_dict test_list test_tuple test_bytes test_gc test_json test_struct test_itertools
	test_collections test_re test_fork1"

short_programs() {
	# shellcheck disable=SC2086 # lists of words
	if unpack python $python_packages; then
		program "python3.11, its own tests, $(echo $python_short | wc -w) of them" \
			python_tests $python_short
	else
		skip_program "python3.11, its own tests" "$why"
	fi
	program "python3, a script" python_script
	program "git: commit, clone, gc, fsck, log, blame" git_job
	if command -v sqlite3 >/dev/null || { unpack sqlite sqlite3 && use_root; }; then
		program "sqlite3: a script" sqlite_job
	else
		skip_program "sqlite3" "$why"
	fi
	program "gcc: this library" gcc_job
	program "g++: templates, and the program it makes" gxx_job
	if unpack redis redis-server redis-tools; then
		program "redis-server: commands, rewrite, redis-benchmark" redis_job
	else
		skip_program "redis-server" "$why"
	fi
}

work=$(mktemp -d) || die "no temporary directory"
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
unset MAKEFLAGS MFLAGS MAKELEVEL LD_PRELOAD POOLALLOC
make_library
tap_start
. "$SELFTESTS_DIR/programs/jobs_full.sh"
case "$mode" in
short) short_programs ;;
full) short_programs && full_programs ;;
python) whole_python ;;
esac
tap_finish
