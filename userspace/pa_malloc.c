// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The malloc family, with glibc's semantics.
 *
 * Sizes above 8 get blocks that are multiples of 16, as the ABI wants.
 */
#define _GNU_SOURCE
#include "pa_user.h"
#include "poolalloc.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>

#define PA_API __attribute__((visibility("default")))

/* One or two lines of the instruction cache, wherever the linker puts the rest. */
#define PA_HOT __attribute__((aligned(64)))

static __attribute__((noinline)) void *pa_malloc_slow(size_t size)
{
	/* Not in a signal handler: the slow path that it interrupted pops these bins. */
	if (size - PA_FAST_MAX - 1 < PA_MEDIUM_MAX - PA_FAST_MAX && likely(!pa_thread.level)) {
		unsigned int cls = pa_class_medium(size);
		void *p = pa_medium_pop(pa_thread.slot, cls);

		if (likely(p))
			return p;
	}
	return pa_user_alloc_slow(size, size > 8 ? 16 : 8, false);
}

static __always_inline void *pa_malloc(size_t size)
{
	if (likely(size <= PA_FAST_MAX)) {
		void *p = pa_user_pop16(size);

		if (likely(p))
			return p;
	}
	return pa_malloc_slow(size);
}

PA_API PA_HOT void *malloc(size_t size)
{
	return pa_malloc(size);
}

PA_API PA_HOT void free(void *p)
{
	pa_user_free(p);
}

PA_API void cfree(void *p)
{
	pa_user_free(p);
}

PA_API void *calloc(size_t n, size_t size)
{
	size_t bytes;

	if (unlikely(__builtin_mul_overflow(n, size, &bytes))) {
		errno = ENOMEM;
		return NULL;
	}
	if (likely(bytes <= PA_ZEROED_MAX)) {
		void *p = pa_malloc(bytes);

		return p ? memset(p, 0, bytes) : NULL;
	}
	return pa_user_alloc_slow(bytes, 16, true);
}

static __attribute__((noinline)) void *pa_realloc_slow(void *p, size_t old, size_t size)
{
	if (!p)
		return malloc(size);
	if (!size) {
		pa_user_free(p);
		return NULL;
	}
	return pa_user_resize(p, old, size, size > 8 ? 16 : 8);
}

PA_API void *realloc(void *p, size_t size)
{
	size_t old;

	if (likely(pa_user_stays(p, size, &old)))
		return p;
	return pa_realloc_slow(p, old, size);
}

PA_API void *reallocarray(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(p, bytes);
}

/* glibc's memalign takes any alignment and rounds it up to a power of two. */
PA_API void *memalign(size_t align, size_t size)
{
	size_t power = 16;

	if (align > (size_t)PTRDIFF_MAX + 1) {
		errno = EINVAL;
		return NULL;
	}
	while (power < align)
		power <<= 1;
	return pa_user_aligned(power, size);
}

PA_API void *aligned_alloc(size_t align, size_t size)
{
	return memalign(align, size);
}

PA_API int posix_memalign(void **out, size_t align, size_t size)
{
	int saved = errno;
	void *p;

	if (align < sizeof(void *) || align & (align - 1))
		return EINVAL;
	p = pa_user_aligned(align < 16 ? 16 : align, size);
	errno = saved;
	if (!p)
		return ENOMEM;
	*out = p;
	return 0;
}

PA_API void *valloc(size_t size)
{
	pa_start();
	return pa_user_aligned(pa_page_size, size);
}

PA_API void *pvalloc(size_t size)
{
	size_t page;

	pa_start();
	page = pa_page_size;
	if (size > (size_t)PTRDIFF_MAX - page) {
		errno = ENOMEM;
		return NULL;
	}
	size = (size + page - 1) & ~(page - 1);
	return pa_user_aligned(page, size ? size : page);
}

PA_API size_t malloc_usable_size(void *p)
{
	return pa_user_usable(p);
}

/* C23. */
PA_API void free_sized(void *p, size_t size)
{
	(void)size;
	pa_user_free(p);
}

