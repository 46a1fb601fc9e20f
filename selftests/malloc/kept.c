// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * What is kept of freed blocks for the next ones, and when it goes:
 * kept large|swing|share|limit|part|shrink|zeros|forks|round;
 * and kept fresh NUMBER: new large blocks, for strace.
 */
#include "resident.h"

#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

/*
 * Large blocks, 24 MB of them, all freed and allocated again: after some rounds their mappings are kept.
 * Idle, they go: at once by malloc_trim().
 */
static void case_large(uint64_t *seed)
{
	size_t base, size = 150000, i;
	struct rusage before, after;
	char *p[120];
	int round;

	look("at the start");
	base = resident;
	for (round = 0; round < 24; round++) {
		getrusage(RUSAGE_SELF, &before);
		for (i = 0; i < 120; i++) {
			p[i] = malloc(size + tap_random(seed) % size * 2);
			if (!p[i])
				tap_bail_out("no memory");
			memset(p[i], round, size);
		}
		for (i = 0; i < 120; i++)
			free(p[i]);
		getrusage(RUSAGE_SELF, &after);
	}
	tap_diag("%ld page faults in the last round", after.ru_minflt - before.ru_minflt);
	TAP_CHECK(after.ru_minflt - before.ru_minflt < 1000);
	look("all freed");
	malloc_trim(0);
	look("malloc_trim");
	TAP_CHECK(resident < base + (1 << 20));
}

/*
 * 96 MB of large blocks, freed all at once and allocated again: what was kept serves the next round, and
 * there is no more than before, but for what is too large. Freed once and not asked for again, nothing stays;
 * nor when they have not been needed for a second, and the program does something else.
 */
static void swing_round(uint64_t seed, long *faults)
{
	struct rusage before, after;
	size_t size = 2 << 20, i;
	char *p[32];

	getrusage(RUSAGE_SELF, &before);
	for (i = 0; i < 32; i++) {
		size_t bytes = size + tap_random(&seed) % size;

		p[i] = malloc(bytes);
		if (!p[i])
			tap_bail_out("no memory");
		memset(p[i], (int)i, bytes);
	}
	getrusage(RUSAGE_SELF, &after);
	*faults = after.ru_minflt - before.ru_minflt;
	look("32 blocks of 2 to 4 MiB");
	for (i = 0; i < 32; i++)
		free(p[i]);
}

static void case_swing(uint64_t *seed)
{
	long first, last = 0;
	size_t base, peak;
	time_t start;
	int round;

	look("at the start");
	base = resident;
	swing_round(*seed, &first);
	peak = resident;
	look("all freed");
	TAP_CHECK(resident < base + (1 << 20));
	start = time(NULL);
	for (round = 0; round < 5; round++) {
		swing_round(*seed, &last);
		TAP_CHECK(resident < peak + peak / 8);
	}
	tap_diag("%ld page faults in the first round, %ld in the last", first, last);
	/* What comes again within a second is kept. */
	if (time(NULL) - start <= 2)
		TAP_CHECK(last < first / 4);
	else
		tap_diag("this machine is too slow to keep it");
	look("all freed");
	/* A slow machine gives less back in the time. */
	for (round = 0; round < 8 && resident >= base + (2 << 20); round++) {
		go_on(4);
		look("4 s later");
	}
	TAP_CHECK(resident < base + (2 << 20));
}

/*
 * Large blocks, one replaced by another all the time: some are kept, in proportion to those in use. When
 * all are freed, no more stays than 32 MiB, without any call that looks for idle memory.
 */
static void case_share(uint64_t *seed)
{
	size_t base, size = 4 << 20, i;
	char *p[48] = { NULL };

	look("at the start");
	base = resident;
	for (i = 0; i < 600; i++) {
		size_t at = tap_random(seed) % 48, bytes = size + tap_random(seed) % size;

		free(p[at]);
		p[at] = malloc(bytes);
		if (!p[at])
			tap_bail_out("no memory");
		memset(p[at], (int)i, bytes);
	}
	look("600 blocks of 4 to 8 MiB");
	/* Of 48 blocks twice as much at the most is mapped, and a quarter of it kept. */
	TAP_CHECK(resident < base + 48 * size * 2 * 5 / 4);
	for (i = 0; i < 48; i++)
		free(p[i]);
	look("all freed");
	TAP_CHECK(resident < base + (33 << 20));
	malloc_trim(0);
	look("malloc_trim");
	TAP_CHECK(resident < base + (1 << 20));
}

/*
 * Run with limit=32M: 14 MB of small blocks are freed, then a large block gets nearly all of the limit,
 * what the thread has kept of empty pools included.
 */
static void case_limit(void)
{
	static char *block[700];
	size_t i, large = 29 << 20;
	char *p;

	for (i = 0; i < 700; i++) {
		block[i] = malloc(20000);
		if (!block[i])
			tap_bail_out("no memory");
		memset(block[i], 1, 20000);
	}
	TAP_CHECK(!malloc(large));
	while (i)
		free(block[--i]);
	p = malloc(large);
	if (TAP_CHECK(p))
		memset(p, 1, large);
	free(p);
}

