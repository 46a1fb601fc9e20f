#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# kmod.sh [OPTION]... [MAKE ARGUMENT]...: builds poolalloc.ko outside the source directory, so that
# builds for several kernels live side by side. Prints the directory of the result.
#
#   --kernel VERSION   against build/kernels/VERSION (lib/kernel.sh)
#   --kdir DIR         against these headers or kernel build
#   --geometry G       seed (default) or modern
#   --out DIR          default build/kmod-VERSION-GEOMETRY
#   --tests            the test modules in selftests/modules, and kmod/examples, too
#
# The directory is a mirror of symbolic links to the sources: kmod-6.1-seed/{Kbuild,common,kmod,
# selftests/modules}. Warnings of the compiler are shown; MAKE ARGUMENTs are for instance W=1, C=2.
set -u
. "$(dirname "$0")/common.sh"

version= kdir= inside=() geometry=${GEOMETRY:-seed} out= tests=
while [ $# -gt 0 ]; do
	case "$1" in
	--tests) tests=1; shift; continue ;;
	--kernel|--kdir|--geometry|--out) [ $# -ge 2 ] || die "$1 needs a value" ;;
	*) break ;;
	esac
	case "$1" in
	--kernel) version=$2 ;;
	--kdir) kdir=$2 ;;
	--geometry) geometry=$2 ;;
	--out) out=$2 ;;
	esac
	shift 2
done

[ -f "$POOLALLOC_ROOT/Kbuild" ] || die "no Kbuild in $POOLALLOC_ROOT"
if [ -n "$version" ]; then
	settings=$("$LIB_DIR/kernel.sh" "$version") || exit 1
	eval "$settings"
	kdir=$KDIR
	[ -n "${CHROOT:-}" ] && inside=("$LIB_DIR/chroot.sh" "$CHROOT")
fi
[ ${#inside[@]} -gt 0 ] || {
	[ -f "$kdir/Makefile" ] || die "no kernel headers in '$kdir': give --kernel VERSION or --kdir DIR"
	# An absolute path: Kbuild changes directory.
	kdir=$(cd "$kdir" && pwd)
}
: "${out:=$POOLALLOC_BUILD/kmod-${version:-$(basename "$kdir")}-$geometry}"

mirror() {
	local part

	mkdir -p "$out/selftests" || die "cannot create $out"
	for part in Kbuild common kmod selftests/modules; do
		[ -e "$POOLALLOC_ROOT/$part" ] || continue
		cp -rsf -T "$POOLALLOC_ROOT/$part" "$out/$part" || die "cannot mirror $part into $out"
	done
	# What was renamed or removed in the sources, and links that the copy made to build output.
	find "$out" -xtype l -delete
	find "$out" -type l \( -name '*.o' -o -name '*.cmd' -o -name '*.ko' -o -name '*.mod*' \) -delete
}

kbuild() {
	local dir=$1

	shift
	"${inside[@]}" make -C "$kdir" M="$dir" GEOMETRY="$geometry" CONFIG_DEBUG_INFO_BTF_MODULES= \
		-j"$(nproc)" "$@" modules >"$dir/build.log" 2>&1 </dev/null || {
		cat "$dir/build.log" >&2
		die "building in $dir failed"
	}
	grep -E -A8 'warning:|WARNING:' "$dir/build.log" >&2
	return 0
}

# The kernel's own makefiles would take these for theirs.
unset MAKEFLAGS MFLAGS MAKELEVEL ARCH CROSS_COMPILE V O

lock "$POOLALLOC_BUILD/.$(basename "$out").lock"
mirror
# Kbuild does not rebuild when only a variable changes.
flags="$kdir $geometry $*"
[ "$(cat "$out/.flags" 2>/dev/null)" = "$flags" ] || {
	find "$out" -name '*.o' -delete
	echo "$flags" >"$out/.flags"
}
kbuild "$out" "$@"
[ -f "$out/poolalloc.ko" ] || die "no poolalloc.ko was built; see $out/build.log"
[ -n "$tests" ] && for part in selftests/modules kmod/examples; do
	[ -f "$out/$part/Kbuild" ] &&
		kbuild "$out/$part" KBUILD_EXTRA_SYMBOLS="$out/Module.symvers" "$@"
done
echo "$out"
