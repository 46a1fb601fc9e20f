#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# libpoolalloc-python.so: scripts, and some of CPython's own tests, with each choice of domains;
# what overrides it; programs that are not Python.
# test-timeout: 2400
# test-kselftest: no
set -u
. "$(dirname "$0")/lib/common.sh"
. "$LIB_DIR/tap.sh"
. "$SELFTESTS_DIR/programs/lib.sh"

[ -d "$POOLALLOC_ROOT/userspace/python" ] || tap_skip_all "needs the project's checkout: give POOLALLOC_ROOT=DIR"
python=${PYTHON:-/usr/bin/python3}
[ -x "$python" ] || tap_skip_all "no $python: apt-get install python3"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
unset MAKEFLAGS MFLAGS MAKELEVEL LD_PRELOAD POOLALLOC PYTHONMALLOC PYTHONDEVMODE POOLALLOC_PYTHON
export PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
shim=$work/lib/libpoolalloc-python.so
packages="libpython3.11-testsuite python3.11 python3.11-minimal libpython3.11-stdlib
	libpython3.11-minimal libpython3.11-dev"
suite="test_dict test_list test_tuple test_gc test_json test_struct test_itertools test_collections
	test_decimal test_tracemalloc test_fork1 test_memoryio test_unicode"

build() {
	make --no-print-directory -C "$POOLALLOC_ROOT/userspace" O="$work/lib" CC="${CC:-gcc}" \
		"$shim" "$work/lib/libpoolalloc-malloc.so"
}

# shimmed WORDS COMMAND...
shimmed() {
	local words=$1

	shift
	env LD_PRELOAD="$shim" ${words:+POOLALLOC_PYTHON=$words} "$@"
}

script() {
	cat <<-'END'
	import collections, gc, json, os, re, subprocess, sys, threading
	def work(seed):
	    data = [{"id": i, "name": "row %d" % (i * seed), "value": i * 0.5} for i in range(20000)]
	    back = json.loads(json.dumps(data))
	    assert back == data
	    count = collections.Counter(re.findall(r"[0-9]", " ".join(d["name"] for d in back)))
	    return sorted(count.items())
	results = [None] * 4
	def run(i):
	    results[i] = work(i + 1)
	threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
	for t in threads: t.start()
	for t in threads: t.join()
	print(results)
	big = bytearray(1)
	for i in range(24): big += bytes(big)
	print(len(big))
	pid = os.fork()
	if not pid:
	    work(5)
	    os._exit(7)
	print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
	print(subprocess.run([sys.executable, "-c", "print(sum(range(1000)))"], capture_output=True).stdout)
	del big; gc.collect()
	END
}

