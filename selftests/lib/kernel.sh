#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# kernel.sh VERSION: Debian's newest amd64 kernel of that series (6.1, 6.12, 6.1-rt, 6.12-rt), its
# modules and its headers, downloaded and unpacked under build/kernels/VERSION. Nothing is
# installed. Prints shell assignments: KVER, KDIR, VMLINUZ, MODULES, KCONFIG.
#
# VERSION may also be sid or sid-rt, the newest kernel in Debian: its headers need a newer compiler and
# C library than this machine's, so they are installed in a chroot (lib/chroot.sh), and CHROOT says
# that KDIR is in there.
#
# kernel.sh --headers VERSION: the headers only (KVER and KDIR).
# A kernel that somebody else prepared is used as it is when build/kernels/VERSION/env exists.
set -u
. "$(dirname "$0")/common.sh"

headers_only=
[ "${1:-}" = --headers ] && { headers_only=1; shift; }
[ $# = 1 ] || die "usage: ${0##*/} [--headers] VERSION, for instance 6.1, 6.12 or sid"
version=$1
dir=$POOLALLOC_BUILD/kernels/$version

case "$version" in
*/*|*\ *|.*|'') die "bad kernel version '$version'" ;;
*-rt)	series=${version%-rt}; flavour=rt-amd64 ;;
*)	series=$version; flavour=amd64 ;;
esac
suite=
[ "$series" = sid ] && suite=sid

# The meta-package's name: linux-image-6.12-amd64, or linux-image-amd64 for a release's own kernel.
meta_of() {
	local name

	for name in "linux-$1-$series-$flavour" "linux-$1-$flavour"; do
		case "$(apt_field "$name" Version)" in
		"$series".*) echo "$name"; return 0 ;;
		esac
	done
	return 1
}

# The versioned package that a meta-package stands for.
package_of() {
	local meta

	meta=$(meta_of "$1") || return 1
	apt_field "$meta" Depends | tr ',|' '\n\n' | sed -n "s/^ *\(linux-$1-[^ ]*\).*/\1/p" | head -n 1
}

# Of the headers package: -common and kbuild, by its own dependencies.
companions_of() {
	apt_field "$1" Depends | tr ',|' '\n\n' |
		sed -n 's/^ *\(linux-headers-[^ ]*-common[^ ]*\|linux-kbuild-[^ ]*\).*/\1/p'
}

download() {
	note "downloading $*"
	(cd "$debs" && apt-get download -qq "$@" >"$debs/log" 2>&1)
}

# Into $tmp, without the device drivers that no virtual machine here has.
unpack() {
	local deb

	for deb in "$debs"/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$tmp" \
			--exclude='*/kernel/drivers/gpu' --exclude='*/kernel/drivers/media' \
			--exclude='*/kernel/drivers/net/*' --exclude='*/kernel/drivers/infiniband' \
			--exclude='*/kernel/drivers/scsi' --exclude='*/kernel/drivers/staging' \
			--exclude='*/kernel/drivers/iio' --exclude='*/kernel/sound' \
			--exclude='./usr/share' || return 1
	done
}

# The headers' makefiles name each other by absolute path: point them into the unpacked copy.
relocate() {
	local headers=$tmp/usr/src/linux-headers-$kver

	[ -f "$headers/Makefile" ] || die "$headers_pkg has no $headers/Makefile"
	sed -i "s|/usr/src/|$dir/usr/src/|g; s|/usr/lib/|$dir/usr/lib/|g" "$headers/Makefile"
	rm -f "$tmp/lib/modules/$kver/build" "$tmp/lib/modules/$kver/source"
}

write_env() {
	local headers=/usr/src/linux-headers-$kver modules=lib/modules/$kver

	{
		echo "KVER=$kver"
		if [ -n "$suite" ]; then
			modules=$dir/usr/$modules
			echo "KDIR=$headers"
			echo "CHROOT=$suite"
			[ -n "$headers_only" ] && return 0
			echo "VMLINUZ=$modules/vmlinuz"
			echo "KCONFIG=$POOLALLOC_BUILD/chroots/$suite$headers/.config"
		else
			modules=$dir/$modules
			echo "KDIR=$dir$headers"
			[ -n "$headers_only" ] && return 0
			echo "VMLINUZ=$dir/boot/vmlinuz-$kver"
			echo "KCONFIG=$dir/boot/config-$kver"
		fi
		echo "MODULES=$modules"
	} >"$tmp/env"
}

fetch() {
	local wanted companions

	headers_pkg=$(package_of headers) && [ -n "$headers_pkg" ] || return 1
	companions=$(companions_of "$headers_pkg")
	[ -n "$companions" ] || return 1
	wanted="$headers_pkg $companions"
	if [ -z "$headers_only" ]; then
		image_pkg=$(package_of image) && [ -n "$image_pkg" ] || return 1
		wanted+=" $image_pkg"
	fi
	kver=${headers_pkg#linux-headers-}
	rm -rf "$tmp" && mkdir -p "$debs" || die "cannot create $debs"
	# shellcheck disable=SC2086
	download $wanted
}

inside() {
	"$LIB_DIR/chroot.sh" "$suite" "$@" >>"$debs/log" 2>&1
}

# The headers with their compiler in the chroot; the image as packages, out of it.
fetch_in_chroot() {
	local headers=linux-headers-$flavour wanted=

	rm -rf "$tmp" && mkdir -p "$debs" || die "cannot create $debs"
	note "installing $headers in the chroot of $suite"
	inside apt-get update -qq &&
		inside apt-get install -y -qq -o DPkg::Lock::Timeout=300 "$headers" make libc6-dev kmod || return 1
	kver=$("$LIB_DIR/chroot.sh" "$suite" dpkg-query -W -f='${Depends}' "$headers" |
		tr ', ' '\n\n' | sed -n 's/^linux-headers-//p')
	[ -n "$kver" ] || return 1
	[ -n "$headers_only" ] && return 0
	wanted="linux-binary-$kver linux-modules-$kver"
	note "downloading $wanted"
	# shellcheck disable=SC2086
	inside sh -c 'cd "$0" && apt-get download -qq "$@"' "$debs" $wanted
}

usable() {
	local KDIR='' VMLINUZ='' CHROOT=''

	[ -f "$dir/env" ] || return 1
	. "$dir/env"
	# A moved or half-removed build directory is not a cache.
	[ -f "${CHROOT:+$POOLALLOC_BUILD/chroots/$CHROOT}$KDIR/Makefile" ] &&
		{ [ -n "$headers_only" ] || [ -f "$VMLINUZ" ]; }
}

usable && { cat "$dir/env"; exit 0; }
lock "$POOLALLOC_BUILD/kernels/.$version.lock"
usable && { cat "$dir/env"; exit 0; }

command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
	die "needs Debian's apt-get and dpkg-deb; or write $dir/env (KVER, KDIR, VMLINUZ, MODULES)"

tmp=$dir.tmp
debs=$tmp/debs
mkdir -p "$tmp"
if [ -n "$suite" ]; then
	fetch_in_chroot
else
	fetch || { apt_refresh force; fetch; }
fi || {
	[ -f "$debs/log" ] && tail -n 3 "$debs/log" >&2
	die "no Debian kernel $version could be downloaded: are its suite and its -security suite" \
		"in apt's sources, and is there a network?"
}
unpack || die "cannot unpack the packages of $version into $tmp (disk full?)"
[ -n "$suite" ] || relocate
rm -rf "$debs"
write_env
rm -rf "$dir" && mv "$tmp" "$dir" || die "cannot move $tmp to $dir"
cat "$dir/env"
