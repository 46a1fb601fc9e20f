// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Memory goes back: memory CASE [NUMBER]. Resident and mapped figures are the
 * kernel's own.
 */
#include "resident.h"

#include <malloc.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE	23
#endif

#define RECORDS	400000

static char *record[RECORDS];

/* Sizes as CPython asks for them: small objects, some tables, few large ones. */
static size_t python_size(uint64_t r)
{
	static const unsigned short common[] = { 24, 28, 32, 32, 40, 48, 48, 56, 56, 56, 64, 64, 72,
		80, 88, 96, 104, 112, 128, 144, 184, 232, 240, 288, 352, 448, 456, 504 };
	unsigned int kind = r % 1000;

	r >>= 16;
	if (kind < 940)
		return common[r % (sizeof(common) / sizeof(common[0]))];
	if (kind < 990)
		return 512 + r % 1500;
	return kind < 999 ? 2000 + r % 20000 : 20000 + r % 60000;
}

static void fill(uint64_t *seed, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		size_t size = python_size(tap_random(seed));

		if (record[i])
			continue;
		record[i] = malloc(size);
		memset(record[i], 1, size);
	}
}

static void fill_all(uint64_t *seed)
{
	fill(seed, RECORDS);
}

static void free_all(void)
{
	size_t i;

	for (i = 0; i < RECORDS; i++) {
		free(record[i]);
		record[i] = NULL;
	}
}

static void fill_large(char **p, size_t n, size_t size)
{
	size_t i;

	for (i = 0; i < n; i++) {
		p[i] = malloc(size);
		if (!p[i])
			tap_bail_out("no memory");
		memset(p[i], 1, size);
	}
}

/* Mappings for which huge pages are asked for (hg), or not wanted (nh). */
static unsigned int advised(const char *flag)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned int n = 0;
	static char line[512];

	while (f && fgets(line, sizeof(line), f))
		n += !strncmp(line, "VmFlags:", 8) && strstr(line, flag);
	if (f)
		fclose(f);
	return n;
}

/* KiB of the mappings for which huge pages are asked for. */
static size_t huge_kib(void)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	size_t all = 0, size = 0;
	static char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "Size:", 5))
			size = strtoul(line + 5, NULL, 10);
		else if (!strncmp(line, "VmFlags:", 8) && strstr(line, " hg"))
			all += size;
	}
	if (f)
		fclose(f);
	return all;
}

static void case_all_freed(uint64_t *seed)
{
	size_t base, peak, mapped_base, mapped_peak, i;

	look("at the start");
	base = resident;
	mapped_base = mapped;
	fill_all(seed);
	look("400000 records");
	peak = resident;
	mapped_peak = mapped;
	free_all();
	look("all freed");
	/* A slow machine gives less back in the time. */
	for (i = 0; i < 8; i++) {
		go_on(4);
		look("4 s later");
		if (share(resident, base, peak) <= 60)
			break;
	}
	tap_diag("%zu per mille of the peak stay", share(resident, base, peak));
	TAP_CHECK(share(resident, base, peak) <= 60);
	malloc_trim(0);
	look("malloc_trim");
	TAP_CHECK(share(resident, base, peak) <= 60);
	/* The addresses, too. */
	TAP_CHECK(share(mapped, mapped_base, mapped_peak) <= 100);
}

/* Long after it was allocated, all is freed, and nothing happens afterwards. */
static void case_sleep(uint64_t *seed)
{
	size_t base, peak;

	look("at the start");
	base = resident;
	fill_all(seed);
	go_on(12);
	look("12 s later");
	peak = resident;
	free_all();
	look("all freed");
	tap_diag("%zu per mille of the peak stay", share(resident, base, peak));
	TAP_CHECK(share(resident, base, peak) <= 300);
}

/* Small blocks, all freed, then as much in large ones: the peak is that of one of them. */
static void case_phases(uint64_t *seed)
{
	size_t base, peak, want, i;
	char *p[256];

	look("at the start");
	base = resident;
	fill_all(seed);
	look("400000 records");
	peak = resident;
	want = (peak - base) / 256;
	free_all();
	fill_large(p, 256, want);
	look("256 large blocks instead");
	TAP_CHECK(share(resident, base, peak) <= 1300);
	for (i = 0; i < 256; i++)
		free(p[i]);
}

/* Small blocks and large ones in turn: what is kept of one kind does not come on top of the other. */
static void case_turns(uint64_t *seed)
{
	size_t base, peak = 0, i;
	unsigned int round;
	char *p[40];

	look("at the start");
	base = resident;
	for (round = 0; round < 4; round++) {
		for (i = 0; i < 60000; i++) {
			record[i] = malloc(300 + tap_random(seed) % 600);
			if (!record[i])
				tap_bail_out("no memory");
			record[i][0] = 1;
		}
		look("60000 small blocks");
		if (!round)
			peak = resident;
		TAP_CHECK(share(resident, base, peak) <= 1300);
		free_all();
		fill_large(p, 40, 800 << 10);
		look("40 large blocks instead");
		TAP_CHECK(share(resident, base, peak) <= 1300);
		for (i = 0; i < 40; i++)
			free(p[i]);
	}
}

