#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# guest.sh KERNEL [-g GEOMETRY] [-b BACKEND] [-o 'QEMU.SH OPTIONS'] [NAME...]: runs the scripts selftests/guest/*.sh
# (all, or those named) in guests of that kernel and prints KTAP, one nested test per script.
#
# Scripts with the same options share a boot. Options stand in a script's comment lines:
#   # guest: smp=4 mem=512M numa icount own timeout=600 kernels="6.1 6.12" kmod=NAME
#   # guest: append="KERNEL PARAMETERS" allow="REGEX" backend=pool
# own: a boot of its own; kernels: only for these ("6.1" means 6.1-rt too); backend: not when -b asks
# for another one (a script loads the module with the one that -b says, or the default). A script
# that is not for this run is left out, or skipped if it was named.
# Each script finds the modules of its kernel, and the files of selftests/guest/, in its directory.
set -u
. "$(dirname "$0")/common.sh"

[ $# -ge 1 ] || die "usage: guest.sh KERNEL [-g GEOMETRY] [-b BACKEND] [-o 'OPTIONS'] [NAME...]"
kernel=$1 geometry=seed backend= more=
shift
while getopts g:b:o: opt; do
	case "$opt" in
	g) geometry=$OPTARG ;;
	b) backend=$OPTARG ;;
	o) more=$OPTARG ;;
	*) exit 1 ;;
	esac
done
shift $((OPTIND - 1))

guest_dir=$SELFTESTS_DIR/guest
# Kernels that check themselves take longer: timeouts are multiplied by the first, loops divided by the second.
case "$kernel" in
*-kasan*) slowness=5 scale=10 ;;
*-kcsan*) slowness=5 scale=5 ;;
*) slowness=1 scale=1 ;;
esac
work=$(mktemp -d) || die "no temporary directory"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# Sets the variables of one script's options.
read_options() {
	local words

	smp=2 mem=1G numa= icount= own= timeout=600 kernels= kmod= append= allow= only_backend=
	words=$(sed -n 's/^# guest: //p' "$1")
	eval "set -- $words" || die "$1: bad '# guest:' line"
	for word; do
		case "$word" in
		numa|icount|own) eval "$word=1" ;;
		smp=*|mem=*|timeout=*|kernels=*|kmod=*|append=*|allow=*)
			printf -v "${word%%=*}" %s "${word#*=}" ;;
		backend=*) only_backend=${word#*=} ;;
		*) die "$1: unknown guest option '$word'" ;;
		esac
	done
}

wanted_here() {
	local k

	[ -z "$backend" ] || [ "$backend" = "${only_backend:-$backend}" ] || return 1
	[ -n "$kernels" ] || return 0
	for k in $kernels; do
		case "$kernel" in "$k"|"$k"-*) return 0 ;; esac
	done
	return 1
}