/* Blocks that are written to. Return: page faults of them. */
static long fill(char **p, size_t count, size_t size)
{
	long before = page_faults();
	size_t i;

	for (i = 0; i < count; i++) {
		p[i] = malloc(size);
		if (!p[i])
			tap_bail_out("no memory");
		memset(p[i], 0xa5, size);
	}
	return page_faults() - before;
}

static void drop(char **p, size_t count)
{
	while (count--)
		free(p[count]);
}

/*
 * So much of what is kept goes back as is needed for a new peak, not all of a mapping of which that is a
 * part: 4 MB are kept when the heap of small blocks has to grow by 1 MB, and then 2 MB are needed.
 */
static void case_part(void)
{
	static char *small[1000];
	const long page = sysconf(_SC_PAGESIZE);
	long faults = 0, best = LONG_MAX;
	char *live, *large, *next;
	int round;

	fill(&live, 1, 24 << 20);
	/* What is kept was given back within the last second: a stopped round learns nothing. */
	for (round = 0; round < 50 && best > 1000000 / page; round++) {
		fill(&large, 1, 4 << 20);
		drop(&large, 1);
		faults = fill(&large, 1, 4 << 20);
		drop(&large, 1);
		if (faults > 100)
			continue;
		fill(small, 1000, 1000);
		best = fill(&next, 1, 2 << 20);
		drop(&next, 1);
		drop(small, 1000);
		malloc_trim(0);
	}
	tap_diag("2 MiB, when 1 MB of the 4 MiB kept had to go: %ld page faults in round %d", best, round);
	TAP_CHECK(best <= 1000000 / page);
	drop(&live, 1);
}

/* What realloc() makes smaller gives its pages back, or keeps them for other blocks if freed ones are kept. */
static void case_shrink(void)
{
	const long page = sysconf(_SC_PAGESIZE);
	char *p[12], *q[10];
	long faults = LONG_MAX;
	size_t base, i;
	int round;

	look("at the start");
	base = resident;
	fill(p, 1, 4000000);
	p[0] = realloc(p[0], 40000);
	look("4000000 bytes, then 40000 of them");
	TAP_CHECK(resident < base + 1000000 && p[0][39999] == (char)0xa5);
	free(p[0]);
	for (round = 0; round < 50 && faults > 10000000 / page / 4; round++) {
		fill(p, 12, 1000000);
		for (i = 0; i < 12; i++) {
			p[i] = realloc(p[i], 100000);
			p[i][0] = (char)i;
		}
		faults = fill(q, 10, 1000000);
		for (i = 0; i < 12; i++)
			TAP_CHECK(p[i][0] == (char)i && p[i][1] == (char)0xa5 &&
				  p[i][99999] == (char)0xa5 && malloc_usable_size(p[i]) < 200000);
		drop(q, 10);
		drop(p, 12);
	}
	tap_diag("12 blocks of 1000000 bytes made smaller, 10 of that size: %ld page faults in round %d",
		 faults, round);
	TAP_CHECK(faults <= 10000000 / page / 4);
	malloc_trim(0);
	look("malloc_trim");
	TAP_CHECK(resident < base + (1 << 20));
}

static bool is_zero(const char *p, size_t size)
{
	return !p[0] && !memcmp(p, p + 1, size - 1);
}

/*
 * calloc() of blocks that were kept: they are zeros, whichever pages have been written to. Pages that never
 * were do not become memory.
 */
static void zeros_sparse(uint64_t *seed)
{
	enum { COUNT = 8, SIZE = 3000000, WRITES = 40 };
	char *p[COUNT];
	size_t base, base_mapped, kept = 0, i, k;
	int round;

	look("at the start");
	base = resident;
	base_mapped = mapped;
	/* What is kept was given back within the last second: a stopped round learns nothing. */
	for (round = 0; round < 50 && kept < COUNT * SIZE / 2; round++) {
		for (i = 0; i < COUNT; i++) {
			p[i] = malloc(SIZE);
			if (!p[i])
				tap_bail_out("no memory");
			for (k = 0; k < WRITES; k++)
				p[i][tap_random(seed) % SIZE] = 1;
		}
		drop(p, COUNT);
		look("freed");
		kept = mapped - base_mapped;
	}
	TAP_CHECK(kept >= COUNT * SIZE / 2);
	for (i = 0; i < COUNT; i++) {
		p[i] = calloc(1, SIZE);
		if (!p[i])
			tap_bail_out("no memory");
	}
	look("calloc");
	/* Where the system makes huge pages unasked, all is there. */
	if (!all_huge())
		TAP_CHECK(resident < base + COUNT * SIZE / 4);
	for (i = 0; i < COUNT; i++)
		TAP_CHECK(is_zero(p[i], SIZE));
	drop(p, COUNT);
}

