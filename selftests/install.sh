#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# make install and uninstall: what lies where, in a DESTDIR; programs built with pkg-config against
# it; the wrapper and the tracer find their libraries there; the man pages have no mistakes.
# test-timeout: 900
# test-kselftest: no
set -u
. "$(dirname "$0")/lib/common.sh"
. "$LIB_DIR/tap.sh"

user=$POOLALLOC_ROOT/userspace
[ -d "$user" ] || tap_skip_all "needs the project's checkout: give POOLALLOC_ROOT=DIR"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
unset MAKEFLAGS MFLAGS MAKELEVEL LD_PRELOAD POOLALLOC
cc=${CC:-gcc}
dest=$work/dest
prefix=/opt/pool
at=$dest$prefix
export PKG_CONFIG_SYSROOT_DIR=$dest PKG_CONFIG_PATH=$at/lib/pkgconfig
# The sysroot is not for liburcu, which lies in the system's own directories.
export PKG_CONFIG_SYSTEM_INCLUDE_PATH=/usr/include:$dest/usr/include
export PKG_CONFIG_SYSTEM_LIBRARY_PATH=/usr/lib/x86_64-linux-gnu:$dest/usr/lib/x86_64-linux-gnu

install_into() {
	make --no-print-directory -C "$user" O="$work/products" CC="$cc" DESTDIR="$dest" \
		PREFIX="$1" "${@:3}" "$2"
}

list() {
	(cd "$1" && find . -not -type d | sort)
}

layout() {
	local want

	for want in bin/poolalloc bin/poolalloc-trace include/poolalloc.h include/poolalloc_static.h lib/libpoolalloc.a \
		lib/libpoolalloc.so lib/libpoolalloc.so.0 lib/libpoolalloc-malloc.so \
		lib/libpoolalloc-malloc.a lib/poolalloc/libpoolalloc-trace.so lib/pkgconfig/poolalloc.pc \
		share/man/man1/poolalloc.1 share/man/man1/poolalloc-trace.1 \
		share/man/man3/poolalloc.3 lib/libpoolalloc-python.so share/man/man7/libpoolalloc-python.7 share/man/man7/libpoolalloc-malloc.7; do
		[ -s "$at/$want" ] || { echo "no $want"; return 1; }
	done
	[ -x "$at/bin/poolalloc" ] && [ "$(readlink "$at/lib/libpoolalloc.so")" = libpoolalloc.so.0 ]
}

# Nothing that is installed knows where it was built.
no_traces() {
	! grep -lrF "$work" "$at" --include='*.pc' --include='*.h' --include='*.[137]'
}

pc_file() {
	[ "$(pkg-config --modversion poolalloc)" = "$(awk '/define POOLALLOC_VERSION_M/ { print $3 }' \
		"$at/include/poolalloc.h" | paste -sd.)" ] &&
		grep -qx "prefix=$prefix" "$at/lib/pkgconfig/poolalloc.pc" &&
		pkg-config --validate poolalloc
}

links_with() {
	local example=$1 want=$2 packages="poolalloc ${3:-}"

	# shellcheck disable=SC2046,SC2086 # lists of flags
	$cc -std=gnu11 -O2 -Wall -Wextra -Werror -o "$work/$example" $(pkg-config --cflags $packages) \
		"$user/examples/$example.c" $(pkg-config --libs $packages) -pthread &&
		LD_LIBRARY_PATH=$at/lib "$work/$example" >"$work/out" && grep -qE "$want" "$work/out" &&
		return 0
	cat "$work/out"
	return 1
}

links_statically() {
	# shellcheck disable=SC2046
	$cc -O2 -static -o "$work/static" $(pkg-config --cflags poolalloc) "$user/examples/tree.c" \
		$(pkg-config --static --libs poolalloc) && "$work/static" | grep -q '^100000 nodes'
}

links_inline() {
	# shellcheck disable=SC2046
	sed 's/poolalloc\.h/poolalloc_static.h/' "$user/examples/tree.c" >"$work/inline.c" &&
		$cc -O2 -static -o "$work/inline" $(pkg-config --cflags poolalloc) "$work/inline.c" \
			$(pkg-config --static --libs poolalloc) && "$work/inline" | grep -q '^100000 nodes' &&
		! nm "$work/inline" | grep -q ' poolalloc_inline_free$' &&
		sed 's/poolalloc\.h/poolalloc_static.h/' "$work/cxx.cc" >"$work/inline.cc" &&
		g++ -Wall -Wextra -Werror -static -o "$work/inline" $(pkg-config --cflags poolalloc) \
			"$work/inline.cc" $(pkg-config --static --libs poolalloc) && "$work/inline"
}

links_cxx() {
	printf '%s\n' '#include <poolalloc.h>' 'int main()' \
		'{ int *p = static_cast<int *>(poolalloc_alloc(4)); poolalloc_free(p); return !p; }' \
		>"$work/cxx.cc"
	# shellcheck disable=SC2046
	g++ -Wall -Wextra -Werror -o "$work/cxx" $(pkg-config --cflags poolalloc) "$work/cxx.cc" \
		$(pkg-config --libs poolalloc) && LD_LIBRARY_PATH=$at/lib "$work/cxx"
}

