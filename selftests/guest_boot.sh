#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# lib/qemu.sh with a machine that hangs or stops: before init it is started once more, afterwards it has
# failed, unless nothing says that it was our fault. The machine is a script, told what to do by a file: one
# word for each start.
set -u
. "$(dirname "$0")/lib/common.sh"
. "$LIB_DIR/tap.sh"

[ -d "$POOLALLOC_ROOT/kmod" ] || tap_skip_all "needs the project's checkout: give POOLALLOC_ROOT=DIR"
kernel=6.12
"$LIB_DIR/kernel.sh" $kernel >/dev/null || tap_skip_all "no kernel $kernel"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
export STARTS=$work/starts

cat >"$work/qemu-system-x86_64" <<'MACHINE'
#!/bin/bash
ports=()
for arg; do
	case "$arg" in
	file:*) ports+=("${arg#file:}") ;;
	pipe,*) monitor=${arg#*path=}.in ;;
	esac
done
echo "[    0.0] Linux version" >"${ports[0]}"
read -r word <"$STARTS"
sed -i 1d "$STARTS"
case "$word" in
silent) exec sleep 1000 ;;
mute) exec sleep 20 ;;
slow) for i in 1 2 3 4 5 6 7 8; do sleep 1; echo "[    $i.0] line" >>"${ports[0]}"; done ;;
panic) echo "[    1.0] Kernel panic - not syncing" >>"${ports[0]}"; exit 0 ;;
esac
echo "guest: up 6.12" >"${ports[1]}"
echo "guest: begin command" >>"${ports[1]}"
echo "[    2.0] guest: begin command" >>"${ports[0]}"
case "$word" in
blocked|ours|stuck)
	[ "$word" != blocked ] ||
		echo "[   99.0] INFO: task rmmod:99 blocked for more than 120 seconds." >>"${ports[0]}"
	while [ "$line" != nmi ]; do read -r line; done <"$monitor"
	echo "[  999.0] Kernel panic - not syncing: NMI: Not continuing" >>"${ports[0]}"
	[ "$word" != ours ] || echo "[  999.0]  pa_refill+0x1/0x2 [poolalloc]" >>"${ports[0]}"
	exit 0 ;;
deaf) exec sleep 1000 ;;
esac
[ "$word" != dead ] || exit 0
printf 'it ran\nguest: end command 0\nguest: done\n' >>"${ports[1]}"
MACHINE
chmod +x "$work/qemu-system-x86_64"

# starts STATUS LEFT WORD...: of these starts so many are left over, and this is the guest's status.
starts() {
	local want=$1 left=$2 status

	shift 2
	printf '%s\n' "$@" >"$STARTS"
	PATH=$work:$PATH GUEST_PATIENCE=8 "$LIB_DIR/qemu.sh" --kernel $kernel --timeout 600 --each 3 \
		-- true >"$work/out" 2>&1
	status=$?
	cat "$work/out"
	echo "status $status, left: $(wc -l <"$work/starts")"
	[ "$status" = "$want" ] && [ "$(wc -l <"$work/starts")" = "$left" ]
}
again() { grep -c '^# the guest was started again' "$work/out"; }

boots() { starts 0 1 works works && [ "$(again)" = 0 ]; }
hangs_once() { starts 0 0 silent works && [ "$(again)" = 1 ] && grep -q '^it ran' "$work/out"; }
hangs_twice() { starts 99 1 silent mute works && [ "$(again)" = 1 ]; }
is_slow() { starts 0 1 slow works && [ "$(again)" = 0 ]; }
hangs_later() {
	starts 99 1 "$1" works && [ "$(again)" = 0 ] &&
		grep -q '^# the guest was stopped: for 11 s no command had begun or ended' "$work/out"
}
loses_its_clock() { starts 0 0 stuck works && [ "$(again)" = 1 ]; }
loses_it_twice() { starts 99 1 deaf stuck works && [ "$(again)" = 1 ]; }
panics_later() { starts 99 1 dead works && [ "$(again)" = 0 ]; }
panics_once() { starts 0 0 panic works && [ "$(again)" = 1 ] && grep -q '^it ran' "$work/out"; }
panics_twice() { starts 99 1 panic panic works && [ "$(again)" = 1 ]; }

tap_start
tap_run "a guest that boots is started once" boots
tap_run "one that hangs while it boots is started again" hangs_once
tap_run "once" hangs_twice
tap_run "what is slow but goes on is left alone" is_slow
tap_run "what hangs after init is stopped, and has failed if the kernel had said why" hangs_later blocked
tap_run "or if a module was running" hangs_later ours
tap_run "else it is started again" loses_its_clock
tap_run "once" loses_it_twice
tap_run "so has what panics then" panics_later
tap_run "a guest that panics while it boots is started again" panics_once
tap_run "once, too" panics_twice
tap_finish