PA_API void free_aligned_sized(void *p, size_t align, size_t size)
{
	(void)align;
	(void)size;
	pa_user_free(p);
}

/* A statically linked program may lack it. */
#pragma weak dlsym

/* libc's function of that name under POOLALLOC=system, else NULL. */
static void *pa_libc_own(const char *name)
{
	pa_start();
	return pa_system && dlsym ? dlsym(RTLD_NEXT, name) : NULL;
}

/* Nothing that glibc's parameters could mean here; accepted like glibc. */
PA_API int mallopt(int param, int value)
{
	int (*own)(int param, int value) = pa_libc_own("mallopt");

	return own ? own(param, value) : 1;
}

PA_API int malloc_trim(size_t pad)
{
	int (*own)(size_t pad) = pa_libc_own("malloc_trim");

	return own ? own(pad) : poolalloc_trim() > 0;
}

PA_API struct mallinfo2 mallinfo2(void)
{
	struct mallinfo2 (*own)(void) = pa_libc_own("mallinfo2");
	struct mallinfo2 info = { 0 };
	struct poolalloc_stats s;

	if (own)
		return own();
	if (poolalloc_stats(&s))
		return info;
	info.arena = s.arenas * s.arena_bytes;
	info.hblks = s.large_blocks;
	info.hblkhd = s.large_bytes;
	info.uordblks = s.live_bytes + s.large_bytes;
	info.fordblks = s.free_bytes + s.uncarved_bytes;
	info.ordblks = s.arenas;
	return info;
}

static int pa_cut_int(size_t n)
{
	return n > INT32_MAX ? INT32_MAX : (int)n;
}

PA_API struct mallinfo mallinfo(void)
{
	struct mallinfo2 all = mallinfo2();
	struct mallinfo info = {
		.arena = pa_cut_int(all.arena),
		.ordblks = pa_cut_int(all.ordblks),
		.hblks = pa_cut_int(all.hblks),
		.hblkhd = pa_cut_int(all.hblkhd),
		.uordblks = pa_cut_int(all.uordblks),
		.fordblks = pa_cut_int(all.fordblks),
	};

	return info;
}

static void pa_write_file(void *ctx, const char *text, size_t len)
{
	fwrite(text, 1, len, ctx);
}

PA_API void malloc_stats(void)
{
	void (*own)(void) = pa_libc_own("malloc_stats");

	if (own)
		own();
	else
		poolalloc_stats_write(pa_write_file, stderr, POOLALLOC_TEXT);
}

PA_API int malloc_info(int options, FILE *stream)
{
	int (*own)(int options, FILE *stream) = pa_libc_own("malloc_info");
	struct poolalloc_stats s;
	size_t i;

	if (own)
		return own(options, stream);
	if (options) {
		errno = EINVAL;
		return -1;
	}
	if (poolalloc_stats(&s))
		return -1;
	fprintf(stream, "<malloc version=\"poolalloc-1\">\n<heap nr=\"0\">\n<sizes>\n");
	for (i = 0; i < POOLALLOC_CLASSES; i++)
		if (s.cls[i].free)
			fprintf(stream,
				"<size from=\"%llu\" to=\"%llu\" total=\"%llu\" count=\"%llu\"/>\n",
				(unsigned long long)s.cls[i].size,
				(unsigned long long)s.cls[i].size,
				(unsigned long long)(s.cls[i].size * s.cls[i].free),
				(unsigned long long)s.cls[i].free);
	fprintf(stream, "</sizes>\n</heap>\n<system type=\"current\" size=\"%llu\"/>\n",
		(unsigned long long)(s.arenas * s.arena_bytes + s.large_bytes));
	fprintf(stream, "<system type=\"max\" size=\"%llu\"/>\n",
		(unsigned long long)(s.arenas_peak * s.arena_bytes + s.large_bytes));
	fprintf(stream, "<aspace type=\"total\" size=\"%llu\"/>\n</malloc>\n",
		(unsigned long long)(s.arenas * s.arena_bytes + s.large_bytes));
	return ferror(stream) ? -1 : 0;
}
