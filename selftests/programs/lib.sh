# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Sourced by programs.sh: Debian packages unpacked under build/, and running one job twice, with
# glibc's malloc and with poolalloc's.
# shellcheck shell=bash

programs=$POOLALLOC_BUILD/programs

# make_library: builds libpoolalloc-malloc.so; sets $library.
make_library() {
	local out=$programs/lib

	mkdir -p "$out"
	(
		lock "$out/.lock"
		make --no-print-directory -C "$POOLALLOC_ROOT/userspace" O="$out" GEOMETRY=seed \
			"$out/libpoolalloc-malloc.so" >"$out/build.log" 2>&1 </dev/null
	) || { cat "$out/build.log"; die "the library does not build"; }
	library=$out/libpoolalloc-malloc.so
}

# Symbolic links to absolute names would leave the unpacked tree.
fix_links() {
	local link

	find "$1" -type l -lname '/*' | while read -r link; do
		[ -e "$1$(readlink "$link")" ] && ln -sfn "$1$(readlink "$link")" "$link"
	done
	return 0
}

# unpack NAME PACKAGE...: these packages and what they need that is not installed, in the tree $root;
# nothing is installed. Fails with a reason in $why.
unpack() {
	local name=$1 needed pkg

	shift
	root=$programs/$name
	[ -f "$root/.done" ] && [ "$(cat "$root/.done")" = "$*" ] && return 0
	command -v apt-get >/dev/null || { why="this is not Debian"; return 1; }
	mkdir -p "$programs/deb"
	apt_refresh
	needed=$(apt-get install -s -qq --no-install-recommends "$@" 2>/dev/null |
		sed -n 's/^Inst \([^ ]*\).*/\1/p')
	rm -rf "$root" && mkdir -p "$root/.deb" || return 1
	# shellcheck disable=SC2046,SC2086 # lists of words
	(cd "$root/.deb" && apt-get download -qq $(printf '%s\n' "$@" $needed |
		sort -u)) \
		</dev/null >"$root/.log" 2>&1 || { why="cannot download: $(tail -n 1 "$root/.log")"; return 1; }
	for pkg in "$root"/.deb/*.deb; do
		dpkg-deb -x "$pkg" "$root" || { why="cannot unpack ${pkg##*/}"; return 1; }
	done
	rm -rf "$root/.deb"
	fix_links "$root"
	echo "$*" >"$root/.done"
}

# Puts the tree $root first on the paths.
use_root() {
	local lib=$root/usr/lib/x86_64-linux-gnu

	PATH=$root/usr/bin:$root/usr/sbin:$PATH
	LD_LIBRARY_PATH=$lib:$root/lib/x86_64-linux-gnu:$lib/pulseaudio:$lib/blas:$lib/lapack${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
	export PATH LD_LIBRARY_PATH
}

# run_job WHICH JOB...: in a directory of its own; prints what the job prints, then its status.
run_job() {
	local which=$1 dir=$work/$2.$1

	shift
	mkdir -p "$dir"
	(
		cd "$dir" || exit 1
		HOME=$dir TMPDIR=$dir LC_ALL=C.UTF-8 TZ=UTC
		export HOME TMPDIR LC_ALL TZ
		unset POOLALLOC
		if [ "$which" = ours ]; then
			export LD_PRELOAD=$library POOLALLOC=stats=$work/$1.stats
		fi
		"$@"
		echo "status $?"
	) >"$work/$1.$which.out" 2>"$work/$1.$which.err" </dev/null
}

# What a job wrote is kept; of Python's tests, what each failure says is shown too.
show_failure() {
	local log=$programs/log

	mkdir -p "$log" && cp "$work/$1".*.out "$work/$1".*.err "$log/"
	diff "$work/$1.plain.out" "$work/$1.ours.out" | head -n 40
	grep -E -A 40 '^(ERROR|FAIL): ' "$work/$1.ours.err" | head -n 200
	echo "stderr under poolalloc, whole in $log/$1.ours.err:"
	tail -n 40 "$work/$1.ours.err"
}

# program NAME JOB...: one result: the job prints the same and ends the same with both, it succeeds,
# and poolalloc was really in use.
program() {
	local name=$1 job=$2 start=$SECONDS

	[ -z "$only" ] || [[ "$name" =~ $only ]] || return 0
	shift
	: >"$work/$job.stats"
	chmod 666 "$work/$job.stats"
	rm -rf "$work/$job.plain" "$work/$job.ours"
	run_job plain "$@"
	run_job ours "$@"
	if ! cmp -s "$work/$job.plain.out" "$work/$job.ours.out"; then
		show_failure "$job" | sed 's/^/# /'
		tap_ok 1 "$name: the same output and exit status as with glibc"
	elif ! tail -n 1 "$work/$job.plain.out" | grep -qx 'status 0'; then
		{ tail -n 20 "$work/$job.plain.out" "$work/$job.plain.err"; } | sed 's/^/# /'
		tap_ok 1 "$name: fails with glibc too, so there is nothing to compare"
	elif ! grep -q '^arenas' "$work/$job.stats"; then
		tap_ok 1 "$name: poolalloc was not in use"
	elif grep -q '^poolalloc: ' "$work/$job.ours.err"; then
		grep '^poolalloc: ' "$work/$job.ours.err" | head | sed 's/^/# /'
		tap_ok 1 "$name: poolalloc complained"
	else
		tap_ok 0 "$name: the same output and exit status as with glibc ($((SECONDS - start)) s)"
	fi
	rm -rf "$work/$job.plain" "$work/$job.ours"
}

skip_program() {
	[ -z "$only" ] || [[ "$1" =~ $only ]] || return 0
	tap_skip "$1" "$2"
}
