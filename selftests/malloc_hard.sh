#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Where replacements of malloc break.
set -u
. "$(dirname "$0")/lib/common.sh"
. "$LIB_DIR/tap.sh"
. "$SELFTESTS_DIR/malloc/lib.sh"

shared_cases="constructors keys dlsym teardown atexit fork fork-frees spawn rlimit wrong"
static_cases="constructors keys teardown atexit fork fork-frees spawn rlimit wrong"

# Libraries that are initialised before ours, with constructors that allocate.
early_library() {
	compile early.so plugin.c -DEARLY -shared -fPIC -Wl,-z,initfirst
}

in_front() {
	LD_PRELOAD=$work/early.so:$(lib libpoolalloc-malloc.so) "$@"
}

options_of_library() {
	local so out=$work/options.out err=$work/options.err

	so=$(lib libpoolalloc-malloc.so)
	POOLALLOC=colour=red,limit=1M LD_PRELOAD=$so "$work/hard" unlimited >"$out" 2>"$err"
	[ $? = 1 ] || { echo "limit=1M after a mistake is not obeyed"; return 1; }
	[ "$(grep -c '^POOLALLOC: unknown key .colour.; known are .*; the default is used$' "$err")" = 1 ] ||
		{ cat "$err"; return 1; }
	POOLALLOC=purge_delay=soon LD_PRELOAD=$so /bin/true 2>"$err" || return 1
	[ "$(grep -c "^POOLALLOC: bad value 'soon' for purge_delay; it takes milliseconds or never" "$err")" = 1 ] &&
		[ "$(wc -l <"$err")" = 1 ] || { cat "$err"; return 1; }
	POOLALLOC=debug=1 LD_PRELOAD=$so /bin/true 2>"$err" || return 1
	grep -q 'debug; it takes reserved' "$err" || { cat "$err"; return 1; }
	POOLALLOC='' LD_PRELOAD=$so /bin/true 2>"$err" && [ ! -s "$err" ]
}

good_options() {
	local one err=$work/options.err

	for one in purge_delay=0 purge_delay=never purge_delay=250 limit=1G limit=500000000 arena_reserve=0 \
		arena_reserve=99 thp=auto thp=always thp=never fail_nth=0 system system=on \
		thp=never,limit=2g,purge_delay=7; do
		POOLALLOC=$one LD_PRELOAD=$(lib libpoolalloc-malloc.so) "$work/hard" constructors \
			>/dev/null 2>"$err" && [ ! -s "$err" ] || { echo "$one:"; cat "$err"; return 1; }
	done
}

statistics() {
	local so file=$work/stats

	so=$(lib libpoolalloc-malloc.so)
	rm -f "$file"
	POOLALLOC=stats=$file LD_PRELOAD=$so /bin/true && grep -q '^arenas' "$file" || return 1
	# Programs that look at their descriptors find none of ours.
	POOLALLOC=stats=$work/more LD_PRELOAD=$so ls /proc/self/fd >"$work/fds" || return 1
	ls /proc/self/fd >"$work/fds.plain"
	cmp -s "$work/fds.plain" "$work/fds" || return 1
	POOLALLOC=stats=exit LD_PRELOAD=$so /bin/true 2>"$work/err" || return 1
	grep -q '^arenas' "$work/err" && [ "$(grep -c . "$work/err")" = "$(grep -c . "$file")" ] || return 1
	POOLALLOC=stats=/nonexistent/x LD_PRELOAD=$so /bin/true 2>"$work/err" || return 1
	grep -q '^poolalloc: cannot open' "$work/err"
}

# Statistics of the heap show that the system option leaves it unused.
system_option() {
	POOLALLOC=system,stats=exit LD_PRELOAD=$(lib libpoolalloc-malloc.so) "$work/hard" constructors \
		>"$work/out" 2>"$work/err" || { cat "$work/out" "$work/err"; return 1; }
	grep -q '^arenas 0 ' "$work/err" || { head -n 5 "$work/err"; return 1; }
}

wrapper_refuses() {
	local status wrapper

	wrapper=$(lib poolalloc)
	for arg in colour=red limit=0 limit=12Q purge_delay=-1 thp=maybe arena_reserve= debug=1 fail_nth=x stats=; do
		"$wrapper" "$arg" -- /bin/true >"$work/out" 2>"$work/err"
		status=$?
		[ "$status" = 2 ] && [ "$(wc -l <"$work/err")" = 1 ] && grep -q '^poolalloc: ' "$work/err" ||
			{ echo "$arg: status $status"; cat "$work/err"; return 1; }
	done
	POOLALLOC=colour=red "$wrapper" -- /bin/true 2>"$work/err"
	[ $? = 2 ] || return 1
	"$wrapper" thp=never 2>/dev/null
	[ $? = 2 ]
}

wrapper_runs() {
	local wrapper out

	wrapper=$(lib poolalloc)
	"$wrapper" -- sh -c 'exit 7'
	[ $? = 7 ] || return 1
	"$wrapper" -- /nonexistent 2>/dev/null
	[ $? = 127 ] || return 1
	"$wrapper" -- /etc/passwd 2>/dev/null
	[ $? = 126 ] || return 1
	out=$(LD_PRELOAD=$work/early.so POOLALLOC=thp=never "$wrapper" purge_delay=9 arena_reserve=3 -- \
		sh -c 'echo "$LD_PRELOAD $POOLALLOC"') || return 1
	case "$out" in
	"$work/early.so:"*"/libpoolalloc-malloc.so thp=never,purge_delay=9,arena_reserve=3") ;;
	*) echo "$out"; return 1 ;;
	esac
	"$wrapper" limit=1M -- "$work/hard" unlimited >/dev/null 2>&1
	[ $? = 1 ] && "$wrapper" -- "$work/hard" unlimited >/dev/null
}

