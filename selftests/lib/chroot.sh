#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# chroot.sh SUITE COMMAND...: runs COMMAND in a minimal Debian of another release (sid, trixie, …) in
# build/chroots/SUITE, which is made first when it is not there, from the mirror that this machine's
# own apt uses. The project and the build directory have their own paths in it, and the network is
# there; what is mounted for that is seen by COMMAND alone.
set -u
. "$(dirname "$0")/common.sh"

[ $# -ge 2 ] || die "usage: ${0##*/} SUITE COMMAND..."
suite=$1
shift
case "$suite" in */*|.*|'') die "bad release '$suite'" ;; esac
dir=$POOLALLOC_BUILD/chroots/$suite

mirror() {
	apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Origin: Debian' \
		'Label: Debian' 2>/dev/null | head -n 1
}

# Mirrors lag behind: their lists may be older than they say they should become. They are signed.
make_chroot() {
	local tmp=$dir.tmp from

	"$LIB_DIR/deps.sh" chroot || exit 1
	[ -n "$(mirror)" ] || apt_refresh
	from=$(mirror)
	[ -n "$from" ] || die "apt's sources name no Debian mirror with a list of packages: run apt-get update"
	note "making a chroot of $suite"
	as_root rm -rf "$tmp" && mkdir -p "$POOLALLOC_BUILD/chroots" || die "cannot create $tmp"
	as_root mmdebstrap --quiet --mode=root --variant=apt --aptopt='Acquire::Check-Valid-Until "false"' \
		--aptopt='APT::Install-Recommends "false"' --dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		"$suite" "$tmp" "$from" </dev/null >"$dir.log" 2>&1 || {
		tail -n 5 "$dir.log" >&2
		die "no chroot of $suite could be made: is there a network?"
	}
	as_root mv "$tmp" "$dir" || die "cannot move $tmp to $dir"
}

[ -d "$dir" ] || {
	lock "$POOLALLOC_BUILD/chroots/.$suite.lock"
	[ -d "$dir" ] || make_chroot
	exec {LOCK_FD}>&-
}

# shellcheck disable=SC2016 # for the other shell
as_root unshare --mount sh -e -c '
	dir=$1 root=$2 build=$3
	shift 3
	mount -t proc proc "$dir/proc"
	for path in "$root" "$build"; do
		mkdir -p "$dir$path"
		mount --bind "$path" "$dir$path"
	done
	mount --bind /dev "$dir/dev"
	[ -e "$dir/etc/resolv.conf" ] || : >"$dir/etc/resolv.conf"
	mount --bind /etc/resolv.conf "$dir/etc/resolv.conf"
	exec chroot "$dir" env DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@"
' sh "$dir" "$POOLALLOC_ROOT" "$POOLALLOC_BUILD" "$@" </dev/null
