#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# sizes.sh TRACE...: the sizes, up to 32 KiB, of what is live where most objects are, in recordings of
# poolalloc-trace, as lines SIZE WEIGHT. Each program counts as much as any other; the weights add up
# to about 100 000. sizes.txt was made so from the recordings that make bench leaves in build/bench/data.
set -u
. "$(dirname "$0")/../lib/common.sh"

tool=$POOLALLOC_ROOT/userspace/poolalloc-trace
[ -x "$tool" ] || die "needs $tool: make userspace"
[ $# -gt 0 ] || die "usage: ${0##*/} TRACE..."
work=$(mktemp -d) || die "no temporary directory"
trap 'rm -rf "$work"' EXIT

# The live sizes of one program, each once.
live_sizes() {
	local peak

	peak=$("$tool" info "$1" | sed -n 's/.*(after record \([0-9]*\)).*/\1/p')
	[ -n "$peak" ] || die "$1 is no trace"
	"$tool" dump "$1" | awk -v peak="$peak" '
		/^#/ { next }
		$1 > peak { exit }
		$3 == "free" || $3 == "realloc-free" { delete size[$4]; next }
		{ size[$4] = $5 }
		END { for (o in size) if (size[o] > 0 && size[o] <= 32768) print size[o] }'
}

names=
for trace; do
	live_sizes "$trace" >"$work/$(basename "$trace")"
	names+=" $(basename "$trace" .trace)"
done
echo "# Sizes of live objects and their weight:$names"
for trace; do
	awk -v total="$(wc -l <"$work/$(basename "$trace")")" -v programs=$# \
		'{ n[$1]++ } END { for (s in n) print s, n[s] / total / programs * 100000 }' \
		"$work/$(basename "$trace")"
done | awk '{ weight[$1] += $2 }
	END { for (s in weight) if (weight[s] >= 0.5) printf "%d %.0f\n", s, weight[s] }' | sort -n