# The scripts of one boot, with the same options, are lines of $work/batch.N; $work/options.N has them.
plan() {
	local script name key n

	total=0 batches=0
	for script in "$guest_dir"/*.sh; do
		name=$(basename "$script" .sh)
		[ $# = 0 ] || [[ " $* " = *" $name "* ]] || continue
		read_options "$script"
		[ $# != 0 ] || wanted_here || continue
		total=$((total + 1))
		if ! wanted_here; then
			echo "$name" >>"$work/unwanted"
			continue
		fi
		printf -v key '%s\037' "$smp" "$mem" "$numa" "$icount" "$kmod" "$append" "$allow" "${own:+$name}"
		for ((n = 0; n < batches; n++)); do
			[ "$(cat "$work/key.$n")" = "$key" ] && break
		done
		[ "$n" -lt "$batches" ] || {
			echo "$key" >"$work/key.$n"
			batches=$((batches + 1))
		}
		printf '%s sh %s.sh\n' "$name" "$name" >>"$work/batch.$n"
		echo $((timeout * slowness)) >>"$work/timeouts.$n"
	done
	[ "$total" -gt 0 ] || die "no guest script matches: $*"
}

boot_options() {
	local smp mem numa icount kmod append allow name

	IFS=$'\037' read -r smp mem numa icount kmod append allow name <"$work/key.$1"
	opts=(--kernel "$kernel" --smp "$smp" --mem "$mem" --append "$append" --allow "$allow"
		--timeout "$(awk '{ s += $1 } END { print s + 300 }' "$work/timeouts.$1")"
		--each "$(sort -n "$work/timeouts.$1" | tail -n 1)"
		--env "POOLALLOC_GEOMETRY=$geometry" --env "POOLALLOC_BACKEND=$backend"
		--env "TEST_SEED=${TEST_SEED:-$RANDOM$RANDOM}" --env "TEST_SCALE=${TEST_SCALE:-$scale}")
	[ -n "${HOTPLUG_CYCLES:-}" ] && opts+=(--env "HOTPLUG_CYCLES=$HOTPLUG_CYCLES")
	[ -n "$numa" ] && opts+=(--numa)
	[ -n "$icount" ] && opts+=(--icount)
	[ -n "$kmod" ] && opts+=(--kmod "$kmod")
	for file in "$modules"/*.ko "$modules"/selftests/modules/*.ko "$modules"/kmod/examples/*.ko \
		"$LIB_DIR/tap.sh" "$guest_dir"/*; do
		[ -f "$file" ] && opts+=(--file "$file")
	done
}

# report NAME: the nested test of one script, from a boot's output.
report() {
	local name=$1 status lines reports result="ok" counts

	number=$((number + 1))
	lines=$(sed -n "/^guest: begin $name\$/,/^guest: end $name /p" "$work/output" | grep -v '^guest: ')
	status=$(sed -n "s/^guest: end $name \([0-9]*\)\$/\1/p" "$work/output")
	reports=$(awk -v allow="$allow_now" -f "$LIB_DIR/console_reports.awk" "$work/console" |
		awk -v me="[$name]" '/^\[[^] ]*\]$/ { mine = ($0 == me); next } mine')
	echo "  # Subtest: $name"
	[ -z "$lines" ] || printf '%s\n' "$lines" | sed 's/^/  /'
	case "$status" in
	0|4) ;;
	'') result="not ok"
		echo "  # the guest died or took too long in $name"
		[ -n "$reports" ] || {
			echo "  # the kernel's log ends:"
			tail -n 40 "$work/console" | sed 's/^/  #   /'
		} ;;
	*) result="not ok"
		echo "  # exit status $status" ;;
	esac
	if [ -n "$reports" ]; then
		echo "  not ok - the kernel reported something in $name"
		printf '%s\n' "$reports" | sed 's/^/  #   /'
		result="not ok"
		cp "$work/console" "$POOLALLOC_BUILD/selftests/log/console-$kernel-$geometry-$name" 2>/dev/null
	fi
	# A script that prints one plan and keeps it says nothing more; this catches the others.
	counts=$(printf '%s\n' "$lines" |
		awk -v name="$name" -v status="${status:-1}" -f "$LIB_DIR/tapcount.awk")
	case "$counts" in
	*" 0 "*) ;;
	*) [ "$result" = ok ] && printf '%s\n' "$counts" | sed '1d; s/^/  # /'
		result="not ok" ;;
	esac
	[ "$status" = 4 ] && result+=" $number $name # SKIP" || result+=" $number $name"
	echo "$result"
}

# Boots until every script of the batch has had its turn: one that kills its guest costs one more boot.
run_batch() {
	local name

	boot_options "$1"
	allow_now=$(cut -d $'\037' -f7 "$work/key.$1")
	while [ -s "$work/batch.$1" ]; do
		# shellcheck disable=SC2086 # words
		"$LIB_DIR/qemu.sh" "${opts[@]}" $more --run "$work/batch.$1" \
			--console "$work/console" --output "$work/output" >"$work/qemu.out" 2>&1
		grep -E '^# (the guest was |stopped at: )' "$work/qemu.out"
		if ! grep -q '^guest: up' "$work/output"; then
			sed 's/^/# /' "$work/qemu.out"
			echo "Bail out! the guest $kernel did not start"
			exit 1
		fi
		while read -r name _; do
			grep -qx "guest: begin $name" "$work/output" || break
			report "$name"
			sed -i 1d "$work/batch.$1"
		done < <(cat "$work/batch.$1")
	done
}

modules=$("$LIB_DIR/kmod.sh" --kernel "$kernel" --geometry "$geometry" --tests) || exit 1
number=0
plan "$@"
echo "TAP version 13"
echo "1..$total"
for ((batch = 0; batch < batches; batch++)); do
	run_batch "$batch"
done
[ -f "$work/unwanted" ] && while read -r name; do
	number=$((number + 1))
	echo "ok $number $name # SKIP not for $kernel${backend:+ with backend=$backend}"
done <"$work/unwanted"
exit 0
