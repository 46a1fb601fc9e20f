#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# make modules_install and dkms_install into a directory; modinfo; a module that uses poolalloc, built
# outside of its tree with what was installed; modprobe of both in a guest; uninstalling.
# test-timeout: 1800
set -u
. "$(dirname "$0")/lib/common.sh"
. "$LIB_DIR/tap.sh"

[ -f "$POOLALLOC_ROOT/kmod/install.mk" ] ||
	tap_skip_all "needs the project's checkout: give POOLALLOC_ROOT=DIR"
kernel=6.1
settings=$("$LIB_DIR/kernel.sh" $kernel) || tap_skip_all "no kernel $kernel"
eval "$settings"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
unset MAKEFLAGS MFLAGS MAKELEVEL INSTALL_MOD_DIR INSTALL_MOD_STRIP DEPMOD
export CONFIG_DEBUG_INFO_BTF_MODULES=
root=$work/root
version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' "$POOLALLOC_ROOT/kmod/dkms.conf")
dev=$root/usr/src/poolalloc-dev-$version
tree=$root/lib/modules/$KVER

top() {
	make --no-print-directory -C "$POOLALLOC_ROOT" KERNEL=$kernel INSTALL_MOD_PATH="$root" "$@"
}

list() {
	(cd "$root" && find . -name '*poolalloc*' -not -type d -o -name Module.symvers | sort)
}

installs() {
	# So that depmod knows the kernel's own modules.
	mkdir -p "$tree" && cp "$MODULES"/modules.{order,builtin,builtin.modinfo} "$tree" 2>/dev/null
	top modules_install && list >"$work/list" && diff "$work/list" - <<-END
		./lib/modules/$KVER/updates/poolalloc.ko
		./usr/src/poolalloc-dev-$version/$KVER/Module.symvers
		./usr/src/poolalloc-dev-$version/include/linux/poolalloc.h
	END
}

# depmod has run.
known() {
	grep -q '^updates/poolalloc.ko:' "$tree/modules.dep" &&
		modprobe -d "$root" -S "$KVER" --show-depends poolalloc | grep -q updates/poolalloc.ko
}

field() {
	modinfo -b "$root" -k "$KVER" -F "$1" poolalloc
}

# Each parameter that the sources declare has a description with its default; none is missing.
modinfo_complete() {
	local name

	[ "$(field license)" = GPL ] && [ "$(field version)" = "$version" ] && [ -n "$(field author)" ] &&
		[ -n "$(field description)" ] && field vermagic | grep -q "^$KVER " || return 1
	sed -n 's/^module_param_[a-z]*(\([a-z_]*\),.*/\1/p' "$POOLALLOC_ROOT"/kmod/*.c | sort >"$work/declared"
	field parm | sed 's/:.*//' | sort >"$work/described"
	[ -s "$work/declared" ] && diff "$work/declared" "$work/described" || return 1
	for name in $(cat "$work/declared"); do
		field parm | grep "^$name:" | grep '(default' >/dev/null || { echo "$name: no default"; return 1; }
		grep -q "^| \`$name\` |" "$POOLALLOC_ROOT/kmod/README.md" ||
			{ echo "$name is not in kmod/README.md"; return 1; }
	done
}

# Both halves have one version.
versions_agree() {
	[ "$(sed -n 's/^#define POOLALLOC_VERSION_M[A-Z]*OR //p' "$POOLALLOC_ROOT/userspace/include/poolalloc.h" |
		paste -sd.)" = "$version" ]
}

# dependent NAME SYMVERS: kmod/examples, copied to a directory of its own.
dependent() {
	local dir=$work/$1

	mkdir -p "$dir" && cp "$POOLALLOC_ROOT"/kmod/examples/{Kbuild,Makefile,*.c} "$dir" &&
		make -C "$dir" KDIR="$KDIR" POOLALLOC_INCLUDE="$dev/include" POOLALLOC_SYMVERS="$2" \
			>"$dir/log" 2>&1
}

builds_outside() {
	dependent table "$dev/$KVER/Module.symvers" && ! grep -E 'warning:|WARNING:' "$work/table/log" && return 0
	cat "$work/table/log"
	return 1
}

# Kbuild says what is missing.
needs_symvers() {
	: >"$work/empty"
	! dependent without "$work/empty" && grep -q 'poolalloc_alloc.*undefined' "$work/without/log"
}

# Versions of another build: the kernel must refuse such a module.
other_versions() {
	sed 's/^0x......../0x00c0ffee/' "$dev/$KVER/Module.symvers" >"$work/symvers" &&
		dependent others "$work/symvers" && mv "$work/others/poolalloc_table.ko" "$work/stale.ko"
}

