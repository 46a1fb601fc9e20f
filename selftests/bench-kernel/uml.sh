#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# uml.sh: kernel code at its real speed: the bench of bench_kernel.sh in User-Mode Linux, which runs as a
# process of this machine. The kernel is Debian's package user-mode-linux (6.1, one CPU, no preemption);
# modules are built from linux-source-6.1 with that kernel's configuration. Prints lines
#	bench-kernel-native RELEASE ALLOCATOR SIZE PATTERN NANOSECONDS
# Only their ratios mean something. UML_RUN='taskset -c 3' is put before the kernel's command line.
set -u
. "$(dirname "$0")/../lib/common.sh"

dir=$POOLALLOC_BUILD/kernels/uml
objects=$dir/build

download() {
	rm -rf "$dir" && mkdir -p "$objects" && (cd "$dir" && apt-get download -qq user-mode-linux) >"$dir/log" 2>&1 &&
		dpkg-deb -x "$dir"/user-mode-linux_*.deb "$dir" && rm "$dir"/user-mode-linux_*.deb
}

# What a module build needs of the kernel's tree, and no kernel.
prepare() {
	[ -f "$dir/stamp" ] && return 0
	note "getting user-mode-linux"
	download || { apt_refresh force; download; } || die "user-mode-linux could not be downloaded; see $dir/log"
	zcat "$dir/usr/share/doc/user-mode-linux/config.gz" >"$objects/.config" || die "no configuration in $dir"
	release=$(basename "$dir"/usr/lib/uml/modules/*)
	source=$("$LIB_DIR/source.sh" 6.1 all) || exit 1
	make -s -C "$source" O="$objects" ARCH=um SUBLEVEL="${release##*.}" olddefconfig modules_prepare \
		</dev/null >"$dir/log" 2>&1 || die "the tree for $release could not be prepared; see $dir/log"
	echo "$release" >"$dir/stamp"
}

# It does not know what the kernel exports, so that is not checked here.
build() {
	local out=$dir/modules part symbols=

	mkdir -p "$out/bench" && for part in Kbuild common kmod; do
		cp -rsf -T "$POOLALLOC_ROOT/$part" "$out/$part" || return 1
	done
	ln -sf "$SELFTESTS_DIR/modules/poolalloc_bench.c" "$out/bench"
	printf '%s\n' 'obj-m := poolalloc_bench.o' "LINUXINCLUDE := -I$out/kmod/compat \$(LINUXINCLUDE)" \
		"ccflags-y := -I$out/kmod/include" >"$out/bench/Kbuild"
	for part in "$out" "$out/bench"; do
		make -C "$objects" ARCH=um SUBLEVEL="${release##*.}" KBUILD_MODPOST_WARN=1 M="$part" \
			KBUILD_EXTRA_SYMBOLS="$symbols" modules </dev/null >"$part/build.log" 2>&1 || {
			grep -A5 'error' "$part/build.log" >&2
			return 1
		}
		symbols=$out/Module.symvers
	done
}

initramfs() {
	local root=$dir/root

	mkdir -p "$root"/{bin,dev,proc} && cp /bin/busybox "$root/bin" &&
		cp "$dir/modules/poolalloc.ko" "$dir/modules/bench/poolalloc_bench.ko" "$root" || return 1
	cat >"$root/init" <<-'END'
		#!/bin/busybox sh
		/bin/busybox mount -t proc proc /proc
		/bin/busybox insmod /poolalloc.ko && /bin/busybox insmod /poolalloc_bench.ko &&
			/bin/busybox cat /proc/poolalloc_bench
		/bin/busybox poweroff -f
	END
	chmod +x "$root/init"
	(cd "$root" && find . | cpio -o -H newc --quiet -R 0:0) >"$dir/initramfs"
}

lock "$POOLALLOC_BUILD/kernels/.uml.lock"
unset MAKEFLAGS MFLAGS MAKELEVEL ARCH CROSS_COMPILE V O
prepare
release=$(cat "$dir/stamp")
build || die "the modules do not build for $release"
initramfs || die "no archive in $dir (disk full?)"
# shellcheck disable=SC2086 # a command and its arguments
${UML_RUN:-} timeout -s KILL 300 "$dir/usr/bin/linux.uml" mem=512M initrd="$dir/initramfs" rdinit=/init \
	con0=fd:0,fd:1 con=null </dev/null 2>&1 | tr -d '\r' >"$dir/output"
sed -n 's/^bench-kernel /bench-kernel-native /p' "$dir/output" | grep . ||
	{ tail -n 5 "$dir/output" >&2; die "no results from User-Mode Linux $release"; }
