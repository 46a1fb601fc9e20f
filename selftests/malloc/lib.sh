# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Sourced by the malloc_*.sh tests: builds the library and the programs of this directory, runs a
# program with glibc's malloc, preloaded, or statically linked, and passes its TAP on.
# shellcheck shell=bash

malloc_dir=$SELFTESTS_DIR/malloc
malloc_build=$POOLALLOC_BUILD/selftests/malloc
malloc_cflags="-std=gnu11 -g -O1 -fno-builtin -Wall -Wextra -Werror
	-Wno-use-after-free -Wno-deprecated-declarations -D_GNU_SOURCE -pthread
	-I$SELFTESTS_DIR -I$POOLALLOC_ROOT/userspace/include"
unset MAKEFLAGS MFLAGS MAKELEVEL LD_PRELOAD POOLALLOC
geometry=seed

# Where the library of the chosen geometry is.
lib() {
	echo "$malloc_build/$geometry/$1"
}

# make_library [GEOMETRY]: chooses it, and builds its library once for all tests.
make_library() {
	geometry=${1:-seed}
	mkdir -p "$(lib .)"
	(
		lock "$(lib .lock)"
		make --no-print-directory -C "$POOLALLOC_ROOT/userspace" O="$(lib .)" GEOMETRY="$geometry" \
			"$(lib ./libpoolalloc-malloc.so)" "$(lib ./libpoolalloc-malloc.a)" \
			"$(lib ./poolalloc)" >"$(lib build.log)" 2>&1 </dev/null
	) || { cat "$(lib build.log)"; die "the library does not build"; }
}

# compile OUT SOURCE [FLAG...]: a program of this directory, in $work.
compile() {
	local out=$1 source=$2

	shift 2
	# shellcheck disable=SC2086 # lists of words
	case "$source" in
	*.cc) g++ -std=c++17 -g -O1 -fno-builtin -Wall -Wextra -pthread -I"$SELFTESTS_DIR" \
		-o "$work/$out" "$malloc_dir/$source" "$@" ;;
	*) gcc $malloc_cflags -o "$work/$out" "$malloc_dir/$source" "$@" ;;
	esac || die "$source does not compile"
}

# compile_static OUT SOURCE [FLAG...]: linked with the archive, everything static.
compile_static() {
	compile "$@" -static "$(lib libpoolalloc-malloc.a)" -lurcu-bp -lurcu-common
}

# preload [KEY=VALUE,...] COMMAND...: runs it on the library; "" for no options.
preload() {
	local options=$1

	shift
	LD_PRELOAD=$(lib libpoolalloc-malloc.so) POOLALLOC=$options "$@"
}

# pass_on LABEL COMMAND...: its TAP results become ours, with the label; so does its exit status.
pass_on() {
	local label=$1 status line bad=0 seen=0

	shift
	"$@" >"$work/out" 2>&1 </dev/null
	status=$?
	while IFS= read -r line; do
		case "$line" in
		"ok "*" # SKIP"*) seen=1; tap_skip "[$label] $(echo "${line#ok }" | sed 's/^[0-9]* //; s/ # SKIP.*//')" "" ;;
		"ok "*) seen=1; tap_ok 0 "[$label] $(echo "${line#ok }" | sed 's/^[0-9]* //')" ;;
		"not ok "*) seen=1 bad=1; tap_ok 1 "[$label] $(echo "${line#not ok }" | sed 's/^[0-9]* //')" ;;
		"# "*) echo "$line" ;;
		"1.."*|"TAP version"*) ;;
		*) echo "# $line" ;;
		esac
	done <"$work/out"
	if [ "$status" != 0 ] && [ "$bad" = 0 ] || [ "$seen" = 0 ]; then
		tap_ok 1 "[$label] ended with status $status"
	fi
}

work=$(mktemp -d) || die "no temporary directory"
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