# A program with other rights than its caller's must not believe its environment.
setuid_ignores() {
	chmod 755 "$work" && cp "$work/hard-static" "$work/hard-setuid" && : >"$work/setuid.stats" &&
		chmod 666 "$work/setuid.stats" || return 1
	as_user() {
		POOLALLOC=limit=1M,stats=$work/setuid.stats setpriv --reuid=65534 --regid=65534 \
			--clear-groups "$@"
	}
	as_user "$work/hard-setuid" unlimited >/dev/null 2>&1
	[ $? = 1 ] && [ -s "$work/setuid.stats" ] || { echo "without setuid the options are ignored"; return 1; }
	: >"$work/setuid.stats"
	chown 0:0 "$work/hard-setuid" && chmod 4755 "$work/hard-setuid" || return 1
	as_user "$work/hard-setuid" unlimited || { echo "the limit of the environment was obeyed"; return 1; }
	[ ! -s "$work/setuid.stats" ] || { echo "statistics were written"; return 1; }
}

# Settings of a whole system are changed in a virtual machine only.
in_guest() {
	QUIET=1 "$LIB_DIR/qemu.sh" --kernel 6.12 --mem 512M --timeout 600 --file "$work/hard-static" -- "$1" \
		>"$work/guest.out" 2>&1
	grep -a '^# ' "$work/guest.out" | tr -d '\r'
	grep -aq "^ok 1 $2" "$work/guest.out" || { tail -n 30 "$work/guest.out"; return 1; }
}

guest_cases() {
	if ! command -v qemu-system-x86_64 >/dev/null; then
		tap_skip "vm.overcommit_memory=2" "no qemu-system-x86_64"
		tap_skip "a low vm.max_map_count" "no qemu-system-x86_64"
		return
	fi
	tap_run "[$geometry, static] vm.overcommit_memory=2" in_guest \
		'echo 2 >/proc/sys/vm/overcommit_memory; ./hard-static overcommit' overcommit
	tap_run "[$geometry, static] a low vm.max_map_count" in_guest \
		'echo 300 >/proc/sys/vm/max_map_count; ./hard-static maps' maps
}

early_library
mkdir "$work/inner"
# shellcheck disable=SC2016 # for the dynamic linker
compile plugin.so plugin.c -shared -fPIC -Wl,-rpath,'$ORIGIN/inner'
compile inner/inner.so plugin.c -shared -fPIC
compile hard hard.c
compile urcu-bp urcu.c -lurcu-bp -lurcu-common
compile urcu-memb urcu.c -DMEMB -lurcu-memb -lurcu-common
tap_start
for geometry in seed modern; do
	make_library "$geometry"
	compile_static hard-static hard.c
	for name in $shared_cases; do
		pass_on "$geometry" preload "" "$work/hard" "$name"
	done
	for name in $static_cases; do
		pass_on "$geometry, static" "$work/hard-static" "$name"
	done
	for name in constructors keys fork; do
		pass_on "$geometry, after another library" in_front "$work/hard" "$name"
	done
	for name in fork teardown spawn; do
		pass_on "$geometry, purge_delay=0" preload purge_delay=0 "$work/hard" "$name"
	done
	pass_on "$geometry" preload "" "$work/hard" dlclose "$work/plugin.so"
	pass_on "$geometry" preload "" "$work/hard" deepbind "$work/plugin.so"
	pass_on "$geometry, system" preload system "$work/hard" deepbind "$work/plugin.so"
	pass_on "$geometry" "$work/hard" late "$(lib libpoolalloc-malloc.so)"
	pass_on "$geometry, limit=64M" preload limit=64M "$work/hard" limit
	pass_on "$geometry, urcu-bp" preload "" "$work/urcu-bp"
	pass_on "$geometry, urcu-memb" preload "" "$work/urcu-memb"
	[ "$geometry" = modern ] && modern=-DPA_GEOMETRY_MODERN || modern=
	# shellcheck disable=SC2086 # empty or one word
	compile_static signals signals.c $modern -I"$POOLALLOC_ROOT/userspace" -I"$POOLALLOC_ROOT/common"
	pass_on "$geometry, static" "$work/signals"
	guest_cases
done
make_library seed
compile_static hard-static hard.c
tap_run "library: a mistake in POOLALLOC is one warning, the rest is obeyed" options_of_library
tap_run "library: what the options take" good_options
tap_run "library: stats=exit and stats=FILE" statistics
tap_run "library: system leaves the heap unused" system_option
tap_run "wrapper: a mistake is one line and status 2" wrapper_refuses
tap_run "wrapper: appends to LD_PRELOAD and POOLALLOC, passes statuses on" wrapper_runs
if [ "$(id -u)" != 0 ]; then
	tap_skip "setuid: the environment is ignored" "needs root"
elif findmnt -no OPTIONS -T "$work" | grep -qw nosuid; then
	tap_skip "setuid: the environment is ignored" "${work%/*} is mounted nosuid"
else
	tap_run "setuid: the environment is ignored" setuid_ignores
fi
tap_finish
