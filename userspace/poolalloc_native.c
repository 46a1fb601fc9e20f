// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The native interface, include/poolalloc.h.
 */
#define _GNU_SOURCE
#include "pa_user.h"
#include "poolalloc.h"
#define POOLALLOC_POOL_SHIFT PA_POOL_SHIFT
#include "poolalloc_static.h"

#undef poolalloc_alloc
#undef poolalloc_zalloc
#undef poolalloc_free
#undef poolalloc_free_sized

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PA_API __attribute__((visibility("default")))

static_assert(POOLALLOC_CLASSES + 1 == PA_CLASSES, "public number of classes");
static_assert(POOLALLOC_CLASS_MAX == PA_MEDIUM_MAX, "public largest class");

/* What poolalloc_static.h knows of the archive. */
#if POOLALLOC_INLINE && !defined(PA_NO_TABLE)
static_assert(POOLALLOC_POOL_SHIFT == PA_POOL_SHIFT, "geometry");
static_assert(POOLALLOC_INLINE_MAX == PA_SMALL_MAX, "sizes that have bins");
static_assert(offsetof(struct poolalloc_inline_thread, slot) == offsetof(struct pa_thread, slot) &&
	      offsetof(struct poolalloc_inline_thread, bin) == offsetof(struct pa_thread, bin) &&
	      offsetof(struct poolalloc_inline_thread, room) == offsetof(struct pa_thread, room) &&
	      offsetof(struct poolalloc_inline_thread, whole) == offsetof(struct pa_thread, whole) &&
	      POOLALLOC_INLINE_BINS == PA_THREAD_ROOMS,
	      "what a thread has");
static_assert(POOLALLOC_INLINE_TAKEN == PA_ROOM_TAKEN && POOLALLOC_INLINE_GIVEN == PA_ROOM_GIVEN,
	      "how room is counted");
static_assert(POOLALLOC_INLINE_MASK == PA_DESC_MASK, "where descriptors are");
static_assert(offsetof(struct poolalloc_inline_pool, owner) == offsetof(struct pa_pool, owner) &&
	      offsetof(struct poolalloc_inline_pool, free) == offsetof(struct pa_pool, free) &&
	      offsetof(struct poolalloc_inline_pool, left) == offsetof(struct pa_pool, left) &&
	      offsetof(struct poolalloc_inline_pool, cls) == offsetof(struct pa_pool, cls),
	      "what a pool has");

void POOLALLOC_INLINE_EVENT(POOLALLOC_POOL_SHIFT)(void *pool)
{
	pa_user_free_event(pool);
}
#endif

PA_API void *poolalloc_alloc(size_t size)
{
	void *p;

	if (likely(size <= PA_FAST_MAX)) {
		p = pa_user_pop8(size);
		if (likely(p))
			return p;
	}
	return pa_user_alloc_slow(size, 8, false);
}

PA_API void *poolalloc_zalloc(size_t size)
{
	void *p;

	if (likely(size <= PA_FAST_MAX)) {
		p = pa_user_pop8(size);
		if (likely(p))
			return memset(p, 0, size);
	}
	return pa_user_alloc_slow(size, 8, true);
}

PA_API void *poolalloc_realloc(void *p, size_t size)
{
	size_t old;

	if (likely(pa_user_stays(p, size, &old)))
		return p;
	if (!p)
		return poolalloc_alloc(size);
	return pa_user_resize(p, old, size, 8);
}

PA_API void *poolalloc_alloc_aligned(size_t align, size_t size)
{
	if (!align || align & (align - 1)) {
		errno = EINVAL;
		return NULL;
	}
	return pa_user_aligned(align, size);
}

PA_API void poolalloc_free(void *p)
{
	pa_user_free(p);
}

PA_API void poolalloc_free_sized(void *p, size_t size)
{
	(void)size;
	pa_user_free(p);
}

PA_API size_t poolalloc_alloc_bulk(size_t size, size_t n, void **out)
{
	size_t i;

	for (i = 0; i < n; i++) {
		out[i] = poolalloc_alloc(size);
		if (!out[i])
			break;
	}
	return i;
}

PA_API void poolalloc_free_bulk(size_t n, void **ptrs)
{
	size_t i;

	for (i = 0; i < n; i++)
		pa_user_free(ptrs[i]);
}

PA_API size_t poolalloc_usable_size(const void *p)
{
	return pa_user_usable(p);
}

PA_API size_t poolalloc_trim(void)
{
	int saved = errno;
	size_t bytes;

	pa_start();
	if (pa_system || pa_thread.level)
		return 0;
	pa_thread.walking++;
	bytes = pa_trim();
	bytes += pa_os_trim();
	pa_thread.walking--;
	errno = saved;
	return bytes;
}

