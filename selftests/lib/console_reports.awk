#!/usr/bin/awk -f
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# console_reports.awk [-v allow=REGEX] [-v all=1] CONSOLE: the reports in a guest's kernel log, each
# preceded by the command that was running. Silent when there are none. Only what comes after
# init's first mark counts (all=1: everything): before that nothing of ours has run.
BEGIN {
	begins = "cut here|BUG:|WARNING:|WARN_ON|Oops|kernel BUG|Kernel panic|Call Trace:|" \
		"general protection fault|stack segment|double fault|unable to handle|" \
		"INFO: task .* blocked|rcu: INFO|rcu:.*[Ss]tall|detected stall|" \
		"KASAN|KCSAN|KMSAN|UBSAN|KFENCE|possible circular|possible recursive|" \
		"inconsistent lock|inconsistent .*state|suspicious RCU|invalid wait context|" \
		"DEBUG_LOCKS_WARN|held lock freed|kmemleak: unreferenced object|" \
		"sleeping function called|scheduling while atomic|ODEBUG|refcount_t:|" \
		"[Bb]ad page|page dumped because|corruption|Corruption|" \
		"soft lockup|hard LOCKUP|Out of memory|oom-kill|Kernel stack is corrupted|Unknown symbol"
	# Has no more lines, and is no part of another report.
	alone = "ODEBUG: Out of memory\\. ODEBUG disabled"
	ends = "</TASK>|---\\[ end trace|===================="
	running = "boot"
}

# Does one of ours take part in a race? What an interrupt has interrupted does not, and neither does
# who asked the page allocator for memory, in a race of its own.
function races(report,    at, n, lines, outside) {
	n = split(report, lines, "\n")
	for (at = 1; at <= n; at++) {
		if (lines[at] ~ /asm_(sysvec|common_interrupt)| __alloc_(frozen_)?pages(_noprof)?\+/)
			outside = 1
		else if (lines[at] ~ /^(\[[^]]*\] *)*$/)
			outside = 0
		if (!outside && lines[at] ~ /\[(poolalloc|test_)/)
			return 1
	}
	return 0
}

function flush() {
	# The kernel's own races, of which this checker finds many, are not ours to tell of.
	if (text ~ /BUG: KCSAN/ && !races(text))
		text = ""
	if (text != "" && (allow == "" || text !~ allow))
		printf "[%s]\n%s", running, text
	text = ""
	lines = 0
}

{ line = $0; sub(/^\[ *[0-9.]+\] /, "", line); sub(/^\[ *[TC][0-9]+\] /, "", line) }

line ~ /^guest: / {
	flush()
	counting = 1
	split(line, word, " ")
	if (word[2] == "begin")
		running = word[3]
	next
}
!counting && !all { next }
line ~ alone {
	if (allow == "" || line !~ allow)
		printf "[%s]\n%s\n", running, $0
	next
}
text != "" {
	text = text $0 "\n"
	if (line ~ ends || ++lines >= 80)
		flush()
	next
}
line ~ begins && line !~ ends { text = $0 "\n" }
END { flush() }