/* Sizes at random, cut, made larger and smaller, and all or some of each written to. */
static void zeros_any(uint64_t *seed)
{
	enum { COUNT = 6, TIMES = 600 };
	char *p[COUNT] = { NULL };
	size_t i, k, n, broken = 0;

	for (n = 0; n < TIMES; n++) {
		size_t size = 400000 + tap_random(seed) % 4000000;
		unsigned int how = (unsigned int)(tap_random(seed) % 4);

		i = tap_random(seed) % COUNT;
		if (how == 3 && p[i]) {
			p[i] = realloc(p[i], size);
		} else {
			free(p[i]);
			p[i] = how ? calloc(1, size) : malloc(size);
			broken += how && p[i] && !is_zero(p[i], size);
		}
		if (!p[i])
			tap_bail_out("no memory");
		if (tap_random(seed) % 2)
			memset(p[i], 0xa5, size);
		for (k = 0; k < 40; k++)
			p[i][tap_random(seed) % size] = 0x5a;
		p[i][size - 1] = 1;
	}
	tap_diag("%zu of %d blocks were not zeros", broken, TIMES);
	TAP_CHECK(!broken);
	drop(p, COUNT);
}

static void case_zeros(uint64_t *seed)
{
	const struct rlimit none = { 0, 4 };

	zeros_sparse(seed);
	zeros_any(seed);
	/* Where the kernel does not tell which pages are there. */
	if (!TAP_CHECK(!setrlimit(RLIMIT_NOFILE, &none)))
		return;
	zeros_any(seed);
}

static void *callocs(void *arg)
{
	const bool *stop = arg;

	while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
		/* Else the compiler leaves all of it out. */
		char *volatile p = calloc(1, 4000000);

		free(p);
	}
	return NULL;
}

/* A child of fork() has no file open that its parent's allocator had, whatever another thread does. */
static void case_forks(void)
{
	enum { FILES = 64 };
	int i, fd, status, broken = 0;
	bool open_before[FILES], stop = false;
	pthread_t thread;

	for (fd = 0; fd < FILES; fd++)
		open_before[fd] = fcntl(fd, F_GETFD) != -1;
	if (!TAP_CHECK(!pthread_create(&thread, NULL, callocs, &stop)))
		return;
	for (i = 0; i < 300; i++) {
		pid_t pid = fork();

		if (!pid) {
			for (fd = 0; fd < FILES; fd++)
				if (!open_before[fd] && fcntl(fd, F_GETFD) != -1)
					_exit(1);
			_exit(0);
		}
		TAP_CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
		broken += status != 0;
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	tap_diag("%d of 300 children have a file of the parent's", broken);
	TAP_CHECK(!broken);
}

/*
 * Run with purge_delay=0, so that each block has a mapping of its own: 300 GiB of address space, one after the
 * other, go round in what large blocks are put into. Those that stay there are in nobody's way.
 */
static bool case_round(void)
{
	enum { COUNT = 600, STEP = 30, STAY = COUNT / STEP };
	const size_t size = (size_t)512 << 20;
	size_t *stay[STAY], i, k, broken = 0;

	for (i = 0; i < COUNT; i++) {
		size_t *p = malloc(size);

		if (!p) {
			tap_skip("round: 10 GiB may not be mapped here");
			return false;
		}
		p[0] = i;
		p[size / sizeof(*p) - 1] = ~i;
		if (i % STEP)
			free(p);
		else
			stay[i / STEP] = p;
	}
	for (k = 0; k < STAY; k++) {
		broken += stay[k][0] != k * STEP || stay[k][size / sizeof(**stay) - 1] != ~(k * STEP);
		free(stay[k]);
	}
	TAP_CHECK(!broken);
	return true;
}

static int case_fresh(int count)
{
	while (count--)
		*(char *)malloc(200000) = 1;
	return 0;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	bool done = true;
	uint64_t seed;

	if (!strcmp(name, "fresh") && argc > 2)
		return case_fresh(atoi(argv[2]));
	tap_start(1);
	seed = tap_seed();
	if (!strcmp(name, "large"))
		case_large(&seed);
	else if (!strcmp(name, "swing"))
		case_swing(&seed);
	else if (!strcmp(name, "share"))
		case_share(&seed);
	else if (!strcmp(name, "limit"))
		case_limit();
	else if (!strcmp(name, "part"))
		case_part();
	else if (!strcmp(name, "shrink"))
		case_shrink();
	else if (!strcmp(name, "zeros"))
		case_zeros(&seed);
	else if (!strcmp(name, "forks"))
		case_forks();
	else if (!strcmp(name, "round"))
		done = case_round();
	else
		tap_bail_out("usage: kept large|swing|share|limit|part|shrink|zeros|forks|round|fresh NUMBER");
	if (done)
		tap_ok(!tap.broken_checks, "%s", name);
	return tap_finish();
}