/* All allocated, all freed, again and again within the delay: pages are touched once. */
static void case_cycles(uint64_t *seed)
{
	struct rusage before, after;
	size_t pages, faults;
	int round;

	for (round = 0; round < 8; round++) {
		uint64_t same = *seed;

		getrusage(RUSAGE_SELF, &before);
		fill_all(&same);
		look("400000 records");
		pages = resident / (size_t)sysconf(_SC_PAGESIZE);
		free_all();
		getrusage(RUSAGE_SELF, &after);
		faults = (size_t)(after.ru_minflt - before.ru_minflt);
		tap_diag("%zu page faults, %zu pages resident", faults, pages);
		/* Most of them are those of the large blocks, which have mappings of their own. */
		TAP_CHECK(!round || faults <= pages / 4);
	}
}

/* The sizes of 20000 records drift: what the sizes before had goes to the next ones. */
static void case_drift(uint64_t *seed)
{
	size_t base, live = 0, size = 0, i;
	unsigned int step;

	look("at the start");
	base = resident;
	for (step = 0; step < 20; step++) {
		for (i = 0; i < 60000; i++) {
			size_t n = tap_random(seed) % 20000;

			free(record[n]);
			size = 16 + step * 40 + tap_random(seed) % 60;
			record[n] = malloc(size);
			if (!record[n])
				tap_bail_out("no memory");
			memset(record[n], 1, size);
		}
	}
	for (i = 0; i < 20000; i++)
		live += record[i] ? malloc_usable_size(record[i]) : 0;
	look("20000 records, the sizes of which have drifted from 16 to 840 bytes");
	tap_diag("%zu bytes in them", live);
	TAP_CHECK(resident - base <= live / 4 * 9);
}

/*
 * Huge pages are called off when most of a large heap is free, and asked for when most of it is in use again:
 * at once if it has to grow for that, otherwise with the next look after idle memory.
 */
static void case_thin(uint64_t *seed)
{
	size_t i;
	int round;

	if (access("/sys/kernel/mm/transparent_hugepage", F_OK)) {
		tap_diag("this kernel has no transparent huge pages");
		return;
	}
	fill_all(seed);
	TAP_CHECK(advised(" hg") && !advised(" nh"));
	for (round = 0; round < 2; round++) {
		/* All of them; then all but some blocks in each arena, so that the heap stays as it is. */
		for (i = 0; i < RECORDS; i++)
			if (!round || malloc_usable_size(record[i]) != 240) {
				free(record[i]);
				record[i] = NULL;
			}
		for (i = 0; i < 10 && !advised(" nh"); i++)
			go_on(2);
		TAP_CHECK(advised(" nh") && !advised(" hg"));
		fill(seed, round ? RECORDS / 10 * 9 : RECORDS);
		for (i = 0; i < 10 && !advised(" hg"); i++)
			go_on(2);
		TAP_CHECK(advised(" hg") && !advised(" nh"));
	}
}

/* 80 MB of buffers of which the beginning is used: huge pages would make memory of all of it. */
static void case_sparse(void)
{
	size_t base, i;

	look("at the start");
	base = resident;
	for (i = 0; i < 4000; i++) {
		record[i] = malloc(20000);
		if (!record[i])
			tap_bail_out("no memory");
		memset(record[i], 1, 2000);
	}
	look("4000 buffers of 20000 bytes, 2000 used");
	/* Of each buffer a page or two. */
	TAP_CHECK(resident - base < 4000UL * 2 * 4096 + (4 << 20));
	for (i = 0; i < 4000; i++)
		free(record[i]);
}

/*
 * A heap of small blocks has huge pages; then come buffers of which the beginning is used, and those shall not
 * become memory as a whole. When they are used as a whole, they get huge pages, too.
 */
static void case_late(void)
{
	bool have_huge = !access("/sys/kernel/mm/transparent_hugepage", F_OK);
	size_t base, huge, i;

	for (i = 0; i < 300000; i++) {
		record[i] = malloc(100);
		memset(record[i], 1, 100);
	}
	look("300000 records of 100 bytes");
	base = resident;
	TAP_CHECK(!have_huge || huge_kib() >= 8192);
	for (i = 0; i < 2000; i++)
		memset(malloc(40000), 1, 4000);
	look("2000 buffers of 40000 bytes, 4000 used");
	/* Of each buffer a page or two; and two steps, in which it was not known yet. */
	TAP_CHECK(resident - base < 2000UL * 2 * 4096 + (12 << 20));
	huge = huge_kib();
	for (i = 0; i < 5000; i++)
		memset(malloc(40000), 1, 40000);
	look("5000 buffers of 40000 bytes, all used");
	tap_diag("%zu KiB with huge pages, then %zu", huge, huge_kib());
	TAP_CHECK(!have_huge || huge_kib() >= huge + (64 << 10));
}

