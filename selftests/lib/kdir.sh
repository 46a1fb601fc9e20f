#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# kdir.sh: prints the kernel headers to build against when nobody says which: the running kernel's,
# else the newest Debian headers installed, else the newest unpacked under build/kernels. Exit
# status 1, silently, when there are none.
set -u
. "$(dirname "$0")/common.sh"

candidates() {
	echo "/lib/modules/$(uname -r)/build"
	ls -d /usr/src/linux-headers-*-amd64 2>/dev/null | sort -rV
	sed -n 's/^KDIR=//p' "$POOLALLOC_BUILD"/kernels/*/env 2>/dev/null | sort -rV
}

while read -r dir; do
	# A headers package without its configuration (or -common alone) cannot build anything.
	[ -f "$dir/Makefile" ] && [ -f "$dir/.config" ] && { echo "$dir"; exit 0; }
done < <(candidates)
exit 1
