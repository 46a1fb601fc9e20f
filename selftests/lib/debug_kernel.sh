#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# debug_kernel.sh kasan|kcsan: builds a small x86-64 kernel with the kernel's own checks from
# Debian's linux-source package, in build/kernels/6.1-kasan (6.1-kcsan), where lib/kernel.sh finds
# it. Takes ten CPU minutes the first time and nothing afterwards.
set -u
. "$(dirname "$0")/common.sh"

series=6.1
case "${1:-}" in
kasan|kcsan) kind=$1 ;;
*) die "usage: ${0##*/} kasan|kcsan" ;;
esac
dir=$POOLALLOC_BUILD/kernels/$series-$kind
objects=$dir/build
config=$SELFTESTS_DIR/debug-kernels

lock "$POOLALLOC_BUILD/kernels/.$series-$kind.lock"
stamp=$(cat "$config/common.config" "$config/$kind.config" "$0" | sha256sum)
[ "$(cat "$dir/stamp" 2>/dev/null)" = "$stamp" ] && [ -f "$dir/env" ] && exit 0

source=$("$LIB_DIR/source.sh" "$series" all) || exit 1
rm -rf "$dir" && mkdir -p "$objects" || die "cannot create $objects"

kmake() {
	# The compiler that make would take may be newer than what this kernel knows.
	make -C "$source" O="$objects" CC="${KERNEL_CC:-gcc}" KBUILD_BUILD_USER=poolalloc \
		KBUILD_BUILD_HOST=localhost -s "$@" </dev/null >>"$dir/log" 2>&1 || {
		tail -n 20 "$dir/log" >&2
		die "make $* failed in $objects"
	}
}

unset MAKEFLAGS MFLAGS MAKELEVEL ARCH CROSS_COMPILE V O
note "building a kernel with $kind (log: $dir/log)"
kmake tinyconfig
"$source/scripts/kconfig/merge_config.sh" -m -O "$objects" "$objects/.config" "$config/common.config" \
	"$config/$kind.config" >>"$dir/log" 2>&1 </dev/null || die "merging the configuration failed"
kmake olddefconfig
# What the fragments ask for and the kernel did not take would be a check that never runs.
while read -r line; do
	grep -qxF "$line" "$objects/.config" || {
		case "$line" in
		*=n) grep -q "^${line%=n}=" "$objects/.config" || continue ;;
		esac
		die "the kernel's configuration did not take $line"
	}
done < <(grep -h '^CONFIG_' "$config/common.config" "$config/$kind.config")
kmake -j"${JOBS:-$(nproc)}" bzImage modules
release=$(cat "$objects/include/config/kernel.release")
mkdir -p "$dir/lib/modules/$release" && : >"$dir/lib/modules/$release/modules.order" &&
	: >"$dir/lib/modules/$release/modules.builtin" || die "cannot write to $dir"
{
	echo "KVER=$release"
	echo "KDIR=$objects"
	echo "VMLINUZ=$objects/arch/x86/boot/bzImage"
	echo "MODULES=$dir/lib/modules/$release"
	echo "KCONFIG=$objects/.config"
} >"$dir/env"
echo "$stamp" >"$dir/stamp"
