// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Memory that fails to come: POOLALLOC=fail_nth=N for one N after the other, and POOLALLOC=limit=BYTES. Each
 * run is a process of its own that does the same work: every function fails with NULL and ENOMEM or
 * works, nothing leaks, the identity holds.
 * test-kselftest: yes
 * test-variants: seed modern asan-seed
 */
#include <errno.h>
#include <sys/wait.h>

#include "shared/oracle.h"
#include "shared/report.h"

#define CALLS	700

static struct oracle oracle;
static size_t failed, done;

/* Return: true if there is a block; otherwise ENOMEM must say so. */
static bool got(void *p)
{
	if (p) {
		done++;
		return true;
	}
	failed++;
	TAP_CHECK(errno == ENOMEM);
	return false;
}

static void keep(void *p, size_t size)
{
	if (got(p))
		oracle_add(&oracle, p, size, poolalloc_usable_size(p), 0);
}

static void resize(size_t i, size_t size)
{
	struct oracle_block b = oracle.block[i];
	void *p;

	oracle_del(&oracle, i);
	p = poolalloc_realloc(b.p, size);
	if (got(p)) {
		oracle_add(&oracle, p, size, poolalloc_usable_size(p), 0);
		return;
	}
	/* It is still there, and unchanged. */
	TAP_CHECK(oracle_compare(b.p, b.size, b.tag) == b.size);
	oracle_add(&oracle, b.p, b.asked, b.size, 0);
}

static void several(size_t size)
{
	void *out[64];
	size_t n, i;

	for (i = 0; i < 64; i++)
		out[i] = &oracle;
	errno = 0;
	n = poolalloc_alloc_bulk(size, 64, out);
	TAP_CHECK(n <= 64);
	if (n < 64) {
		failed++;
		TAP_CHECK(errno == ENOMEM);
	}
	for (i = n + 1; i < 64; i++)
		TAP_CHECK(out[i] == &oracle);
	for (i = 0; i < n; i++)
		oracle_add(&oracle, out[i], size, poolalloc_usable_size(out[i]), 0);
}

static bool zero(const unsigned char *p, size_t n)
{
	while (n && !p[n - 1])
		n--;
	return !n;
}

static void one_call(uint64_t *rng)
{
	uint64_t r = tap_random(rng);
	size_t size = (r >> 16) % (r % 7 == 0 ? 200000 : r % 3 == 0 ? 32768 : 512) + 1;
	unsigned char *p;

	errno = 0;
	switch (r / 1024 % 8) {
	case 0:
		p = poolalloc_zalloc(size);
		TAP_CHECK(!p || zero(p, size));
		keep(p, size);
		break;
	case 1:
		p = poolalloc_alloc_aligned((size_t)1 << (r % 18), size);
		TAP_CHECK(!((uintptr_t)p & (((size_t)1 << (r % 18)) - 1)));
		keep(p, size);
		break;
	case 2:
		if (oracle.n)
			resize(r % oracle.n, size);
		break;
	case 3:
		several(size % 3000);
		break;
	case 4:
		if (oracle.n > 8)
			poolalloc_free(oracle_del(&oracle, r % oracle.n));
		if (r % 64 == 4)
			poolalloc_trim();
		break;
	default:
		keep(poolalloc_alloc(size), size);
	}
}

/* Blocks waiting for a grace period when memory for the batch does not come. */
static void deferred(void)
{
	size_t i;

	for (i = 0; i < 300; i++) {
		void *p = poolalloc_alloc(24 + i % 200);

		if (p)
			poolalloc_free_rcu(p);
	}
}

static void *thread(void *arg)
{
	size_t i;

	for (i = 0; i < 200; i++)
		poolalloc_free(poolalloc_alloc(i * 20));
	return arg;
}

