#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# deps.sh GROUP...: installs the Debian packages of these groups that are missing, and only those.
# deps.sh --list GROUP...: prints their names instead.
set -u
. "$(dirname "$0")/common.sh"

packages_of() {
	case "$1" in
	build)	# the library and its tools
		echo gcc g++ clang make pkg-config libc6-dev liburcu-dev systemtap-sdt-dev ;;
	module)	# building the kernel module against unpacked or installed headers
		echo gcc-12 make bc libelf1 libssl3 kmod dpkg xz-utils ;;
	kernel)	# running it in a virtual machine
		echo "$(packages_of module)" qemu-system-x86 busybox-static cpio dash ;;
	check)	# everything that make check calls
		echo "$(packages_of build)" "$(packages_of kernel)" valgrind spin sparse shellcheck \
			perl python3 git gdb libclang-rt-14-dev binutils rsync util-linux procps ;;
	demo)	# the recorded programs
		echo "$(packages_of build)" "$(packages_of kernel)" python3 sqlite3 ;;
	bench)	# other allocators, and the programs that are measured under them
		echo "$(packages_of build)" libjemalloc2 libmimalloc2.0 libtcmalloc-minimal4 \
			libtbbmalloc2 libclang-rt-14-dev python3 gnuplot-nox valgrind \
			sqlite3 perl jq libxml2-utils lua5.4 git ;;
	debug-kernel)	# kernels built from Debian's linux-source packages
		echo "$(packages_of kernel)" flex bison bc libelf-dev libssl-dev xz-utils rsync ;;
	chroot)	# other Debian releases
		echo mmdebstrap ;;
	*)	return 1 ;;
	esac
}

GROUPS_KNOWN="build module kernel check demo bench debug-kernel chroot"

missing_of() {
	local pkg

	for pkg; do
		dpkg-query -W -f='${db:Status-Status}\n' "$pkg" 2>/dev/null | grep -qx installed ||
			echo "$pkg"
	done
}

list_only=
[ "${1:-}" = --list ] && { list_only=1; shift; }
[ $# -gt 0 ] || die "usage: ${0##*/} [--list] GROUP...   (groups: $GROUPS_KNOWN)"

wanted=
for group; do
	more=$(packages_of "$group") || die "no such group '$group'; there are: $GROUPS_KNOWN"
	wanted+=" $more"
done
# shellcheck disable=SC2086 # a list of words
wanted=$(printf '%s\n' $wanted | sort -u)
[ -n "$list_only" ] && { echo "$wanted"; exit 0; }

command -v apt-get >/dev/null ||
	die "this is not Debian; install the equivalents of: $(echo $wanted)"

# shellcheck disable=SC2086
missing=$(missing_of $wanted)
[ -n "$missing" ] || exit 0

lock "$POOLALLOC_BUILD/.apt.lock"
# shellcheck disable=SC2086
missing=$(missing_of $wanted)
[ -n "$missing" ] || exit 0

install() {
	# shellcheck disable=SC2086
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
		-o DPkg::Lock::Timeout=300 $missing </dev/null >"$log" 2>&1
}

log=$POOLALLOC_BUILD/apt-install.log
apt_refresh
note "installing" $missing
install || { apt_refresh force && install; } || {
	tail -n 5 "$log" >&2
	die "could not install the missing packages; as root: apt-get install" $missing
}
