#!/usr/bin/awk -f
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# tapcount.awk -v name=NAME -v status=EXIT FILE: counts the results in a program's TAP or KTAP output.
# First line: passed failed skipped. Then one line for each failure or skip, with its reason; with the
# first failures the diagnostics around them, so that a log that is cut still says what happened.
#
# A result that closes a nested test (its lines are indented deeper and come before it) is counted
# through its children, unless it failed and no child says why. A program without any result is one
# result, by its exit status: 0 passed, 4 skipped, anything else failed.
function fail(what) {
	failed++
	why = why "failed: " what "\n"
	if (failed <= 3) {
		why = why before
		telling = 30
	}
}
function skip(what) { skipped++; why = why "skipped: " what "\n" }

BEGIN { last = 0; planned = -1 }
{ sub(/\r$/, "") }

/^ *# *Subtest/ { telling = 0; before = ""; next }
/^ *#/ {
	text = $0
	sub(/^ */, "  ", text)
	if (telling && telling--)
		why = why text "\n"
	else
		before = substr(before text "\n", 1, 1000)
	next
}
{ telling = 0 }

/^ *1\.\.[0-9]+/ {
	match($0, /^ */)
	if (RLENGTH == 0) {
		planned = substr($1, 4) + 0
		if (planned == 0 && tolower($0) ~ /# *skip/) {
			skip(name ": " $0)
			whole_skip = 1
		}
	}
	next
}

/^ *Bail out!/ { fail(name ": " $0); next }

/^ *(not ok|ok)( |$)/ {
	match($0, /^ */)
	depth = RLENGTH
	bad = ($1 == "not")
	text = $0
	sub(/^ *(not )?ok */, "", text)
	label = name ": " text
	directive = tolower(text)
	if (depth == 0)
		top++
	if (depth < last) {
		if (bad && !child_failed && directive !~ /# *todo/)
			fail(label)
		if (depth == 0)
			child_failed = 0
	} else if (directive ~ /# *(skip|todo)/) {
		skip(label)
	} else if (bad) {
		fail(label)
		child_failed = 1
	} else {
		passed++
	}
	if (depth == 0)
		child_failed = 0
	last = depth
	before = ""
}

END {
	results = passed + failed + skipped
	if (!results && status == 0)
		passed++
	else if (!results && status == 4)
		skip(name)
	else if (!failed && status != 0 && status != 4)
		fail(name ": exit status " status)
	if (planned >= 0 && !whole_skip && planned != top)
		fail(name ": planned " planned " results, printed " top + 0)
	printf "%d %d %d\n%s", passed, failed, skipped, why
}
