#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# What README.md says: its programs are compiled and run, its commands are run, what it shows is
# what comes out; the contract that common/README.md lists is the one that common/ uses.
# test-timeout: 2400
# test-kselftest: no
#
# README.md's blocks are told apart by the words behind ```: LANGUAGE FILE is a file, sh is run in
# the top directory, "sh refused" must fail, "sh module" builds a module, console runs in a guest.
set -u
. "$(dirname "$0")/lib/common.sh"
. "$LIB_DIR/tap.sh"

readme=$POOLALLOC_ROOT/README.md
[ -f "$readme" ] || tap_skip_all "needs the project's checkout: give POOLALLOC_ROOT=DIR"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
unset MAKEFLAGS MFLAGS MAKELEVEL LD_PRELOAD POOLALLOC
kernel=6.1
top=$work/top

# block N 'WORDS': the n-th block that begins with these words.
block() {
	awk -v n="$1" -v words="\`\`\`$2" '$0 == words { at = ++i == n; next } /^```/ { at = 0 }
		at { print; found = 1 } END { exit !found }' "$readme"
}

# A copy of the top directory, made of links, with a library of its own.
copy_top() {
	mkdir -p "$top/userspace" && ln -s "$POOLALLOC_ROOT"/{COPYING,common,kmod} "$top" &&
		ln -s "$POOLALLOC_ROOT"/userspace/include "$top/userspace" &&
		make --no-print-directory -C "$POOLALLOC_ROOT/userspace" O="$top/userspace" CC="${CC:-gcc}"
}

# The files that README.md contains, where it says.
extract() {
	local words file found=

	while read -r words; do
		file=$top/${words#* }
		mkdir -p "$(dirname "$file")" && block 1 "$words" >"$file" || return 1
		found+=" ${words#* }"
	done < <(sed -nE 's/^```((c|make) .*)/\1/p' "$readme")
	[ "$found" = " example/Kbuild example/example.c words.c" ] || { echo "found:$found"; return 1; }
}

run_block() {
	block "$1" sh >"$work/script" && (cd "$top" && CC=gcc bash -e -u "$work/script") 2>&1
}

words_example() {
	run_block 1 >"$work/out" && grep -q '^live_blocks 4$' "$work/out" &&
		grep -q '^identity .* ok$' "$work/out" && return 0
	cat "$work/out"
	return 1
}

words_warnings() {
	gcc -std=c99 -Wall -Wextra -Wpedantic -Werror -I"$top/userspace/include" -c -o "$work/w.o" "$top/words.c" &&
		clang -std=c99 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror \
			-I"$top/userspace/include" -c -o "$work/w.o" "$top/words.c"
}

preload_example() {
	run_block 2 >"$work/out" && grep -q '^poolalloc - version: 1$' "$work/out" &&
		[ "$(grep -c 'GNU GENERAL' "$work/out")" = $((2 * $(grep -c 'GNU GENERAL' "$top/COPYING"))) ] && return 0
	cat "$work/out"
	return 1
}

refused_example() {
	block 1 'sh refused' >"$work/script" || return 1
	(cd "$top" && bash -e -u "$work/script") >"$work/out" 2>&1
	[ $? = 2 ] && [ "$(wc -l <"$work/out")" = 1 ] && grep -q "'soon'" "$work/out" && return 0
	cat "$work/out"
	return 1
}

trace_example() {
	run_block 3 >"$work/out" && grep -q '^peak live blocks' "$work/out" && return 0
	cat "$work/out"
	return 1
}

# The keys of the table are those that the library knows.
keys() {
	sed -n '/^| key /,/^$/p' "$readme" | sed -n 's/^| `\([a-z_]*\).*/\1/p' | sort >"$work/told"
	"$top/userspace/poolalloc" nonsense=1 -- true 2>&1 |
		sed -n 's/.*known are //p' | tr -d ' ' | tr , '\n' | sort >"$work/known"
	[ -s "$work/known" ] && diff "$work/told" "$work/known"
}

module_example() {
	local dir

	dir=$("$LIB_DIR/kmod.sh" --kernel "$kernel" --geometry seed) &&
		cp "$dir/poolalloc.ko" "$dir/Module.symvers" "$top" || return 1
	eval "$("$LIB_DIR/kernel.sh" "$kernel")"
	block 1 'sh module' >"$work/script" &&
		(cd "$top" && KDIR=$KDIR CONFIG_DEBUG_INFO_BTF_MODULES='' bash -e -u "$work/script")
}

# Parameters that are told, and no bad ones.
parameters() {
	local name

	sed -n '/^| parameter /,/^$/p' "$readme" | sed -n 's/^| `\([a-z_]*\)` .*/\1/p' >"$work/told"
	[ -s "$work/told" ] || return 1
	while read -r name; do
		modinfo -F parm "$top/poolalloc.ko" | grep -q "^$name:" || { echo "no $name"; return 1; }
	done <"$work/told"
}

# Runs the walk-through; while the example is loaded, poolalloc may not go.
guest() {
	block 1 console | sed -n 's/^# //p' >"$work/commands" && [ -s "$work/commands" ] &&
		sed -i -e '/^rmmod example/i ! rmmod poolalloc 2>&1' \
			-e '/proc.poolalloc/{i echo @report
a echo @end
}' "$work/commands" && sed -i '1i set -e; mkdir -p example; mv example.ko example' "$work/commands" &&
	"$LIB_DIR/qemu.sh" --kernel "$kernel" --file "$top/poolalloc.ko" --file "$top/example/example.ko" \
		--file "$work/commands" -- sh ./commands >"$work/out" ||
		{ cat "$work/out"; return 1; }
}

