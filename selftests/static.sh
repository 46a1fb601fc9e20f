#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# What can be said about the sources without running them.
# test-timeout: 3600
set -u
. "$(dirname "$0")/lib/common.sh"
. "$LIB_DIR/tap.sh"

if [ ! -d "$POOLALLOC_ROOT/common" ] || ! git -C "$POOLALLOC_ROOT" rev-parse 2>/dev/null; then
	tap_skip_all "needs a git checkout of the project"
fi
cd "$POOLALLOC_ROOT" || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# Tracked files that are there (one that is being renamed may not be).
tracked() {
	git ls-files -- "$@" | while read -r file; do
		[ -f "$file" ] && echo "$file"
	done
}

# Succeeds when there is no output; prints it otherwise.
nothing() {
	local found

	found=$("$@")
	[ -z "$found" ] && return 0
	printf '%s\n' "$found"
	return 1
}

layout() {
	git ls-files | cut -d/ -f1 | sort -u |
		grep -vxE 'kmod|userspace|common|selftests|Kbuild|Makefile|README\.md|COPYING|\..*'
}

build_output() {
	tracked | grep -E '\.(o|ko|a|so|so\..*|cmd|mod|mod\.c|order|symvers|d|log)$|^build/'
}

# The first line, or the second after #!; data files that cannot hold a comment are named here.
spdx() {
	local file

	tracked | grep -vE '^COPYING$|\.(md|gitignore)$|selftests/(config|settings)$|\.(txt|bin|trace|json)$' |
	while read -r file; do
		head -n 2 "$file" | grep -q 'SPDX-License-Identifier:' || echo "$file: no SPDX line"
	done
}

licences() {
	tracked kmod Kbuild 'selftests/modules/*.[ch]' | grep -vE '\.(md|conf)$' | while read -r file; do
		head -n 2 "$file" | grep -qE 'SPDX-License-Identifier: GPL-2.0-only( \*/)?$' ||
			echo "$file: not GPL-2.0-only"
	done
	tracked 'common/*.[ch]' 'userspace/*.[ch]' | while read -r file; do
		head -n 1 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0-only OR MIT' ||
			echo "$file: not GPL-2.0-only OR MIT"
	done
}

# Absolute paths of one machine, and servers that packages come from, do not belong in a repository.
no_machine() {
	tracked | grep -v '^COPYING$' |
		xargs -r grep -nE '(^|[^A-Za-z0-9_.$}"-])/(work|home/[a-z]+|root)/|[a-z]+\.debian\.org' /dev/null |
		grep -v '^selftests/static.sh:'
}

# common/ is compiled in both worlds: neither world's headers, nor a test for which one it is.
common_is_pure() {
	tracked 'common/*.[ch]' | xargs -r grep -nE '#[[:space:]]*include[[:space:]]*<|__KERNEL__|LINUX_VERSION_CODE' /dev/null
}

# Ignored, with reasons:
# everywhere: nothing.
# common/, userspace/, selftests/*.[ch]: what asks for a macro or a type of the kernel's own headers.
# userspace/, selftests/*.[ch] also: CAMELCASE (PRIu64, _Noreturn), VOLATILE (benchmarks and signal
#	handlers), EMBEDDED_FUNCTION_NAME (usage texts), NEW_TYPEDEFS (the public API's callbacks),
#	AVOID_EXTERNS (environ), SPLIT_STRING (usage texts), COMPLEX_MACRO (lists of attributes),
#	USE_NEGATIVE_ERRNO (posix_memalign returns positive ones), FUNCTION_ARGUMENTS and SPACING
#	(it takes attributes and casts to function pointers for something else), MACRO_ARG_REUSE,
#	MACRO_ARG_PRECEDENCE and MACRO_WITH_FLOW_CONTROL (macros that define functions),
#	CONSTANT_COMPARISON (static_assert of two constants), MULTIPLE_ASSIGNMENTS, REPEATED_WORD.
# */pa_platform.h, where the names of the contract are defined: COMPLEX_MACRO, NEW_TYPEDEFS, and
#	MEMORY_BARRIER (a definition of a barrier is not a use), SPACING (%l[label] in asm goto).
# kmod/compat/: testing the kernel's version is what it is for.
shared_ignores=BIT_MACRO,PREFER_KERNEL_TYPES,PREFER_DEFINED_ATTRIBUTE_MACRO,ARRAY_SIZE
user_ignores=$shared_ignores,CAMELCASE,VOLATILE,EMBEDDED_FUNCTION_NAME,NEW_TYPEDEFS,AVOID_EXTERNS,SPLIT_STRING,COMPLEX_MACRO
user_ignores=$user_ignores,USE_NEGATIVE_ERRNO,FUNCTION_ARGUMENTS,SPACING,MACRO_ARG_REUSE,MACRO_ARG_PRECEDENCE
user_ignores=$user_ignores,LINE_SPACING,MACRO_WITH_FLOW_CONTROL,CONSTANT_COMPARISON,MULTIPLE_ASSIGNMENTS,REPEATED_WORD
platform_ignores=COMPLEX_MACRO,NEW_TYPEDEFS,MEMORY_BARRIER,SPACING
# kmod/, selftests/modules/: MACRO_ARG_REUSE (loops around a call, written once per allocator), VOLATILE (a
#	constant that the compiler must not see).
module_ignores=MACRO_ARG_REUSE,VOLATILE
compat_ignores=LINUX_VERSION_CODE,CONSTANT_COMPARISON

