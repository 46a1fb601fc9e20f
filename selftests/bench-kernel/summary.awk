# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Tables of bench_kernel.sh's lines: every figure of poolalloc beside the others', the ratio to kmalloc,
# and whether what is aimed at was reached. Nothing fails because of that.

function verdict(value, aim) {
	return sprintf("<= %-5s %s", aim, value <= aim ? "reached" : "NOT REACHED")
}

# A pair in 60 instructions, 90 with PREEMPT_RT; in batches of 64 bytes 45 per operation.
function time_aim(release, size, pattern) {
	if (pattern == "pair")
		return release ~ /-rt-/ ? 90 : 60
	return size == 64 && pattern ~ /^(seq|rnd)-/ ? 45 : 0
}

# Nanoseconds of another kind of kernel: a table of its own.
$1 == "bench-kernel-native" {
	$2 = $2 " as a process, nanoseconds"
}

$1 == "bench-kernel" || $1 == "bench-kernel-native" {
	if (!($2 in releases)) { releases[$2] = 1; order[++n] = $2 }
	if (!(($4, $5) in rows)) { rows[$4, $5] = 1; row[++m] = $4 SUBSEP $5 }
	cost[$2, $4, $5, $3] = $6
	timed[$2] = 1
	title[$2] = $1 == "bench-kernel" ? $2 ": instructions" : $2
	if ($1 != "bench-kernel")
		native[$2] = 1
}

$1 == "bench-kernel-memory" {
	if (!($2 in releases)) { releases[$2] = 1; order[++n] = $2 }
	pages[$2, $5, $3] = $6
	objects = $4
	held[$2] = 1
}

function figure(value) {
	return value == "" ? "-" : value
}

function ratio(mine, base) {
	return base ? sprintf("%.3f", mine / base) : "-"
}

function time_table(r,    i, part, base, aim, mine) {
	printf "\n%s\n%6s %-10s %8s %10s %9s %9s %7s  %s\n", title[r], "bytes", "pattern",
		"kmalloc", "kmem_cache", "poolalloc", "free_size", "ratio", "aim"
	for (i = 1; i <= m; i++) {
		split(row[i], part, SUBSEP)
		base = cost[r, part[1], part[2], "kmalloc"]
		mine = cost[r, part[1], part[2], "poolalloc"]
		aim = native[r] ? 0 : time_aim(r, part[1], part[2])
		printf "%6s %-10s %8s %10s %9s %9s %7s  %s\n", part[1], part[2], figure(base),
			figure(cost[r, part[1], part[2], "kmem_cache"]), figure(mine),
			figure(cost[r, part[1], part[2], "poolalloc_sized"]),
			ratio(mine, base), (aim ? verdict(mine, aim) : "")
	}
}

function memory_table(r,    w, when, g, name, base, mine) {
	printf "\n%s: pages for %d objects of recorded sizes\n", r, objects
	split("live freed-95 freed-100", when)
	split("seed purge modern", name)
	for (w = 1; w <= 3; w++) {
		base = pages[r, when[w], "kmalloc"]
		printf "%-10s kmalloc %8s\n", when[w], figure(base)
		for (g = 1; g <= 3; g++) {
			mine = pages[r, when[w], "poolalloc-" name[g]]
			printf "%-10s poolalloc-%-7s %8s  ratio %s  %s\n", "", name[g], figure(mine),
				ratio(mine, base),
				(w == 1 && base ? verdict(mine / base, 0.85) : "")
		}
	}
}

END {
	for (i = 1; i <= n; i++) {
		if (timed[order[i]])
			time_table(order[i])
		if (held[order[i]])
			memory_table(order[i])
	}
}
