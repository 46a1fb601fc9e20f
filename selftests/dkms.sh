#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# dkms.sh: what `make dkms_install` leaves is what DKMS wants. In a chroot with this machine's own
# Debian release: dkms add, build, install; a module that uses poolalloc, built there against it;
# both loaded in a guest, if it is a kernel that lib/kernel.sh has too; dkms remove.
#
# Needs root. The chroot is made once, in build/chroot (1 minute, 700 MiB).
set -u
. "$(dirname "$0")/lib/common.sh"
. "$LIB_DIR/tap.sh"

[ "$(id -u)" = 0 ] || die "needs root, for chroot"
command -v mmdebstrap >/dev/null || die "needs mmdebstrap (lib/deps.sh chroot)"
unset MAKEFLAGS MFLAGS MAKELEVEL
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
root=$POOLALLOC_BUILD/chroot/dkms-$suite
work=$(mktemp -d) || die "no temporary directory"
version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' "$POOLALLOC_ROOT/kmod/dkms.conf")

cleanup() {
	umount "$root/proc" 2>/dev/null
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# From where this machine's own packages come.
sources() {
	local format="deb \$(SITE) \$(RELEASE) \$(COMPONENT)"

	apt-get indextargets --format "$format" 'Identifier: Packages' "Origin: Debian" \
		"Codename: $suite"
	apt-get indextargets --format "$format" 'Identifier: Packages' "Origin: Debian" \
		"Codename: $suite-security"
}

make_chroot() {
	local tmp=$root.tmp

	[ -f "$root/.complete" ] && return 0
	note "making a chroot of Debian $suite in $root"
	rm -rf "$tmp" "$root" && mkdir -p "${root%/*}" || return 1
	apt_refresh
	sources >"$work/sources.list"
	mmdebstrap --variant=apt --include=dkms,kmod,linux-headers-amd64 "$suite" "$tmp" \
		"$work/sources.list" && touch "$tmp/.complete" && mv "$tmp" "$root"
}

inside() {
	chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@" </dev/null
}

# A kernel package with headers; its image is not needed to build.
kernel_of_headers() {
	kver=$(ls "$root/lib/modules" | sort -V | tail -n 1)
	[ -f "$root/usr/src/linux-headers-$kver/Makefile" ]
}

fresh() {
	inside dkms remove "poolalloc/$version" --all >/dev/null 2>&1
	rm -rf "$root"/usr/src/poolalloc-* "$root"/var/lib/dkms/poolalloc "$root/tmp/table"
	find "$root/lib/modules" -name 'poolalloc*' -delete
	make --no-print-directory -C "$POOLALLOC_ROOT" dkms_install DESTDIR="$root"
}

status_is() {
	local status

	status=$(inside dkms status "poolalloc/$version")
	echo "$status"
	case "$status" in "poolalloc/$version$1") return 0 ;; esac
	return 1
}

built() {
	inside dkms build "poolalloc/$version" -k "$kver" && status_is ", $kver, x86_64: built"
}

installed() {
	inside dkms install "poolalloc/$version" -k "$kver" && status_is ", $kver, x86_64: installed" &&
		[ -s "$root/lib/modules/$kver/updates/dkms/poolalloc.ko" ] &&
		grep -q '^updates/dkms/poolalloc.ko:' "$root/lib/modules/$kver/modules.dep"
}

version_told() {
	[ "$(inside modinfo -k "$kver" -F version poolalloc)" = "$version" ]
}

# kmod/examples, with the header and the symbol versions that DKMS keeps.
dependent() {
	local dkms=/var/lib/dkms/poolalloc/kernel-$kver-x86_64

	cp -r "$POOLALLOC_ROOT/kmod/examples" "$root/tmp/table" && rm -f "$root"/tmp/table/*.{o,ko,mod*} &&
		inside make -C /tmp/table KDIR="/lib/modules/$kver/build" POOLALLOC_SYMVERS="$dkms/Module.symvers" \
			POOLALLOC_INCLUDE="/usr/src/poolalloc-$version/kmod/include" >"$work/log" 2>&1 &&
		! grep -E 'WARNING|warning:' "$work/log" && return 0
	cat "$work/log"
	return 1
}

# guest KERNEL: with kernel.sh's kernel of the same release.
guest() {
	cat >"$work/commands" <<-'END'
		set -e
		insmod poolalloc.ko
		insmod poolalloc_table.ko fill=1000
		grep -x "live_blocks 1000" /proc/poolalloc
		rmmod poolalloc_table
		rmmod poolalloc
	END
	"$LIB_DIR/qemu.sh" --kernel "$1" --file "$root/lib/modules/$kver/updates/dkms/poolalloc.ko" \
		--file "$root/tmp/table/poolalloc_table.ko" --file "$work/commands" -- sh ./commands
}

removed() {
	inside dkms remove "poolalloc/$version" --all && [ -z "$(inside dkms status "poolalloc/$version")" ] &&
		make --no-print-directory -C "$POOLALLOC_ROOT" dkms_uninstall DESTDIR="$root" &&
		[ -z "$(find "$root"/{lib/modules,usr/src,var/lib/dkms} -name '*poolalloc*')" ]
}

lock "$POOLALLOC_BUILD/chroot/.dkms.lock"
make_chroot >"$work/log" 2>&1 || { tail -n 5 "$work/log" >&2; die "cannot make a chroot in $root"; }
kernel_of_headers || die "no kernel headers in $root"
mkdir -p "$root/proc" && mount -t proc proc "$root/proc" || die "cannot mount $root/proc"
tap_start
tap_run "make dkms_install" fresh
tap_run "dkms add" inside dkms add "poolalloc/$version"
tap_run "it is added" status_is ": added"
tap_run "dkms build" built
tap_run "dkms install, and depmod" installed
tap_run "modinfo finds it" version_told
tap_run "kmod/examples, built against it" dependent
kernel=${kver%%.*}.$(echo "$kver" | cut -d. -f2)
if [ "$(KVER=; eval "$("$LIB_DIR/kernel.sh" "$kernel")"; echo "$KVER")" = "$kver" ]; then
	tap_run "both load in Linux $kver" guest "$kernel"
else
	tap_skip "both load in Linux $kver" "lib/kernel.sh has another $kernel"
fi
tap_run "dkms remove, make dkms_uninstall" removed
tap_finish
