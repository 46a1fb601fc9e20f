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

/* Entries that are read at a time; they are on the stack. */
#define PA_ENTRIES	128

static int pa_pagemap_open(void)
{
	return (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
}

/* Reads the entries of @n pages from @p on. */
static bool pa_pagemap_read(int fd, const char *p, u64 *entry, size_t n)
{
	size_t at = (uintptr_t)p / pa_page_size * sizeof(*entry), bytes = n * sizeof(*entry);

	return fd >= 0 && syscall(SYS_pread64, fd, entry, bytes, at) == (long)bytes;
}

/* Bit 63: there, bit 62: swapped out. */
static bool pa_entry_is_there(u64 entry)
{
	return entry >> 62;
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
	int fd = pa_pagemap_open();
	u64 entry[PA_ENTRIES];

	for (done = 0; done < pages; done += some) {
		some = pages - done < PA_ENTRIES ? pages - done : PA_ENTRIES;
		if (!pa_pagemap_read(fd, p + done * pa_page_size, entry, some))
			break;
		for (i = 0; i < some; i++)
			n += pa_entry_is_there(entry[i]);
	}
	if (fd >= 0)
		syscall(SYS_close, fd);
	return done < pages ? pages : n;
}

/* Zeros for those of @n pages that are there. Return: how many. */
static size_t pa_pages_zero_some(char *p, const u64 *entry, size_t n)
{
	size_t i, run, all = 0;

	for (i = 0; i < n; i += run + !run) {
		for (run = 0; i + run < n && pa_entry_is_there(entry[i + run]); run++)
			;
		if (run)
			memset(p + i * pa_page_size, 0, run * pa_page_size);
		all += run;
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
	int saved = errno, fd = pa_pagemap_open();
	u64 entry[PA_ENTRIES];
	bool all = true;
	size_t some;

	for (; end - page >= (ptrdiff_t)pa_page_size; page += some * pa_page_size) {
		some = (size_t)(end - page) / pa_page_size;
		if (some > PA_ENTRIES)
			some = PA_ENTRIES;
		if (!pa_pagemap_read(fd, page, entry, some))
			break;
		if (page < p) {
			if (!pa_entry_is_there(entry[0]))
				break;
			memset(p, 0, pa_page_size - (size_t)(p - page));
			all &= pa_pages_zero_some(page + pa_page_size, entry + 1, some - 1) == some - 1;
		} else {
			all &= pa_pages_zero_some(page, entry, some) == some;
		}
	}
	if (page < p)
		page = p;
	memset(page, 0, (size_t)(end - page));
	if (fd >= 0)
		syscall(SYS_close, fd);
	errno = saved;
	return all;
}
