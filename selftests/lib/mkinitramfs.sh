#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# mkinitramfs.sh OUT [-b KVERDIR:KVER] [-k NAME]... [-f SRC[:DST]]...
#
# Writes an uncompressed cpio archive for a guest: busybox, the real kmod and timeout, lib/init.sh
# as /init, then
#   -f SRC[:DST]  this file at DST (default /test/BASENAME)
#   -b DIR:KVER   the unpacked kernel's root and version, for -k
#   -k NAME       a module of that kernel and what it depends on, so that modprobe NAME works
# The archive is made by an ordinary user: the guest's kernel brings /dev/console itself.
set -u
. "$(dirname "$0")/common.sh"

[ $# -ge 1 ] || die "usage: ${0##*/} OUT [-b DIR:KVER] [-k NAME]... [-f SRC[:DST]]..."
out=$1
shift

root=$(mktemp -d) || die "no temporary directory"
trap 'rm -rf "$root"' EXIT
base= kver=

# A program with the shared libraries it asks for.
add_program() {
	local path lib

	path=$(command -v "$1") || path=/usr/sbin/$1
	[ -x "$path" ] || die "needs $1 on this machine (lib/deps.sh kernel)"
	install -D "$(readlink -f "$path")" "$root$2" || die "cannot copy $path"
	ldd "$path" 2>/dev/null | sed -n 's|.*[[:space:]]\(/[^ ]*\) (0x.*|\1|p' | while read -r lib; do
		[ -e "$root$lib" ] || install -D "$(readlink -f "$lib")" "$root$lib"
	done
}

add_file() {
	local src=${1%%:*} dst=/test/

	case "$1" in *:*) dst=${1#*:} ;; esac
	case "$dst" in */) dst+=${src##*/} ;; esac
	[ -f "$src" ] || die "no such file: $src"
	mkdir -p "$root$(dirname "$dst")" && cp "$src" "$root$dst" || die "cannot copy $src"
	chmod --reference="$src" "$root$dst"
}

add_kernel_module() {
	local file

	[ -n "$base" ] || die "-k $1 needs -b before it"
	[ -f "$base/lib/modules/$kver/modules.dep.bin" ] || depmod -b "$base" "$kver" ||
		die "depmod failed for $kver"
	modprobe -d "$base" -S "$kver" --show-depends "$1" | sed -n 's/^insmod //p' |
	while read -r file _; do
		install -D "$file" "$root/${file#"$base"/}"
	done
	[ "${PIPESTATUS[0]}" = 0 ] || die "no module $1 in $kver"
}

mkdir -p "$root"/{bin,sbin,dev,proc,sys,tmp,test,etc,lib,run} || die "cannot write to $root"
[ -x /bin/busybox ] || die "needs busybox on this machine (lib/deps.sh kernel)"
add_program busybox /bin/busybox
# busybox's shell runs its own applets before it looks at PATH, so the guest's sh is dash.
add_program dash /bin/sh
add_program kmod /bin/kmod
add_program timeout /bin/timeout
# One process for four hundred links. It complains of, and keeps, what is there: sh and timeout. The
# links are to where busybox is on this machine.
/bin/busybox --install -s "$root/bin" 2>/dev/null
busybox=$(readlink "$root/bin/cat") || die "busybox --install does not work"
[ -e "$root$busybox" ] || { mkdir -p "$root$(dirname "$busybox")" &&
	ln -s /bin/busybox "$root$busybox"; } || die "cannot write to $root"
# busybox's insmod runs a failing init twice and its depmod writes no binary index: kmod's own.
for applet in insmod rmmod modprobe depmod modinfo lsmod; do
	rm -f "$root/bin/$applet"
	ln -s ../bin/kmod "$root/sbin/$applet"
done
install -m 755 "$LIB_DIR/init.sh" "$root/init"

while [ $# -gt 0 ]; do
	[ $# -ge 2 ] || die "option $1 needs a value"
	case "$1" in
	-b) base=${2%%:*}; kver=${2#*:} ;;
	-k) add_kernel_module "$2" || exit 1 ;;
	-f) add_file "$2" ;;
	*) die "unknown option $1" ;;
	esac
	shift 2
done
[ -n "$kver" ] && [ -d "$root/lib/modules/$kver" ] && {
	cp "$base/lib/modules/$kver"/modules.{order,builtin,builtin.modinfo} \
		"$root/lib/modules/$kver/" 2>/dev/null
	depmod -b "$root" "$kver" || die "depmod failed in the archive"
}

mkdir -p "$(dirname "$out")"
(cd "$root" && find . | LC_ALL=C sort | cpio -o -H newc --quiet -R 0:0) >"$out.$$" &&
	mv "$out.$$" "$out" || die "cannot write $out"