/* In the child process. The last line tells the parent whether anything failed at all. */
static int work(uint64_t seed)
{
	struct poolalloc_stats s;
	size_t visited;
	pthread_t t;
	uint64_t rng = seed;
	size_t i;

	if (!pthread_create(&t, NULL, thread, NULL))
		pthread_join(t, NULL);
	for (i = 0; i < CALLS; i++)
		one_call(&rng);
	for (i = 0; i < oracle.n; i++)
		oracle_intact(&oracle.block[i]);
	oracle_walk_start(&oracle);
	visited = poolalloc_walk(oracle_visit, &oracle);
	if (!visited)
		oracle_walk_end(&oracle);
	while (oracle.n)
		poolalloc_free(oracle_del(&oracle, oracle.n - 1));
	report_accounts(0);
	poolalloc_trim();
	TAP_CHECK(!poolalloc_stats(&s) && !s.arenas && !s.large_blocks && !s.large_bytes);
	deferred();
	printf("%s %zu %zu\n", tap.broken_checks ? "broken" : "good", failed, done);
	fflush(stdout);
	return tap.broken_checks ? 1 : 0;
}

struct outcome {
	bool good;
	size_t failed, done;
};

/* Runs this program again with POOLALLOC set; its diagnostics are passed on if it fails. */
static struct outcome run(const char *self, const char *setting, uint64_t seed)
{
	struct outcome o = { false, 0, 0 };
	char command[512], line[256], all[8192] = "";
	int status;
	FILE *f;

	snprintf(command, sizeof(command), "POOLALLOC=%s exec '%s' %" PRIu64 " 2>&1", setting, self, seed);
	f = popen(command, "r");
	if (!f)
		tap_bail_out("cannot run %s", command);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "good %zu %zu", &o.failed, &o.done) == 2)
			o.good = true;
		strncat(all, "#   ", sizeof(all) - strlen(all) - 1);
		strncat(all, line, sizeof(all) - strlen(all) - 1);
	}
	status = pclose(f);
	if (status || !o.good) {
		tap_diag("POOLALLOC=%s, status %d:", setting, status);
		printf("%s", all);
		o.good = false;
	}
	return o;
}

static const char *self;
static uint64_t seed;

static void every_nth(void)
{
	size_t n, most = tap_scaled(400, 12), total = 0;
	char setting[64];

	for (n = 1; n <= most; n += n < 40 ? 1 : 1 + n / 12) {
		struct outcome o;

		snprintf(setting, sizeof(setting), "fail_nth=%zu", n);
		o = run(self, setting, seed + n);
		if (!TAP_CHECK(o.good))
			return;
		TAP_CHECK(n > 20 || o.failed);
		TAP_CHECK(n > 1 || !o.done);
		total += o.failed;
	}
	tap_diag("%zu failures with n up to %zu", total, most);
	TAP_CHECK(total > most / 4);
}

static void limits(void)
{
	static const char *const limit[] = {
		"1", "4K", "256K", "1M", "1048577", "3M", "8M", "20M", "1G",
	};
	size_t i, last = SIZE_MAX;

	for (i = 0; i < sizeof(limit) / sizeof(limit[0]); i++) {
		char setting[64];
		struct outcome o;

		snprintf(setting, sizeof(setting), "limit=%s", limit[i]);
		o = run(self, setting, seed);
		if (!TAP_CHECK(o.good))
			return;
		tap_diag("%s: %zu calls failed, %zu did not", setting, o.failed, o.done);
		TAP_CHECK(i > 1 || !o.done);
		TAP_CHECK(last == SIZE_MAX || o.failed <= last + last / 4);
		last = o.failed;
	}
	TAP_CHECK(last == 0);
}

static void nothing_set(void)
{
	struct outcome o = run(self, "fail_nth=0", seed);

	TAP_CHECK(o.good && !o.failed && o.done);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return work(strtoull(argv[1], NULL, 10));
	self = argv[0];
	tap_start(3);
	seed = tap_seed();
	tap_test("nothing fails when nothing is set", nothing_set);
	tap_test("the n-th mapping fails", every_nth);
	tap_test("a limit on memory", limits);
	return tap_finish();
}
