#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# qemu.sh [OPTION]... -- COMMAND [ARG]...      one command in a guest
# qemu.sh [OPTION]... --run FILE               several: lines "NAME COMMAND..."
#
# Boots a Debian kernel in QEMU without KVM and runs the commands there, in /test. Prints what they
# print. Exit status: the (first failing) command's own; 98 when the kernel reported something
# (an oops, a warning, lockdep, a stall), which is shown; 99 when the guest died or took too long.
#
#   --kernel VERSION   6.1, 6.12, … as lib/kernel.sh takes it (default 6.12)
#   --file SRC[:DST]   a file for the guest (default destination /test/); repeatable
#   --kmod NAME        a module of that kernel, with its dependencies, for modprobe; repeatable
#   --env NAME=VALUE   environment of the commands; repeatable
#   --smp N (2)  --mem SIZE (1G)  --append 'KERNEL PARAMETERS'
#   --timeout SECONDS  for all of it (900);  --each SECONDS  for one command (600), by the guest's clock
#   --icount           a guest nanosecond is one instruction; forces one CPU
#   --numa             two nodes, half of the CPUs and of the memory each
#   --allow REGEX      a report whose text matches is expected (tests that provoke one)
#   --console FILE     keep the kernel's log there;  --output FILE  and the commands' output there
#   --qemu 'ARGS'      more arguments for QEMU
#   --verbose          the kernel's log on stderr while it runs
#
# A kernel that falls silent or stops while it boots, before its init runs and anything of ours is
# loaded, is started once more, with a line that says so. GUEST_PATIENCE=N (300): what counts as silence.
# A command that is over its time is killed, in the guest; a guest that does not get to that is stopped so much
# later, by an interrupt that makes it panic: its log then tells where it was. If the kernel, which looks for
# tasks and CPUs that are stuck, had said nothing until then, and none of its CPUs is in a module, then
# the machine has lost its clock: it is started once more, too.
set -u
. "$(dirname "$0")/common.sh"

kernel=6.12 smp=2 mem=1G append= timeout=900 each=600 icount= numa= allow= console= output= run=
verbose=${V:-} qemu_more=
files=() kmods=() envs=()

while [ $# -gt 0 ]; do
	case "$1" in
	--) shift; break ;;
	--icount) icount=1; shift; continue ;;
	--numa) numa=1; shift; continue ;;
	--verbose) verbose=1; shift; continue ;;
	esac
	[ $# -ge 2 ] || die "option $1 is unknown or needs a value"
	case "$1" in
	--kernel) kernel=$2 ;;
	--file) files+=("$2") ;;
	--kmod) kmods+=("$2") ;;
	--env) envs+=("$2") ;;
	--smp) smp=$2 ;;
	--mem) mem=$2 ;;
	--append) append=$2 ;;
	--timeout) timeout=$2 ;;
	--each) each=$2 ;;
	--allow) allow=$2 ;;
	--console) console=$2 ;;
	--output) output=$2 ;;
	--run) run=$2 ;;
	--qemu) qemu_more=$2 ;;
	*) die "unknown option $1" ;;
	esac
	shift 2
