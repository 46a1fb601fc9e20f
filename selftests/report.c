// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The text of poolalloc_stats_write(): every line parsed and compared with poolalloc_stats().
 * test-kselftest: yes
 * test-variants: seed modern clang-seed asan-seed asan-modern valgrind-seed
 * (not TSan: it does not see what liburcu orders)
 */
#include <errno.h>
#include <urcu-bp.h>

#include "shared/report.h"

#define U64	"%" SCNu64

static char text[65536];
static size_t text_len, writes;

static void writer(void *ctx, const char *piece, size_t len)
{
	TAP_CHECK(ctx == &writes && len);
	writes++;
	if (TAP_CHECK(text_len + len < sizeof(text)))
		memcpy(text + text_len, piece, len);
	text_len += len;
	text[text_len] = '\0';
}

static struct poolalloc_stats s;
static uint64_t live, class_live, class_rows, slot_rows, node_rows, pairs;

/* Lines "name number" and "name number peak number" and what they must say. */
static bool pair_line(const char *line)
{
	static const struct {
		const char *name;
		const uint64_t *expect;
	} known[] = {
		{ "arena_bytes", &s.arena_bytes }, { "pool_bytes", &s.pool_bytes },
		{ "arenas", &s.arenas }, { "mapped_bytes", NULL }, { "pools", NULL },
		{ "empty_arenas", NULL }, { "arenas_mapped", NULL }, { "arenas_unmapped", NULL },
		{ "live_blocks", &s.live_blocks }, { "live_bytes", &s.live_bytes },
		{ "fragmentation", NULL },
		{ "large_blocks", &s.large_blocks }, { "large_bytes", &s.large_bytes },
	};
	uint64_t n, peak;
	char name[64], rest[8];
	size_t i;
	int fields = sscanf(line, "%63s " U64 " peak " U64 "%7s", name, &n, &peak, rest);

	if (fields != 2 && fields != 3)
		return false;
	TAP_CHECK(fields == 2 || peak >= n);
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(name, known[i].name)) {
			pairs++;
			return TAP_CHECK(!known[i].expect || *known[i].expect == n);
		}
	return false;
}

static bool class_line(const char *line)
{
	uint64_t size, pools, used, free, pending, live_bytes, free_bytes, uncarved, frag;
	char rest[8];
	size_t i;

	if (sscanf(line, "class " U64 U64 U64 U64 U64 U64 U64 U64 U64 "%7s", &size, &pools, &used, &free,
		   &pending, &live_bytes, &free_bytes, &uncarved, &frag, rest) != 9)
		return false;
	for (i = 0; i < POOLALLOC_CLASSES && s.cls[i].size != size; i++)
		;
	if (!TAP_CHECK(i < POOLALLOC_CLASSES))
		return false;
	TAP_CHECK(pools == s.cls[i].pools && used == s.cls[i].live && free == s.cls[i].free);
	TAP_CHECK(pending == s.cls[i].pending && uncarved == s.cls[i].uncarved_bytes);
	TAP_CHECK(live_bytes == used * size && free_bytes == (free + pending) * size);
	TAP_CHECK(pools * s.pool_bytes == live_bytes + free_bytes + uncarved);
	TAP_CHECK(frag == (live_bytes + free_bytes ? free_bytes * 100 / (live_bytes + free_bytes) : 0));
	class_rows++;
	class_live += used;
	return true;
}

static bool identity_line(const char *line)
{
	uint64_t whole, used, free, descriptors, uncarved;
	char word[16];

	if (sscanf(line, "identity " U64 " = live " U64 " + free " U64 " + descriptors " U64
		   " + uncarved " U64 " %15s", &whole, &used, &free, &descriptors, &uncarved, word) != 6)
		return false;
	TAP_CHECK(whole == used + free + descriptors + uncarved && !strcmp(word, "ok"));
	TAP_CHECK(whole == s.arenas * s.arena_bytes && used == s.live_bytes);
	return true;
}

static bool slot_line(const char *line)
{
	uint64_t v[7];
	char owner[32];

	if (sscanf(line, "slot " U64 U64 U64 U64 U64 U64 U64 " %31s", &v[0], &v[1], &v[2], &v[3], &v[4],
		   &v[5], &v[6], owner) != 8)
		return false;
	slot_rows++;
	return TAP_CHECK(!strcmp(owner, "thread") || !strcmp(owner, "fallback"));
}

static bool node_line(const char *line)
{
	uint64_t v[8];

	if (sscanf(line, "node " U64 U64 U64 U64 U64 U64 U64 U64, &v[0], &v[1], &v[2], &v[3], &v[4],
		   &v[5], &v[6], &v[7]) != 8)
		return false;
	node_rows++;
	TAP_CHECK(v[6] >= v[3] && v[7] <= 100);
	return TAP_CHECK(v[1] == s.arenas && v[4] == s.live_blocks && v[5] == s.live_bytes);
}