# The report that is shown, but for which CPU ran insmod.
report() {
	awk '/^@report/ { at = 1; next } /^@end/ { at = 0 } at' "$work/out" >"$work/report"
	block 1 report >"$work/told"
	diff <(grep -v ^slot "$work/told") <(grep -v ^slot "$work/report") &&
		diff <(awk '/^slot/ { $2 = $NF = ""; print }' "$work/told" | sort) \
			<(awk '/^slot/ { $2 = $NF = ""; print }' "$work/report" | sort)
}

# Names that both worlds' pa_platform.h define, or whose functions common/ calls, are in the table.
contract_told() {
	local name bad=0

	# shellcheck disable=SC2046
	for name in $(cat "$POOLALLOC_ROOT"/kmod/pa_{platform,cpu}.h | names |
			grep -Fxf <(cat "$POOLALLOC_ROOT"/userspace/pa_{platform,thread}.h | names) |
			grep -Fxf <(cat "$POOLALLOC_ROOT"/common/*.[ch] | names)); do
		told "$name" || { echo "not in common/README.md: $name"; bad=1; }
	done
	return $bad
}

names() {
	sed 's,/\*.*\*/,,; /^ *\*/d; /^\/\*/d' | grep -oE '\b(__)?(pa|PA)_[A-Za-z0-9_]+' |
		grep -vE '^PA_(PLATFORM|THREAD|CPU|BINS)_?|^pa_(cpu|thread|bins|node|slot|arena)$' | sort -u
}

# As such, or by its last word behind the first name of its family: `pa_trace_refill()` `_drain()`.
told() {
	local doc=$POOLALLOC_ROOT/common/README.md

	grep -qE "\b$1\b" "$doc" || grep -E "\`${1%_*}_[a-z_]+\(\)\`.*\`_${1##*_}\(\)\`" "$doc" >/dev/null ||
		grep -E "\`${1%_*_*}_[a-z_]+\(\)\`.*\`_${1#"${1%_*_*}"_}\(\)\`" "$doc" >/dev/null
}

# Every rule that a comment of the core names is there.
rules_told() {
	local rule

	for rule in $(grep -ohE '\bR[0-9]\b' "$POOLALLOC_ROOT"/common/*.[ch] | sort -u); do
		grep -q "^$rule\. " "$POOLALLOC_ROOT/common/README.md" || { echo "no $rule"; return 1; }
	done
}

# Links inside the repository lead somewhere.
links() {
	local doc target bad=0

	while IFS=: read -r doc target; do
		[ -e "$(dirname "$doc")/$target" ] || { echo "$doc: no $target"; bad=1; }
	done < <(cd "$POOLALLOC_ROOT" && grep -oE '\]\([^)#:]+\)' ./*.md ./*/*.md ./*/*/*.md |
		sed "s|:](|:|; s|)\$||; s|^|$POOLALLOC_ROOT/|")
	return $bad
}

tap_start
tap_run "the library builds" copy_top
tap_run "the programs are extracted" extract
tap_run "linking: the example runs" words_example
tap_run "linking: no warnings" words_warnings
tap_run "preloading" preload_example
tap_run "a bad value is refused" refused_example
tap_run "the table of keys" keys
tap_run "poolalloc-trace" trace_example
tap_run "a module that uses poolalloc builds" module_example
tap_run "the table of parameters" parameters
tap_run "insmod and /proc/poolalloc, Linux $kernel" guest
tap_run "the report looks as shown" report
tap_run "the contract in common/README.md" contract_told
tap_run "the rules in common/README.md" rules_told
tap_run "links" links
tap_finish