# The same output as without the shim, and poolalloc was in use as VERBOSE says.
same_output() {
	local words=$1 lines=$2

	shimmed "verbose,$words" "$python" "$work/script.py" >"$work/out" 2>"$work/err" &&
		cmp "$work/plain" "$work/out" &&
		[ "$(grep -c "poolalloc's$" "$work/err")" = "$lines" ] && return 0
	cat "$work/err"
	return 1
}

# The bytes that each of a million floats takes. ctypes would show the statistics, but it is one of the modules
# that need the alignment to 16.
floats() {
	shimmed "$1" "$python" -S -c '
def resident():
    return int(open("/proc/self/statm").read().split()[1])
keep = [None] * 1000000
before = resident()
for i in range(1000000):
    keep[i] = i * 0.5
print(8 * round((resident() - before) * 4096 / 1000000 / 8))
'
}

# Floats have 24 bytes: 32 when aligned to 16.
size_of_float() {
	local got

	got=$(floats "$1")
	[ "$got" = "$2" ] || { echo "$got bytes, not $2"; return 1; }
}

huge_arenas() {
	shimmed arenas "$python" -c '
keep = [i * 0.5 for i in range(2000000)]
text = open("/proc/self/smaps").read()
flags = [l for l in text.splitlines() if l.startswith("VmFlags")]
print("hg" if any(" hg" in l for l in flags) else "none")
sizes = len([l for l in text.splitlines() if l.startswith("Size:")])
del keep
keep = [str(i) for i in range(1000000)]
' >"$work/out" && grep -qx hg "$work/out" && return 0
	# A kernel without huge pages refuses the advice.
	[ ! -e /sys/kernel/mm/transparent_hugepage ] && grep -qx none "$work/out" && return 0
	cat "$work/out"
	return 1
}

# The memory of a heap of arenas goes back.
arenas_go_back() {
	shimmed arenas "$python" -c '
import gc
def rss(): return int(open("/proc/self/statm").read().split()[1]) * 4096
start = rss()
keep = [[i] for i in range(1500000)]
peak = rss() - start
del keep; gc.collect()
left = rss() - start
print(start, peak, left)
assert peak > 100e6 and left < peak / 4
'
}

# overridden WHAT WORDS COMMAND...: it says so, in one line, and the program runs all the same.
overridden() {
	local what=$1 words=$2

	shift 2
	shimmed "$words" "$@" >"$work/out" 2>"$work/err" && grep -qx fine "$work/out" &&
		[ "$(cat "$work/err")" = "poolalloc: python: $what chooses Python's allocators: poolalloc is not used" ] &&
		return 0
	cat "$work/err"
	return 1
}

# installed LINES WORDS COMMAND...
installed() {
	local lines=$1 words=$2

	shift 2
	shimmed "verbose,$words" "$@" >"$work/out" 2>"$work/err" && grep -qx fine "$work/out" &&
		[ "$(grep -c "poolalloc's$" "$work/err")" = "$lines" ] &&
		[ "$(wc -l <"$work/err")" = "$lines" ] && return 0
	cat "$work/err"
	return 1
}

overrides() {
	local fine='print("fine")'

	overridden PYTHONMALLOC "" env PYTHONMALLOC=malloc "$python" -c "$fine" &&
		overridden PYTHONMALLOC raw env PYTHONMALLOC=debug "$python" -c "$fine" &&
		overridden PYTHONMALLOC raw,arenas env PYTHONMALLOC=default "$python" -c "$fine" &&
		overridden PYTHONMALLOC arenas env PYTHONMALLOC=malloc_debug "$python" -c "$fine" &&
		overridden "-X dev" "" "$python" -X dev -c "$fine" &&
		overridden "-X dev" "" "$python" -BXdev -c "$fine" &&
		overridden "-X dev" raw,mem,obj "$python" -W ignore -Bs -X utf8 -X dev -c "$fine" &&
		overridden PYTHONDEVMODE "" env PYTHONDEVMODE=1 "$python" -c "$fine"
}

no_overrides() {
	local fine='print("fine")'

	installed 2 mem,obj env PYTHONMALLOC=debug "$python" -I -c "$fine" &&
		installed 2 mem,obj env PYTHONMALLOC=malloc "$python" -BE -c "$fine" &&
		installed 2 mem,obj "$python" -c "$fine" -X dev &&
		installed 2 align8 "$python" -c "$fine" && installed 1 obj "$python" -c "$fine" &&
		installed 2 mem,obj "$python" "$work/fine.py" -X dev &&
		installed 1 arenas env PYTHONMALLOC=pymalloc_debug "$python" -c "$fine" &&
		installed 1 arenas "$python" -X dev -c "$fine" &&
		installed 3 raw,mem,obj "$python" -X tracemalloc -c "$fine"
}

mistakes() {
	shimmed "mem,object" "$python" -c 'print("fine")' >"$work/out" 2>"$work/err" &&
		grep -qx fine "$work/out" && [ "$(wc -l <"$work/err")" = 1 ] &&
		grep -q "known are raw, mem, obj" "$work/err" &&
		shimmed "obj,arenas" "$python" -c 'print("fine")' >"$work/out" 2>"$work/err" &&
		[ "$(wc -l <"$work/err")" = 1 ] && grep -q "give one of them" "$work/err"
}

not_python() {
	[ "$(shimmed verbose sh -c 'echo fine; ls / >/dev/null' 2>&1)" = fine ]
}

memory_error() {
	POOLALLOC=limit=64M shimmed raw,mem,obj "$python" -c '
try:
    keep = [bytes(1000) for i in range(1000000)]
except MemoryError:
    keep = None
    print("fine", len([bytes(1000) for i in range(1000)]))
' | grep -qx 'fine 1000'
}

# With both preloaded there is one heap: the other library's stays empty.
one_heap() {
	LD_PRELOAD="$work/lib/libpoolalloc-malloc.so $shim" POOLALLOC=stats=exit "$python" -c 'pass' \
		2>"$work/err" >/dev/null && [ "$(grep -c '^live_blocks [1-9]' "$work/err")" = 1 ] &&
		[ "$(grep -c '^arenas 0 peak 0$' "$work/err")" = 1 ]
}

declarations() {
	cat >"$work/same.c" <<-'END'
	#include <Python.h>
	#include "shim.h"
	#define SAME(a, b, f) _Static_assert(offsetof(a, f) == offsetof(b, f) && \
		__builtin_types_compatible_p(__typeof__(((a *)0)->f), __typeof__(((b *)0)->f)), #f)
	SAME(PyMemAllocatorEx, struct shim_allocator, ctx);
	SAME(PyMemAllocatorEx, struct shim_allocator, malloc);
	SAME(PyMemAllocatorEx, struct shim_allocator, calloc);
	SAME(PyMemAllocatorEx, struct shim_allocator, realloc);
	SAME(PyMemAllocatorEx, struct shim_allocator, free);
	SAME(PyObjectArenaAllocator, struct shim_arena_allocator, ctx);
	SAME(PyObjectArenaAllocator, struct shim_arena_allocator, alloc);
	SAME(PyObjectArenaAllocator, struct shim_arena_allocator, free);
	_Static_assert(PYMEM_DOMAIN_RAW == (int)SHIM_RAW && PYMEM_DOMAIN_MEM == (int)SHIM_MEM &&
		PYMEM_DOMAIN_OBJ == (int)SHIM_OBJ, "domains");
	END
	gcc -fsyntax-only -I"$root/usr/include/python3.11" -I"$root/usr/include" \
		-I"$POOLALLOC_ROOT/userspace/python" "$work/same.c"
}

cpython_tests() {
	(
		use_root
		cd "$work" || exit 1
		# shellcheck disable=SC2086 # a list of words
		shimmed "$1" "$root/usr/bin/python3.11" -m test -j2 --timeout 900 $suite >"$work/log" 2>&1
	) && grep -qE '^(Tests result: SUCCESS|== Tests result: SUCCESS ==)$' "$work/log" && return 0
	tail -n 40 "$work/log"
	return 1
}

tap_start
tap_run "the shim builds" build
script >"$work/script.py"
echo 'print("fine")' >"$work/fine.py"
"$python" "$work/script.py" >"$work/plain"
tap_run "mem and obj: a script's output" same_output mem,obj 2
tap_run "raw, mem and obj" same_output raw,mem,obj 3
tap_run "raw alone" same_output raw 1
tap_run "mem and obj aligned to 8" same_output mem,obj,align8 2
tap_run "arenas" same_output arenas 1
tap_run "arenas and raw" same_output arenas,raw 2
tap_run "a float takes 32 bytes" size_of_float obj,mem 32
tap_run "a float takes 24 bytes with align8" size_of_float obj,mem,align8 24
tap_run "arenas: huge pages are asked for" huge_arenas
tap_run "arenas go back" arenas_go_back
tap_run "PYTHONMALLOC and -X dev: said, not fought" overrides
tap_run "what does not override" no_overrides
tap_run "mistakes in POOLALLOC_PYTHON" mistakes
tap_run "programs that are not Python" not_python
tap_run "MemoryError at the limit" memory_error
tap_run "one heap with the malloc library" one_heap
# shellcheck disable=SC2086
if (lock "$POOLALLOC_BUILD/.python-shim.lock"; unpack python-shim $packages) &&
	root=$programs/python-shim; then
	tap_run "declarations as in Python.h" declarations
	for words in mem,obj raw,mem,obj,align8 arenas; do
		tap_run "CPython's own tests: $words" cpython_tests "$words"
	done
else
	tap_skip "CPython's own tests" "libpython3.11-testsuite cannot be downloaded"
fi
tap_finish