done
[ -n "$run" ] || [ $# -gt 0 ] || die "nothing to run: give --run FILE or -- COMMAND"
command -v qemu-system-x86_64 >/dev/null || die "needs qemu-system-x86 (lib/deps.sh kernel)"

settings=$("$LIB_DIR/kernel.sh" "$kernel") || exit 1
eval "$settings"

work=$(mktemp -d) || die "no temporary directory"
qemu_pid=
cleanup() {
	# timeout passes this signal on, and would leave QEMU behind if it were killed.
	[ -n "$qemu_pid" ] && kill -TERM "$qemu_pid" 2>/dev/null
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

: "${console:=$work/console}" "${output:=$work/output}"

prepare_run() {
	local e

	echo "export GUEST_TIMEOUT=$each" >"$work/env"
	for e in "${envs[@]}"; do
		printf 'export %s=%q\n' "${e%%=*}" "${e#*=}" >>"$work/env"
	done
	if [ -n "$run" ]; then
		cp "$run" "$work/run" || die "cannot read $run"
	else
		printf 'command %s\n' "$*" >"$work/run"
	fi
}

prepare_initramfs() {
	local args=(-f "$work/run:/test/run" -f "$work/env:/test/env") x

	for x in "${files[@]}"; do args+=(-f "$x"); done
	if [ ${#kmods[@]} -gt 0 ]; then
		args+=(-b "${MODULES%/lib/modules/*}:$KVER")
		for x in "${kmods[@]}"; do args+=(-k "$x"); done
	fi
	"$LIB_DIR/mkinitramfs.sh" "$work/initramfs" "${args[@]}" || exit 1
}

# The helper of QEMU 7.2 for cmpxchg16b computes the flags that the instruction leaves alone from a
# stale idea of where they are. An interrupt right behind it saves that garbage, and its return is a
# double fault: under a storm of timers a matter of seconds, since SLUB's fast paths are made of
# this instruction. The kernel has another way for CPUs without it. With --icount few interrupts
# come, and what SLUB costs is measured: there it stays.
qemu_args() {
	# Under TCG a CPU can be away for seconds: the watchdogs must not take that for a stall, nor
	# the check of the timer at the start for a broken one.
	local cpu line="console=ttyS0,115200 panic=-1 oops=panic mitigations=off nokaslr"

	line+=" rcupdate.rcu_cpu_stall_timeout=300 watchdog_thresh=60 workqueue.watchdog_thresh=0"
	line+=" no_timer_check unknown_nmi_panic panic_print=0x40"
	line+=" printk.always_kmsg_dump=1 printk.devkmsg=on loglevel=7 tsc=unstable"
	[ -n "$icount" ] && cpu=max || cpu=max,-cx16
	args=(-accel tcg -cpu "$cpu" -m "$mem" -nographic -no-reboot -nodefaults
		-chardev "pipe,id=monitor,path=$work/monitor" -mon "chardev=monitor,mode=readline"
		-kernel "$VMLINUZ" -initrd "$work/initramfs"
		-serial "file:$console" -serial "file:$output")
	if [ -n "$icount" ]; then
		args=("${args[@]}" -smp 1 -icount "shift=0,sleep=off")
		line+=" tsc=reliable"
	else
		args+=(-smp "$smp")
	fi
	[ -n "$numa" ] && numa_args
	# shellcheck disable=SC2206 # words
	args+=($qemu_more)
	args+=(-append "$line $append")
}

numa_args() {
	local bytes half cpus=$((smp / 2)) first second

	bytes=$(numfmt --from=iec "$mem") || die "bad --mem $mem"
	first="cpus=0-$((cpus - 1))" second=",cpus=$cpus-$((smp - 1))"
	# With one CPU the second node has memory only.
	[ -n "$icount" ] && first="cpus=0" second=
	[ -n "$icount" ] || [ "$smp" -ge 2 ] || die "--numa needs at least two CPUs"
	half=$((bytes / 2))
	args+=(-object "memory-backend-ram,id=m0,size=$half" -object "memory-backend-ram,id=m1,size=$half"
		-numa "node,nodeid=0,memdev=m0,$first" -numa "node,nodeid=1,memdev=m1$second")
}

# QEMU's own parent is this shell, so that a killed test leaves no guest behind.
start_guest() {
	: >"$console" && : >"$output" || die "cannot write $console"
	rm -f "$work"/monitor.* && mkfifo "$work/monitor.in" "$work/monitor.out" || die "no pipes in $work"
	timeout --foreground -k 5 "$timeout" qemu-system-x86_64 "${args[@]}" </dev/null \
		>"$work/qemu.log" 2>&1 &
	qemu_pid=$!
	tail_pid=
	[ -n "$verbose" ] && { tail -n +1 -f --pid="$qemu_pid" "$console" >&2 & tail_pid=$!; }
}

end_guest() {
	wait "$qemu_pid"
	qemu_status=$?
	qemu_pid=
	[ -n "$tail_pid" ] && wait "$tail_pid" 2>/dev/null
	sed -i 's/\r//g' "$console" "$output"
}

# Waits until init is up. False if QEMU is gone before, or if the kernel's log has not grown for so many
# looks: looks, which a slow machine takes more slowly, too.
comes_up() {
	local looks=0 size=0 now

	while kill -0 "$qemu_pid" 2>/dev/null; do
		grep -q '^guest: up' "$output" && return
		now=$(stat -c %s "$console")
		[ "$now" = "$size" ] && looks=$((looks + 1)) || looks=0 size=$now
		[ "$looks" -lt "$patience" ] || return 1
		sleep 1
	done
	grep -q '^guest: up' "$output"
}

# Waits until QEMU is gone. False if for more looks than a command may take seconds none has begun or ended.
runs_on() {
	local looks=0 marks=0 now

	while kill -0 "$qemu_pid" 2>/dev/null; do
		now=$(grep -c '^guest: ' "$output")
		[ "$now" = "$marks" ] && looks=$((looks + 1)) || looks=0 marks=$now
		[ "$looks" -lt $((each + patience)) ] || return 1
		sleep 1
	done
}

# Where its CPUs are, from QEMU, then the kernel's own word, if it still takes an interrupt. What QEMU says stays
# in the pipe until the end: a reader in the background, killed before it is more than a copy of this shell, would
# run this shell's traps and remove $work.
stop_guest() {
	local looks=0 monitor

	exec {monitor}<>"$work/monitor.out"
	printf 'info registers -a\nnmi\n' 1<>"$work/monitor.in"
	while kill -0 "$qemu_pid" 2>/dev/null && [ $((looks++)) -lt 20 ]; do sleep 1; done
	kill -TERM "$qemu_pid" 2>/dev/null
	dd iflag=nonblock bs=64K <&"$monitor" 2>/dev/null | tr -d '\r' | grep -aE '^(CPU#|[ER]IP=)' |
		sed 's/^/# stopped at: /'
	exec {monitor}<&-
}

# Did the machine stop by itself? Not if the kernel had reported something, or if a CPU is in a module.
lost_its_clock() {
	sed '/Kernel panic - not syncing: NMI/,$d' "$console" >"$work/before"
	[ -z "$("$LIB_DIR/console_reports.awk" -v allow="$allow" "$work/before")" ] &&
		! sed -n '/Kernel panic - not syncing: NMI/,$p' "$console" | grep -qE '\+0x[0-9a-f]+/0x[0-9a-f]+ \['
}

# start_again WHY: for once; what it had said is kept.
start_again() {
	local kept=$POOLALLOC_BUILD/selftests/log/console-hung-$KVER

	echo "# the guest was started again: $KVER $1; it had said: $(tail -n 1 "$console")"
	mkdir -p "${kept%/*}" && cp "$console" "$kept"
	start_guest
}

# If it was only slow, the second start, which is given more time, costs time and nothing else. And TCG with
# two CPUs once in a while runs an instruction that the kernel is just patching: an oops at some jump label.
boot() {
	local patience=${GUEST_PATIENCE:-300} again=

	qemu_args
	start_guest
	if ! comes_up; then
		kill -TERM "$qemu_pid" 2>/dev/null
		end_guest
		again=1
		start_again "had hung or stopped before init"
	fi
	while ! runs_on; do
		echo "# the guest was stopped: for $((each + patience)) s no command had begun or ended"
		stop_guest
		end_guest
		[ -z "$again" ] && lost_its_clock || return 0
		again=1
		start_again "had stopped by itself"
	done
	end_guest
}

# The guest's own status: of the first command that failed.
guest_status() {
	if ! grep -qx 'guest: done' "$output"; then
		echo 99
		return
	fi
	sed -n 's/^guest: end [^ ]* \([0-9]*\)$/\1/p' "$output" | grep -vxm1 0 || echo 0
}

prepare_run "$@"
prepare_initramfs
boot
grep -v '^guest: ' "$output"
reports=$("$LIB_DIR/console_reports.awk" -v allow="$allow" "$console")
status=$(guest_status)

if [ -n "$reports" ]; then
	echo "# the kernel reported:"
	printf '%s\n' "$reports" | sed 's/^/#   /'
fi
if [ "$status" = 99 ]; then
	echo "# the guest ($KVER) did not reach its end (QEMU's status $qemu_status); the log's last lines:"
	tail -n 30 "$console" | sed 's/^/#   /'
	sed 's/^/#   qemu: /' "$work/qemu.log"
	exit 99
fi
[ -z "$reports" ] || exit 98
exit "$status"
