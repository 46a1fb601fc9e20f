// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Which pages of private memory are there: /proc/self/pagemap, an entry of 64 bits for each page
 * (Linux, Documentation/admin-guide/mm/pagemap.rst). Those that are not read as zeros.
 *
 * mincore() would tell, too, but services that may only make the usual system calls
 * (systemd's @system-service) are killed for it. And open() is a cancellation point, which
 * malloc() must not be.
 */
#define _GNU_SOURCE
#include "pa_pagemap.h"
#include "pa_os.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Pages that are asked for at a time: 4 MiB of them. */
#define PA_LOOK_PAGES	1024

/* A bit for each, set if the page is there. */
struct pa_look {
	u64 there[PA_LOOK_PAGES / 64];
};

/* Held while the file is open, and by who forks: no child has it by chance. Innermost. */
static pa_lock_t pa_pagemap_mutex = PA_LOCK_INITIALIZER;

void pa_pagemap_lock(void)
{
	pa_lock(&pa_pagemap_mutex);
}

void pa_pagemap_unlock(void)
{
	pa_unlock(&pa_pagemap_mutex);
}

void pa_pagemap_fork_child(void)
{
	pa_lock_init(&pa_pagemap_mutex);
}

/*
 * Looks at @n pages from @p on. Of an entry, bit 63 says that the page is there, bit 62 that it
 * is swapped out. What may not be read once is not tried again.
 */
static bool pa_pagemap_look(const char *p, size_t n, struct pa_look *look)
{
	size_t at = (uintptr_t)p / pa_page_size * sizeof(u64), bytes = n * sizeof(u64), i;
	/* Not on the stack, which may be small. Under the lock. */
	static u64 entry[PA_LOOK_PAGES];
	static bool refused;
	bool done = false;
	int fd;

	if (READ_ONCE(refused))
		return false;
	*look = (struct pa_look) { 0 };
	pa_pagemap_lock();
	fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		done = syscall(SYS_pread64, fd, entry, bytes, at) == (long)bytes;
		syscall(SYS_close, fd);
	} else if (errno == EACCES || errno == EPERM || errno == ENOENT) {
		WRITE_ONCE(refused, true);
	}
	for (i = 0; done && i < n; i++)
		look->there[i / 64] |= (u64)(entry[i] >> 62 != 0) << (i % 64);
	pa_pagemap_unlock();
	return done;
}

static bool pa_look_there(const struct pa_look *look, size_t i)
{
	return look->there[i / 64] >> (i % 64) & 1;
}

/**
 * pa_pages_there() - how much of some memory is there, or was and is swapped out
 * @p: the first page
 * @pages: how many
 *
 * Context: any. Changes errno.
 * Return: pages; all if it cannot be known.
 */
size_t pa_pages_there(const char *p, size_t pages)
{
	size_t done, i, some, n = 0;
	struct pa_look look;

	for (done = 0; done < pages; done += some) {
		some = pages - done < PA_LOOK_PAGES ? pages - done : PA_LOOK_PAGES;
		if (!pa_pagemap_look(p + done * pa_page_size, some, &look))
			return pages;
		for (i = 0; i < some; i++)
			n += pa_look_there(&look, i);
	}
	return n;
}

/* Zeros for those of the pages @i to @n - 1 from @p on that are there. Return: all are. */
static bool pa_pages_zero_some(char *p, const struct pa_look *look, size_t i, size_t n)
{
	bool all = true;
	size_t run;

	for (; i < n; i += run) {
		for (run = 0; i + run < n && pa_look_there(look, i + run); run++)
			;
		if (run) {
			memset(p + i * pa_page_size, 0, run * pa_page_size);
			continue;
		}
		all = false;
		run = 1;
	}
	return all;
}

/**
 * pa_pages_zero() - make zeros of private memory that may have been used before
 * @p: not the beginning of a page; what is before it on its page has been written to
 * @bytes: more than a page
 *
 * Pages that are not there are left so. That the first one must be there shows whether the
 * entries are this memory's: under an emulator they may be those of other addresses.
 *
 * Context: any; leaves errno alone.
 * Return: true if all are there now.
 */
bool pa_pages_zero(char *p, size_t bytes)
{
	char *page = (char *)((uintptr_t)p & ~(pa_page_size - 1)), *end = p + bytes;
	int saved = errno;
	bool all = true;

	while (end - page >= (ptrdiff_t)pa_page_size) {
		size_t n = (size_t)(end - page) / pa_page_size, first = page < p;
		struct pa_look look;

		if (n > PA_LOOK_PAGES)
			n = PA_LOOK_PAGES;
		if (!pa_pagemap_look(page, n, &look) || (first && !pa_look_there(&look, 0)))
			break;
		if (first)
			memset(p, 0, pa_page_size - (size_t)(p - page));
		all &= pa_pages_zero_some(page, &look, first, n);
		page += n * pa_page_size;
	}
	if (page < p)
		page = p;
	memset(page, 0, (size_t)(end - page));
	errno = saved;
	return all;
}
