# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Sourced by the scripts beside it: where things are, and how to stop with a message.
# shellcheck shell=bash

LIB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SELFTESTS_DIR=$(dirname "$LIB_DIR")

# Inside a kernel tree the directory above is not poolalloc's: POOLALLOC_ROOT names it then.
POOLALLOC_ROOT=${POOLALLOC_ROOT:-$(dirname "$SELFTESTS_DIR")}
[ -d "$POOLALLOC_ROOT" ] && POOLALLOC_ROOT=$(cd "$POOLALLOC_ROOT" && pwd)
POOLALLOC_BUILD=${POOLALLOC_BUILD:-$POOLALLOC_ROOT/build}
export POOLALLOC_ROOT POOLALLOC_BUILD

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# Progress goes to stderr, so that a script's standard output stays its result.
note() {
	[ -n "${QUIET:-}" ] || echo "${0##*/}: $*" >&2
}

# One holder at a time of the named lock, until this shell exits. Children must not inherit the
# descriptor (a background job would keep the lock): start those with {LOCK_FD}>&-.
lock() {
	mkdir -p "$(dirname "$1")" || die "cannot create $(dirname "$1")"
	exec {LOCK_FD}>"$1" || die "cannot open the lock file $1"
	flock "$LOCK_FD" || die "cannot lock $1"
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null 2>&1; then
		sudo -n "$@"
	else
		return 1
	fi
}

# The package lists are fetched at most once per hour and run, by whoever needs them first.
apt_refresh() {
	local stamp=$POOLALLOC_BUILD/.apt-updated

	[ -n "$(find "$stamp" -mmin -60 2>/dev/null)" ] && [ "${1:-}" != force ] && return 0
	note "apt-get update"
	as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq </dev/null >&2 ||
		note "apt-get update failed; going on with the package lists there are"
	mkdir -p "$POOLALLOC_BUILD" && : >"$stamp"
}

# field PACKAGE FIELD: of the version that apt would install.
apt_field() {
	apt-cache show --no-all-versions "$1" 2>/dev/null | sed -n "s/^$2: //p" | head -n 1
}