makefile_of_examples() {
	cp -r "$user/examples" "$work/examples" && make -C "$work/examples" CC="$cc" &&
		[ -x "$work/examples/config" ]
}

wrapper() {
	"$at/bin/poolalloc" stats=exit -- ls / 2>"$work/out" >/dev/null &&
		grep -q '^poolalloc - version' "$work/out" &&
		"$at/bin/poolalloc" -- cat /proc/self/maps | grep -q "$at/lib/libpoolalloc-malloc.so"
}

tracer() {
	"$at/bin/poolalloc-trace" record -o "$work/trace" -- ls / >/dev/null &&
		"$at/bin/poolalloc-trace" info "$work/trace" | grep -q '^peak live blocks'
}

# mandoc from where it is installed, or from its package, downloaded and unpacked.
find_mandoc() {
	local dir=$POOLALLOC_BUILD/mandoc

	mandoc=$(command -v mandoc) && return 0
	mandoc=$dir/usr/bin/mandoc
	[ -x "$mandoc" ] && return 0
	lock "$dir.lock"
	mkdir -p "$dir" && (cd "$dir" && apt-get download -qq mandoc && dpkg-deb -x mandoc_*.deb .) \
		>/dev/null 2>&1
	[ -x "$mandoc" ]
}

man_pages() {
	local page

	for page in "$user"/man/*.[1-8]; do
		"$mandoc" -Tlint -W warning "$page" || return 1
		[ "$("$mandoc" -Tascii "$page" | wc -l)" -gt 20 ] || { echo "$page is empty"; return 1; }
	done
}

# Each function of the header has its page, and each key, command and option is told.
man_complete() {
	local name man=$user/man

	for name in $(grep -oE '\bpoolalloc_[a-z_]+\(' "$at/include/poolalloc.h" | tr -d '(' | sort -u); do
		grep -q "^\.Fn $name " "$man/poolalloc.3" || { echo "poolalloc.3: no $name"; return 1; }
	done
	for name in $("$at/bin/poolalloc" none=1 -- true 2>&1 | sed 's/.*known are //' | tr -d ,); do
		grep -q "^\.It Cm $name" "$man/libpoolalloc-malloc.7" || { echo "no key $name"; return 1; }
	done
	for name in $("$at/bin/poolalloc-trace" --help | grep -oE '^ +--[a-z-]+' | sed 's/ *--//'); do
		grep -q "^\.It Fl -$name" "$man/poolalloc-trace.1" || { echo "no --$name"; return 1; }
	done
}

exported_told() {
	local name

	for name in $(nm -D --defined-only "$at/lib/libpoolalloc-malloc.so" |
			awk '$2 ~ /[TWi]/ && $3 !~ /^(_Z|poolalloc_)/ { sub(/@.*/, "", $3); print $3 }'); do
		grep -q "^\.Fn $name\( \|$\)" "$user/man/libpoolalloc-malloc.7" ||
			{ echo "libpoolalloc-malloc.7: no $name"; return 1; }
	done
}

uninstall() {
	: >"$at/lib/other.so"
	install_into $prefix uninstall && [ "$(list "$dest")" = ".$prefix/lib/other.so" ] && return 0
	list "$dest"
	return 1
}

other_directories() {
	install_into /usr install LIBDIR=/usr/lib/x86_64-linux-gnu &&
		[ -f "$dest/usr/lib/x86_64-linux-gnu/libpoolalloc.so.0" ] &&
		"$dest/usr/bin/poolalloc-trace" record -o "$work/trace" -- ls / >/dev/null &&
		LD_LIBRARY_PATH=$dest/usr/lib/x86_64-linux-gnu "$dest/usr/bin/poolalloc" -- cat /proc/self/maps |
		grep -q "$dest/usr/lib/x86_64-linux-gnu/libpoolalloc-malloc.so" &&
		grep -qx 'libdir=${prefix}/lib/x86_64-linux-gnu' \
			"$dest/usr/lib/x86_64-linux-gnu/pkgconfig/poolalloc.pc" &&
		install_into /usr uninstall LIBDIR=/usr/lib/x86_64-linux-gnu &&
		[ "$(list "$dest")" = ".$prefix/lib/other.so" ]
}

tap_start
tap_run "make install" install_into $prefix install
tap_run "the layout" layout
tap_run "no path of the build in what is installed" no_traces
tap_run "poolalloc.pc" pc_file
tap_run "example: tree" links_with tree '^100000 nodes in [0-9]+ bytes'
tap_run "example: pipeline" links_with pipeline '^1000000 messages'
tap_run "example: leaks" links_with leaks '^2 live blocks'
tap_run "example: config" links_with config '^version 100000 ' liburcu-bp
tap_run "a static program" links_statically
tap_run "a C++ program" links_cxx
tap_run "fast paths inline, in C and C++" links_inline
tap_run "the examples' Makefile" makefile_of_examples
tap_run "the wrapper finds its library" wrapper
tap_run "the tracer finds its library" tracer
if find_mandoc; then
	tap_run "man pages: no warnings" man_pages
else
	tap_skip "man pages: no warnings" "mandoc is neither installed nor to be downloaded"
fi
tap_run "man pages: functions, keys and options" man_complete
tap_run "man pages: the malloc family" exported_told
tap_run "make uninstall" uninstall
tap_run "other directories" other_directories
tap_finish