static void pa_public_class(struct poolalloc_class_stats *to, unsigned int cls,
			    const struct pa_count *c)
{
	to->size = pa_class_size(cls);
	to->pools = c->pools;
	to->live = c->live;
	to->free = c->free;
	to->pending = c->pending;
	to->uncarved_bytes = c->uncarved_bytes;
}

PA_API int poolalloc_stats(struct poolalloc_stats *stats)
{
	struct pa_stats s;
	unsigned int cls;

	if (!stats) {
		errno = EINVAL;
		return -1;
	}
	pa_start();
	pa_thread.walking++;
	pa_stats_collect(&s);
	pa_thread.walking--;
	stats->arena_bytes = PA_ARENA_SIZE;
	stats->pool_bytes = PA_POOL_SIZE;
	stats->arenas = s.total.arenas;
	stats->arenas_peak = s.total.arenas_peak;
	stats->live_blocks = s.total.count.live;
	stats->live_bytes = s.total.count.live_bytes;
	stats->free_bytes = s.total.count.free_bytes;
	stats->descriptor_bytes = s.total.descriptor_bytes;
	stats->uncarved_bytes = s.total.count.uncarved_bytes + s.total.free_pool_bytes;
	pa_large_count(&stats->large_blocks, &stats->large_bytes);
	for (cls = 1; cls < PA_CLASSES; cls++)
		pa_public_class(&stats->cls[cls - 1], cls, &s.cls[cls]);
	return 0;
}

static void pa_write_number(poolalloc_writer writer, void *ctx, const char *name, u64 n)
{
	char line[64];
	size_t len = strlen(name), digits = 1;
	u64 rest;

	memcpy(line, name, len);
	for (rest = n; rest >= 10; rest /= 10)
		digits++;
	for (rest = digits; rest; rest--, n /= 10)
		line[len + rest - 1] = (char)('0' + n % 10);
	line[len + digits] = '\n';
	writer(ctx, line, len + digits + 1);
}

PA_API int poolalloc_stats_write(poolalloc_writer writer, void *ctx,
				 enum poolalloc_format format)
{
	struct pa_stats scratch;
	u64 blocks, bytes;

	if (!writer || format != POOLALLOC_TEXT) {
		errno = EINVAL;
		return -1;
	}
	pa_start();
	pa_thread.walking++;
	pa_report(&scratch, writer, ctx);
	pa_thread.walking--;
	pa_large_count(&blocks, &bytes);
	pa_write_number(writer, ctx, "large_blocks ", blocks);
	pa_write_number(writer, ctx, "large_bytes ", bytes);
	return 0;
}

PA_API int poolalloc_walk(poolalloc_visitor visitor, void *ctx)
{
	int ret;

	if (!visitor) {
		errno = EINVAL;
		return -1;
	}
	pa_start();
	pa_thread.walking++;
	ret = pa_walk(visitor, ctx);
	pa_thread.walking--;
	return ret ? ret : pa_large_walk(visitor, ctx);
}

static void pa_write_fd(void *ctx, const char *text, size_t len)
{
	int fd = *(int *)ctx;

	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

/*
 * A copy of stderr for POOLALLOC=stats=exit: many programs close theirs before
 * destructors run. The program may close the copy too and open something else
 * in its place, so it is only used while it is the same file. With stats=FILE
 * there is none: a program may count its descriptors.
 */
static struct {
	int fd;
	struct stat file;
} pa_stderr = { .fd = STDERR_FILENO };

__attribute__((constructor)) static void pa_stats_at_start(void)
{
	int saved = errno, fd;

	pa_start();
	if (strcmp(pa_options.stats, "exit"))
		return;
	fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 100);
	if (fd >= 0 && !fstat(fd, &pa_stderr.file))
		pa_stderr.fd = fd;
	errno = saved;
}

static int pa_stats_stderr(void)
{
	struct stat now;

	if (!fstat(pa_stderr.fd, &now) && now.st_dev == pa_stderr.file.st_dev &&
	    now.st_ino == pa_stderr.file.st_ino)
		return pa_stderr.fd;
	return STDERR_FILENO;
}

/* POOLALLOC=stats=exit or stats=FILE. */
__attribute__((destructor)) static void pa_stats_at_exit(void)
{
	static const char complaint[] = "poolalloc: cannot open the file of POOLALLOC=stats\n";
	int fd;

	if (!pa_options.stats[0])
		return;
	if (!strcmp(pa_options.stats, "exit")) {
		fd = pa_stats_stderr();
		poolalloc_stats_write(pa_write_fd, &fd, POOLALLOC_TEXT);
		return;
	}
	fd = open(pa_options.stats, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0) {
		fd = pa_stats_stderr();
		pa_write_fd(&fd, complaint, sizeof(complaint) - 1);
		return;
	}
	poolalloc_stats_write(pa_write_fd, &fd, POOLALLOC_TEXT);
	close(fd);
}