/* Such buffers among small blocks take none of the memory that is made ready for those, nor huge pages. */
static void case_beside(void)
{
	size_t base, i, n;

	look("at the start");
	base = resident;
	for (i = 0; i < 2000; i++) {
		for (n = 0; n < 400; n++)
			memset(malloc(100), 1, 100);
		memset(malloc(40000), 1, 4000);
	}
	look("2000 buffers of 40000 bytes, 4000 used, among 800000 records of 100");
	/* 112 bytes for each record; a page or two of each buffer. */
	TAP_CHECK(resident - base < 800000UL * 112 + 2000UL * 2 * 4096 + (6 << 20));
}

static void case_most_freed(uint64_t *seed)
{
	size_t base, peak, i;

	look("at the start");
	base = resident;
	fill_all(seed);
	look("400000 records");
	peak = resident;
	for (i = 0; i < RECORDS; i++) {
		if (tap_random(seed) % 100 >= 95)
			continue;
		free(record[i]);
		record[i] = NULL;
	}
	look("95 % freed at random");
	go_on(4);
	look("4 s later");
	tap_diag("%zu per mille of the peak stay", share(resident, base, peak));
	TAP_CHECK(share(resident, base, peak) <= 900);
}

/* The same number of records all the time, others all the time; a round replaces each once. */
static void case_churn(uint64_t *seed, unsigned int rounds)
{
	size_t first = 0, i;
	unsigned int round;

	fill_all(seed);
	for (round = 0; round < rounds; round++) {
		for (i = 0; i < RECORDS; i++) {
			size_t at = tap_random(seed) % RECORDS;
			size_t size = python_size(tap_random(seed));

			free(record[at]);
			record[at] = malloc(size);
			memset(record[at], 2, size);
		}
		if (round == rounds / 3 * 2) {
			look("after two thirds");
			first = resident;
		}
	}
	look("at the end");
	tap_diag("%.2f %% growth", 100.0 * ((double)resident / (double)first - 1));
	TAP_CHECK(resident <= first + first / 16);
}

/* The edge of an arena: one pool more, one less, all over again. For strace. */
static void case_edge(unsigned int count)
{
	static char *held[40000];
	size_t sizes[] = { 500, 4000, 30000 }, n, kind, i;

	for (kind = 0; kind < 3; kind++) {
		size_t size = sizes[kind], burst = 1500000 / size;

		for (n = 0; n < 2000000 / size; n++)
			held[n] = malloc(size);
		for (i = 0; i < count / 3; ) {
			size_t k;

			for (k = 0; k < burst; k++, i++)
				held[n + k] = malloc(size);
			for (k = 0; k < burst; k++, i++)
				free(held[n + k]);
		}
		while (n)
			free(held[--n]);
	}
}

/* Is the page that @p lies in there? */
static bool is_there(const char *p, size_t page)
{
	unsigned char there = 0;

	return !mincore((void *)((uintptr_t)p & ~(page - 1)), page, &there) && there & 1;
}

static bool can_populate(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p != MAP_FAILED && !madvise(p, page, MADV_POPULATE_WRITE);
}

/* The class takes its pages several at a time, and few that it does not need. */
static void case_grow(void)
{
	size_t size, i, page = (size_t)sysconf(_SC_PAGESIZE), small, used = 100000 * 64;
	size_t pages = 0, ready = 0;

	if (!can_populate()) {
		tap_diag("the kernel has no MADV_POPULATE_WRITE");
		return;
	}
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	/* A look allocates, too. */
	look("at the start");
	look("again");
	small = resident;
	for (size = 16; size <= 1024; size += 16)
		memset(malloc(size), 1, size);
	look("a block of each size");
	TAP_CHECK(resident - small <= 64 * (page + 1024) + (64 << 10));
	small = resident;
	for (i = 0; i < 100000; i++) {
		record[i] = malloc(64);
		record[i][63] = 1;
		if ((uintptr_t)record[i] % page)
			continue;
		pages++;
		ready += is_there(record[i] + page, page);
	}
	look("100000 blocks of 64 bytes");
	tap_diag("of %zu pages %zu had the next one ready", pages, ready);
	TAP_CHECK(pages > used / page / 2 && ready > pages / 2);
	TAP_CHECK(resident - small < used + used / 16 + (128 << 10));
	malloc_trim(0);
	look("trimmed");
	TAP_CHECK(resident - small < used + used / 64 + (64 << 10));
}