checkpatch_on() {
	local ignores=$1

	shift
	[ $# -gt 0 ] || return 0
	# From elsewhere: it leaves a cache file in a git checkout.
	(cd "$work" && perl "$scripts/checkpatch.pl" --no-tree --max-line-length="${max_line:-100}" --strict --terse --no-summary \
		--show-types ${ignores:+--ignore "$ignores"} -f "${@/#/$POOLALLOC_ROOT/}" 2>&1) |
		grep -E ': (ERROR|WARNING|CHECK):' | sed "s|^$POOLALLOC_ROOT/||"
}

checkpatch() {
	local files

	mapfile -t files < <(tracked 'common/*.[ch]')
	checkpatch_on "$shared_ignores" "${files[@]}"
	mapfile -t files < <(tracked 'kmod/*.[ch]' 'selftests/modules/*.[ch]' | grep -vE '^kmod/(compat/|pa_platform)')
	checkpatch_on "$module_ignores" "${files[@]}"
	mapfile -t files < <(tracked 'kmod/compat/*.[ch]')
	checkpatch_on "$compat_ignores" "${files[@]}"
	mapfile -t files < <(tracked kmod/pa_platform.h)
	checkpatch_on "$platform_ignores" "${files[@]}"
	mapfile -t files < <(tracked userspace/pa_platform.h)
	checkpatch_on "$platform_ignores,$user_ignores" "${files[@]}"
	mapfile -t files < <(tracked 'userspace/*.[ch]' 'selftests/*.[ch]' |
		grep -vE '^selftests/modules/|^userspace/pa_platform.h')
	max_line=112 checkpatch_on "$user_ignores" "${files[@]}"
}

# Kbuild and sparse write warnings and go on: none may remain.
module_is_clean() {
	local version=$1 geometry=$2 out=$work/kmod-$1-$2

	"$LIB_DIR/kmod.sh" --kernel "$version" --geometry "$geometry" --out "$out" --tests W=1 C=2 \
		CF="-Wsparse-error" >"$work/log" 2>&1 || { cat "$work/log"; return 1; }
	nothing grep -rhE -A4 --include=build.log 'warning:|WARNING:|error:' "$out"
}

library_is_clean() {
	local cc=$1 geometry=$2 out=$work/lib-$1-$2

	mkdir -p "$out"
	make --no-print-directory -C userspace O="$out" CC="$cc" GEOMETRY="$geometry" \
		EXTRA_CFLAGS="-Wall -Wextra -Werror" all >"$work/log" 2>&1 </dev/null ||
		{ tail -n 40 "$work/log"; return 1; }
	nothing grep -E -A4 'warning:' "$work/log"
}

shell_is_clean() {
	# SC1091: it does not follow what is sourced by a variable; SC2154, SC2034: set or used there.
	# SC1007: "local a= b=" is how an empty string is written here.
	local options="-S warning -e SC1007,SC1091,SC2154,SC2034 -f gcc" status=0

	# shellcheck disable=SC2086 # words
	tracked '*.sh' .ci/run | grep -v '^selftests/guest/' | xargs shellcheck $options || status=1
	# Guest scripts are run by dash and have no first line of their own for that.
	# shellcheck disable=SC2086
	tracked 'selftests/guest/*.sh' | xargs -r shellcheck -s dash $options || status=1
	return "$status"
}

unset MAKEFLAGS MFLAGS MAKELEVEL
tap_start
tap_run "the top level is the documented one" nothing layout
tap_run "no build output is tracked" nothing build_output
tap_run "an SPDX line in every file" nothing spdx
tap_run "the licences of each part" nothing licences
tap_run "no path or server of one machine" nothing no_machine
tap_run "common/ includes neither world's headers" nothing common_is_pure
if command -v shellcheck >/dev/null; then
	tap_run "shellcheck" shell_is_clean
else
	tap_skip "shellcheck" "not installed"
fi

if scripts=$("$LIB_DIR/source.sh" 6.1 scripts)/scripts; then
	tap_run "checkpatch --strict" nothing checkpatch
else
	tap_skip "checkpatch --strict" "no linux-source-6.1"
fi

for geometry in seed modern; do
	for version in 6.1 6.12; do
		if [ ! -f Kbuild ]; then
			tap_skip "module, $version, $geometry: W=1 and sparse" "no Kbuild"
		elif ! command -v sparse >/dev/null; then
			tap_skip "module, $version, $geometry: W=1 and sparse" "no sparse"
		else
			tap_run "module, $version, $geometry: W=1 and sparse" \
				module_is_clean "$version" "$geometry"
		fi
	done
	for cc in gcc clang; do
		if [ ! -f userspace/Makefile ] || ! command -v "$cc" >/dev/null; then
			tap_skip "library, $cc, $geometry: -Wall -Wextra -Werror" "no $cc or no Makefile"
		else
			tap_run "library, $cc, $geometry: -Wall -Wextra -Werror" \
				library_is_clean "$cc" "$geometry"
		fi
	done
done
tap_finish