static void parse(void)
{
	char *line, *save = NULL;
	size_t n = 0;
	bool identity = false;

	text_len = class_live = class_rows = slot_rows = node_rows = pairs = 0;
	TAP_CHECK(!poolalloc_stats(&s));
	TAP_CHECK(!poolalloc_stats_write(writer, &writes, POOLALLOC_TEXT));
	TAP_CHECK(text_len && text[text_len - 1] == '\n');
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save), n++) {
		bool good;

		if (!n)
			good = !strcmp(line, "poolalloc - version: 1");
		else if (line[0] == '#')
			good = line[1] == ' ';
		else if (!strncmp(line, "geometry ", 9))
			good = !strcmp(line + 9, s.pool_bytes == 4096 ? "seed" : "modern");
		else if (!strncmp(line, "identity ", 9))
			good = identity = identity_line(line);
		else
			good = class_line(line) || slot_line(line) || node_line(line) || pair_line(line);
		if (!TAP_CHECK(good))
			tap_diag("not understood: %s", line);
	}
	TAP_CHECK(identity && slot_rows >= 1 && node_rows == 1 && pairs == 13);
	TAP_CHECK(class_live == s.live_blocks && s.live_blocks == live);
}

static void empty(void)
{
	parse();
}

static void *hand_over(void *arg)
{
	void **p = arg;
	size_t i;

	for (i = 0; i < 50; i++)
		poolalloc_free(p[i]);
	return NULL;
}

static void with_blocks(void)
{
	void *p[2000];
	pthread_t thread;
	size_t i;

	for (i = 0; i < 2000; i++)
		p[i] = poolalloc_alloc(i * 17 % 40000);
	for (i = 0; i < 2000; i++)
		live += i * 17 % 40000 <= POOLALLOC_CLASS_MAX;
	parse();
	/* Some are pending: freed by a thread that has gone. */
	if (pthread_create(&thread, NULL, hand_over, p))
		tap_bail_out("cannot create a thread");
	pthread_join(thread, NULL);
	live -= 50;
	parse();
	for (i = 50; i < 2000; i++)
		poolalloc_free(p[i]);
	live = 0;
	parse();
}

/* A reader must find a block whole until its section ends. */
struct item {
	uint64_t value, check;
};

static struct item *current_item;
static bool reading;

static void *reader(void *arg)
{
	size_t *reads = arg;

	while (__atomic_load_n(&reading, __ATOMIC_RELAXED)) {
		struct item *item;

		urcu_bp_read_lock();
		item = __atomic_load_n(&current_item, __ATOMIC_ACQUIRE);
		TAP_CHECK(item->check == ~item->value);
		TAP_CHECK(item->check == ~item->value);
		urcu_bp_read_unlock();
		++*reads;
	}
	return NULL;
}

static struct item *new_item(uint64_t value)
{
	struct item *item = poolalloc_alloc(sizeof(*item));

	if (!item)
		tap_bail_out("no memory");
	item->value = value;
	item->check = ~value;
	return item;
}

static void deferred(void)
{
	size_t n = tap_scaled(100000, 2000), i, reads[2] = { 0, 0 };
	pthread_t thread[2];

	current_item = new_item(0);
	__atomic_store_n(&reading, true, __ATOMIC_RELAXED);
	for (i = 0; i < 2; i++)
		if (pthread_create(&thread[i], NULL, reader, &reads[i]))
			tap_bail_out("cannot create a thread");
	for (i = 1; i <= n; i++) {
		struct item *old = current_item;

		__atomic_store_n(&current_item, new_item(i), __ATOMIC_RELEASE);
		if (i % 2)
			urcu_bp_read_lock();
		poolalloc_free_rcu(old);
		if (i % 2)
			urcu_bp_read_unlock();
	}
	__atomic_store_n(&reading, false, __ATOMIC_RELAXED);
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	poolalloc_free(current_item);
	/* Two grace periods, and the callbacks of both. */
	for (i = 0; i < 600; i++) {
		urcu_bp_barrier();
		TAP_CHECK(!poolalloc_stats(&s));
		if (!s.live_blocks)
			break;
		usleep(100000);
	}
	tap_diag("%zu replaced, %zu reads", n, reads[0] + reads[1]);
	if (!TAP_CHECK(!s.live_blocks))
		tap_diag("%" PRIu64 " blocks were never freed", s.live_blocks);
}

int main(void)
{
	tap_start(3);
	tap_test("the report of an empty heap", empty);
	tap_test("the report, with live, pending and large blocks", with_blocks);
	tap_test("free_rcu beside readers", deferred);
	return tap_finish();
}
