# SPDX-License-Identifier: GPL-2.0-only
# How long a call keeps others from the CPU: in instructions, since here a nanosecond is one. The
# limits are up to three times what was measured.
# guest: icount numa mem=512M own timeout=1800 append="init_on_alloc=0 init_on_free=0"
. ./common

# longest WHAT LIMIT. On kernels that check each access, and wait at some, the figure is only told.
longest() {
	grep -qE ' (kasan_report|kcsan_setup_watchpoint)$' /proc/kallsyms && return
	at_most "the longest $1" "$(sed -n "s/^# longest $1 \([0-9]*\).*/\1/p" $TEST)" "$(($2 * scale))"
}

POOLALLOC_BACKEND=pool
# Pools of four times the blocks, whose lists are looked through.
[ "$POOLALLOC_GEOMETRY" = modern ] && scale=4 || scale=1
load spare=8 && load_test
# Whole calls, with interrupts off.
scenario latency "$(scaled 100000)"
longest alloc 60000
longest free 15000
longest free_rcu 5000
# On PREEMPT_RT: how late a thread of the highest priority is, while others trim and free; its
# own way to the CPU is among it.
if uname -v | grep -q PREEMPT_RT; then
	scenario latency-preempt
	longest delay 50000
fi
unload
finish