/* The heap grows although somebody else has the addresses below it. */
static void case_obstacle(void)
{
	const uintptr_t huge = (uintptr_t)2 << 20, room = (uintptr_t)4 << 30;
	uintptr_t first = (uintptr_t)malloc(64) & ~(huge - 1);
	size_t i, below = 0, above = 0;
	void *p;

	p = mmap((void *)(first - room), room, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!TAP_CHECK(p == (void *)(first - room)))
		return;
	for (i = 0; i < RECORDS; i++) {
		record[i] = malloc(256);
		if (!TAP_CHECK(record[i]))
			return;
		memset(record[i], (int)i, 256);
		below += (uintptr_t)record[i] < first - room;
		above += (uintptr_t)record[i] >= first + huge;
	}
	look("400000 records");
	tap_diag("%zu below the obstacle, %zu above", below, above);
	TAP_CHECK(below + above > RECORDS / 2);
	for (i = 0; i < RECORDS; i++) {
		TAP_CHECK(record[i][0] == (char)i && record[i][255] == (char)i);
		free(record[i]);
	}
}

static size_t waiting;

static void *free_records(void *arg)
{
	size_t i;

	(void)arg;
	for (i = 0; i < waiting; i++) {
		free(record[i]);
		record[i] = NULL;
		if (i == waiting / 32)
			usleep(100000);
	}
	look("another thread freed them");
	return NULL;
}

/* Who has allocated all waits for the thread that frees it. */
static void case_waits(void)
{
	static const size_t sizes[] = { 17000, 40000, 100000, 130000, 500000 };
	size_t i, k, base;
	pthread_t t;

	look("at the start");
	for (k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		tap_diag("blocks of %zu bytes", sizes[k]);
		base = resident;
		waiting = (32 << 20) / sizes[k];
		for (i = 0; i < waiting; i++) {
			record[i] = malloc(sizes[k]);
			memset(record[i], 1, sizes[k]);
		}
		look("allocated");
		TAP_CHECK(resident > base + (30 << 20));
		if (!TAP_CHECK(!pthread_create(&t, NULL, free_records, NULL)))
			return;
		pthread_join(t, NULL);
		/* Of each block two pages are there, and what came at once. */
		TAP_CHECK(resident < base + (4 << 20) + waiting * 8192);
		malloc_trim(0);
		look("trimmed");
	}
	for (i = 0; i < waiting; i++) {
		record[i] = malloc(100000);
		TAP_CHECK(record[i]);
		memset(record[i], 1, 100000);
	}
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	unsigned int number = argc > 2 ? (unsigned int)strtoul(argv[2], NULL, 10) : 10;
	uint64_t seed;

	if (!strcmp(name, "edge")) {
		case_edge(number);
		return 0;
	}
	tap_start(1);
	if ((!strcmp(name, "sparse") || !strcmp(name, "late") || !strcmp(name, "beside")) && all_huge()) {
		tap_skip("transparent_hugepage/enabled is always: all is huge, asked for or not");
		return tap_finish();
	}
	seed = tap_seed();
	/* The table itself is not what is measured. */
	memset(record, 1, sizeof(record));
	memset(record, 0, sizeof(record));
	if (!strcmp(name, "all-freed"))
		case_all_freed(&seed);
	else if (!strcmp(name, "most-freed"))
		case_most_freed(&seed);
	else if (!strcmp(name, "sleep"))
		case_sleep(&seed);
	else if (!strcmp(name, "phases"))
		case_phases(&seed);
	else if (!strcmp(name, "turns"))
		case_turns(&seed);
	else if (!strcmp(name, "cycles"))
		case_cycles(&seed);
	else if (!strcmp(name, "drift"))
		case_drift(&seed);
	else if (!strcmp(name, "thin"))
		case_thin(&seed);
	else if (!strcmp(name, "sparse"))
		case_sparse();
	else if (!strcmp(name, "late"))
		case_late();
	else if (!strcmp(name, "beside"))
		case_beside();
	else if (!strcmp(name, "grow"))
		case_grow();
	else if (!strcmp(name, "obstacle"))
		case_obstacle();
	else if (!strcmp(name, "waits"))
		case_waits();
	else if (!strcmp(name, "churn"))
		case_churn(&seed, number);
	else
		tap_bail_out("usage: memory all-freed|most-freed|sleep|phases|turns|cycles|drift|"
			     "thin|sparse|late|beside|grow|obstacle|waits|churn|edge [NUMBER]");
	tap_ok(!tap.broken_checks, "%s", name);
	return tap_finish();
}
