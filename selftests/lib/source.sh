#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# source.sh SERIES PATH...: unpacks these paths of Debian's kernel source (package linux-source-SERIES,
# downloaded, not installed) into build/sources/SERIES and prints that directory. With the single
# path "all", the whole tree goes to build/sources/SERIES-full. What is there is not unpacked again.
set -u
. "$(dirname "$0")/common.sh"

[ $# -ge 2 ] || die "usage: source.sh SERIES PATH... | SERIES all"
series=$1
shift
case "$series" in */*|.*|'') die "bad kernel series '$series'" ;; esac
dir=$POOLALLOC_BUILD/sources/$series
archive=$POOLALLOC_BUILD/sources/linux-source-$series.tar.xz

download() {
	local tmp=$archive.tmp deb

	rm -rf "$tmp" && mkdir -p "$tmp" || die "cannot create $tmp"
	note "downloading linux-source-$series"
	(cd "$tmp" && apt-get download -qq "linux-source-$series" >log 2>&1) || return 1
	deb=$(echo "$tmp"/*.deb)
	dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$tmp" --wildcards '*/linux-source-*.tar.xz' ||
		die "cannot unpack $deb (disk full?)"
	mv "$tmp"/usr/src/linux-source-*.tar.xz "$archive" && rm -rf "$tmp"
}

lock "$POOLALLOC_BUILD/sources/.$series.lock"
[ -f "$archive" ] || download || { apt_refresh force; download; } ||
	die "linux-source-$series could not be downloaded:" "$(tail -n 1 "$archive.tmp/log" 2>/dev/null)"

if [ "$1" = all ]; then
	dir+=-full
	[ -f "$dir/.complete" ] || {
		note "unpacking linux-source-$series"
		rm -rf "$dir" && mkdir -p "$dir" &&
			tar -xJf "$archive" -C "$dir" --strip-components=1 && : >"$dir/.complete" ||
			die "cannot unpack $archive (disk full?)"
	}
	echo "$dir"
	exit 0
fi

mkdir -p "$dir" || die "cannot create $dir"
want=()
for path; do
	[ -e "$dir/$path" ] || want+=("linux-source-$series/$path")
done
[ ${#want[@]} = 0 ] || {
	note "unpacking ${#want[@]} paths of linux-source-$series"
	tar -xJf "$archive" -C "$dir" --strip-components=1 "${want[@]}" ||
		die "linux-source-$series lacks one of: ${want[*]}"
}
echo "$dir"