# The dependent installs itself beside poolalloc, by the kernel's own makefiles.
dependent_installed() {
	make -C "$work/table" KDIR="$KDIR" INSTALL_MOD_PATH="$root" INSTALL_MOD_DIR=extra \
		modules_install >"$work/log" 2>&1 && depmod -b "$root" "$KVER" &&
		grep -q '^extra/poolalloc_table.ko: updates/poolalloc.ko' "$tree/modules.dep" && return 0
	cat "$work/log"
	return 1
}

guest() {
	local files=() file

	while read -r file; do
		files+=(--file "$root/$file:/$file")
	done < <(cd "$root" && find lib/modules -type f)
	cat >"$work/commands" <<-'END'
		set -e
		modprobe poolalloc_table fill=1000
		grep -x "live_blocks 1000" /proc/poolalloc
		lsmod | grep '^poolalloc .* 1 poolalloc_table'
		modinfo -F version poolalloc
		echo "set a b" >/proc/poolalloc_table
		grep -x "a b" /proc/poolalloc_table
		modprobe -r poolalloc_table
		! lsmod | grep poolalloc
		modprobe poolalloc reserve=3
		grep -x 3 /sys/module/poolalloc/parameters/reserve
		! insmod ./stale.ko
		dmesg | grep 'disagrees about version of symbol poolalloc'
	END
	"$LIB_DIR/qemu.sh" --kernel $kernel "${files[@]}" --file "$work/commands" --file "$work/stale.ko" \
		--allow "Unknown symbol poolalloc_" \
		-- sh ./commands
}

uninstalls() {
	rm -f "$tree/extra/poolalloc_table.ko"
	top modules_uninstall && [ -z "$(list)" ] && [ ! -e "$dev" ] &&
		! grep -q poolalloc "$tree/modules.dep" && return 0
	list
	return 1
}

# INSTALL_MOD_DIR and INSTALL_MOD_STRIP as the kernel's; no depmod where packages are made.
kernels_variables() {
	local had

	had=$(stat -c %s "$POOLALLOC_BUILD/kmod-$kernel-seed/poolalloc.ko")
	top modules_install INSTALL_MOD_DIR=extra/pool INSTALL_MOD_STRIP=1 DEPMOD=: &&
		[ "$(stat -c %s "$tree/extra/pool/poolalloc.ko")" -lt "$had" ] &&
		! grep -q poolalloc "$tree/modules.dep" && top modules_uninstall INSTALL_MOD_DIR=extra/pool &&
		[ -z "$(list)" ]
}

# What DKMS does by default, in a copy: the sources are complete.
dkms_sources() {
	local dkms=$root/usr/src/poolalloc-$version

	top dkms_install && (
		kernelver=$KVER arch=x86_64
		. "$dkms/dkms.conf" && [ "$PACKAGE_NAME-${BUILT_MODULE_NAME[0]}" = poolalloc-poolalloc ] &&
			[ -x "$dkms/${POST_BUILD%% *}" ]
	) && cp -r "$dkms" "$work/dkms" && make -C "$KDIR" M="$work/dkms" >"$work/log" 2>&1 &&
		! grep -E 'warning:|WARNING:' "$work/log" &&
		[ "$(modinfo -F version "$work/dkms/poolalloc.ko")" = "$version" ] &&
		mkdir -p "$work/$KVER/x86_64" && (cd "$work/dkms" && kmod/dkms_post_build.sh "$KVER" x86_64) &&
		grep -q poolalloc_alloc "$work/$KVER/x86_64/Module.symvers" &&
		top dkms_uninstall && [ ! -e "$dkms" ] && return 0
	tail -n 20 "$work/log"
	return 1
}

tap_start
tap_run "make modules_install" installs
tap_run "depmod knows it" known
tap_run "modinfo: licence, version, author, description, every parameter" modinfo_complete
tap_run "one version in both halves" versions_agree
tap_run "a module that uses poolalloc, built outside of its tree" builds_outside
tap_run "without Module.symvers it does not build" needs_symvers
tap_run "with those of another build" other_versions
tap_run "it is installed beside poolalloc, and depends on it" dependent_installed
tap_run "modprobe loads both; a module built for other versions is refused" guest
tap_run "make modules_uninstall" uninstalls
tap_run "INSTALL_MOD_DIR, INSTALL_MOD_STRIP, DEPMOD" kernels_variables
tap_run "make dkms_install: the sources build" dkms_sources
tap_finish
