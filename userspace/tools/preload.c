// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * libpoolalloc-trace.so: records the allocation calls of the program that it
 * is preloaded into. `poolalloc-trace record` starts it and reads what it
 * writes; trace_raw.h has the file and the ordering rule.
 *
 * It works from the first malloc of the dynamic linker, before any
 * constructor and before libc has an environment, so it reads the variable
 * from /proc/self/environ and serves what dlsym() itself allocates from a
 * small static area. It calls no function that allocates.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "trace_raw.h"

#define EXPORT __attribute__((visibility("default")))
#define TLS __thread __attribute__((tls_model("initial-exec")))

enum { NOT_READY, GETTING_READY, READY };

static struct {
	void *(*malloc)(size_t size);
	void *(*calloc)(size_t n, size_t size);
	void *(*realloc)(void *p, size_t size);
	void (*free)(void *p);
	void *(*memalign)(size_t align, size_t size);
	void *(*aligned_alloc)(size_t align, size_t size);
	int (*posix_memalign)(void **out, size_t align, size_t size);
} real;

/*
 * Wiped to NULL in a forked child by the kernel: a child never writes into its
 * parent's trace. A page of its own, because the whole page is wiped.
 */
struct wiped {
	struct trace_raw_header *header;
};

static struct wiped *wiped;
static struct trace_raw_event *_Atomic windows[TRACE_RAW_WINDOWS];
static char raw_path[128];
static _Atomic int state;

static TLS u32 thread_id;	/* 0: none yet; else the number + 1 */
static TLS bool inside;		/* a call made by the allocator below us is not the program's */

/* Served to dlsym() before there is a malloc; never given back. */
static _Alignas(16) char boot[32768];
static _Atomic size_t boot_used;

static void *boot_alloc(size_t size)
{
	size_t need = (size + 31) & ~(size_t)15;
	size_t at = atomic_fetch_add(&boot_used, need);

	if (size > sizeof(boot) || at + need > sizeof(boot)) {
		errno = ENOMEM;
		return NULL;
	}
	*(size_t *)(boot + at) = size;
	return boot + at + 16;
}

static bool is_boot(const void *p)
{
	return (const char *)p >= boot && (const char *)p < boot + sizeof(boot);
}

static size_t boot_size(const void *p)
{
	return *(const size_t *)((const char *)p - 16);
}

/* Copies the value of "NAME=" out of /proc/self/environ, byte by byte across reads. */
static bool environ_find(const char *name, char *out, size_t room)
{
	char buf[4096];
	size_t match = 0, fill = 0;
	bool start = true, found = false, in_value = false;
	int fd = open("/proc/self/environ", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	while (fd >= 0 && !found && (n = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n && !found; i++) {
			char c = buf[i];

			if (in_value && fill < room) {
				out[fill++] = c;
				found = !c;
			} else if (start && name[match] == c && c) {
				in_value = !name[++match];
			} else {
				start = !c;
				match = 0;
			}
		}
	}
	if (fd >= 0)
		close(fd);
	return found;
}

static void *map_file(off_t offset, size_t bytes)
{
	void *p = MAP_FAILED;
	int fd = open(raw_path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return NULL;
	/* Real blocks, so that a full disk is an error here and not a SIGBUS later. */
	if (!posix_fallocate(fd, offset, bytes))
		p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
	close(fd);
	return p == MAP_FAILED ? NULL : p;
}

static struct trace_raw_event *window_map(u64 index)
{
	off_t offset = TRACE_RAW_HEADER_BYTES + index * (off_t)TRACE_RAW_WINDOW_BYTES;
	struct trace_raw_event *none = NULL, *window;
	int saved = errno;

	window = map_file(offset, TRACE_RAW_WINDOW_BYTES);
	errno = saved;
	if (!window)
		return NULL;
	if (atomic_compare_exchange_strong(&windows[index], &none, window))
		return window;
	munmap(window, TRACE_RAW_WINDOW_BYTES);
	errno = saved;
	return none;
}

static struct trace_raw_event *event_at(u64 ticket)
{
	u64 index = ticket / TRACE_RAW_WINDOW_EVENTS;
	struct trace_raw_event *window;

	if (index >= TRACE_RAW_WINDOWS)
		return NULL;
	window = atomic_load_explicit(&windows[index], memory_order_acquire);
	if (!window)
		window = window_map(index);
	return window ? window + ticket % TRACE_RAW_WINDOW_EVENTS : NULL;
}

static struct trace_raw_header *recording(void)
{
	return wiped ? wiped->header : NULL;
}

static void note(u16 op, const void *ptr, size_t size, unsigned int align_log2)
{
	struct trace_raw_header *h = recording();
	struct trace_raw_event *e;

	if (!h)
		return;
	if (!thread_id)
		thread_id = atomic_fetch_add(&h->threads, 1) + 1;
	e = event_at(atomic_fetch_add(&h->next, 1));
	if (!e) {
		atomic_fetch_add(&h->lost, 1);
		return;
	}
	e->ptr = (uintptr_t)ptr;
	e->size = size;
	e->thread = thread_id - 1;
	e->align_log2 = align_log2;
	atomic_store_explicit(&e->op, op, memory_order_release);
}

static void note_new(u16 op, const void *ptr, size_t size, unsigned int align_log2)
{
	struct trace_raw_header *h = ptr ? NULL : recording();

	if (ptr)
		note(op, ptr, size, align_log2);
	else if (h)
		atomic_fetch_add(&h->failed, 1);
}

static void stop_in_child(void)
{
	if (wiped)
		wiped->header = NULL;
}

/* A new program image in the same process: what came before is another heap. */
static void begin_image(struct trace_raw_header *h)
{
	h->base = atomic_load(&h->next);
	atomic_store(&h->threads, 0);
	atomic_store(&h->null_frees, 0);
	atomic_store(&h->failed, 0);
	atomic_store(&h->lost, 0);
}

static void start_recording(void)
{
	struct trace_raw_header *h;

	if (!environ_find(TRACE_RAW_ENV "=", raw_path, sizeof(raw_path)))
		return;
	h = map_file(0, TRACE_RAW_HEADER_BYTES);
	if (!h)
		return;
	wiped = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (h->magic != TRACE_RAW_MAGIC || h->pid != (u32)getpid() || wiped == MAP_FAILED) {
		munmap(h, TRACE_RAW_HEADER_BYTES);
		wiped = NULL;
		return;
	}
	madvise(wiped, sysconf(_SC_PAGESIZE), MADV_WIPEONFORK);
	begin_image(h);
	wiped->header = h;
}

static void find_real(void)
{
	real.malloc = dlsym(RTLD_NEXT, "malloc");
	real.calloc = dlsym(RTLD_NEXT, "calloc");
	real.realloc = dlsym(RTLD_NEXT, "realloc");
	real.memalign = dlsym(RTLD_NEXT, "memalign");
	real.aligned_alloc = dlsym(RTLD_NEXT, "aligned_alloc");
	real.posix_memalign = dlsym(RTLD_NEXT, "posix_memalign");
	real.free = dlsym(RTLD_NEXT, "free");
}

static bool get_ready(void)
{
	int none = NOT_READY;
	int saved = errno;

	/* Only dlsym() below, or a thread beside it, gets here a second time. */
	if (!atomic_compare_exchange_strong(&state, &none, GETTING_READY))
		return none == READY;
	find_real();
	start_recording();
	errno = saved;
	atomic_store_explicit(&state, READY, memory_order_release);
	return true;
}

static inline bool ready(void)
{
	return atomic_load_explicit(&state, memory_order_acquire) == READY || get_ready();
}

__attribute__((constructor)) static void preload_init(void)
{
	ready();
	/* For kernels without MADV_WIPEONFORK. */
	pthread_atfork(NULL, NULL, stop_in_child);
}

static unsigned int log2_of(size_t align)
{
	return align ? 63 - __builtin_clzll(align) : 0;
}

EXPORT void *malloc(size_t size)
{
	void *p;

	if (!ready())
		return boot_alloc(size);
	if (inside)
		return real.malloc(size);
	inside = true;
	p = real.malloc(size);
	note_new(TRACE_RAW_MALLOC, p, size, 0);
	inside = false;
	return p;
}

EXPORT void *calloc(size_t n, size_t size)
{
	void *p;

	if (!ready())
		return __builtin_mul_overflow(n, size, &size) ? NULL : boot_alloc(size);
	if (inside)
		return real.calloc(n, size);
	inside = true;
	p = real.calloc(n, size);
	note_new(TRACE_RAW_CALLOC, p, n * size, 0);
	inside = false;
	return p;
}

EXPORT void free(void *p)
{
	struct trace_raw_header *h;

	if (is_boot(p) || !ready())
		return;
	if (inside) {
		real.free(p);
		return;
	}
	inside = true;
	h = p ? NULL : recording();
	if (p)
		note(TRACE_RAW_FREE, p, 0, 0);
	else if (h)
		atomic_fetch_add(&h->null_frees, 1);
	real.free(p);
	inside = false;
}

static void *realloc_boot(void *old, size_t size)
{
	size_t keep = boot_size(old);
	void *p = malloc(size);

	return p ? memcpy(p, old, keep < size ? keep : size) : NULL;
}

EXPORT void *realloc(void *old, size_t size)
{
	void *p;

	if (is_boot(old))
		return realloc_boot(old, size);
	if (!ready())
		return boot_alloc(size);
	if (inside)
		return real.realloc(old, size);
	inside = true;
	note(TRACE_RAW_REALLOC_BEGIN, old, size, 0);
	p = real.realloc(old, size);
	note(TRACE_RAW_REALLOC_END, p, size, 0);
	inside = false;
	return p;
}

EXPORT void *reallocarray(void *old, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(old, bytes);
}

EXPORT void *memalign(size_t align, size_t size)
{
	void *p;

	if (!ready())
		return align <= 16 ? boot_alloc(size) : NULL;
	if (inside)
		return real.memalign(align, size);
	inside = true;
	p = real.memalign(align, size);
	note_new(TRACE_RAW_ALIGNED, p, size, log2_of(align));
	inside = false;
	return p;
}

EXPORT void *aligned_alloc(size_t align, size_t size)
{
	void *p;

	if (!ready())
		return align <= 16 ? boot_alloc(size) : NULL;
	if (inside)
		return real.aligned_alloc(align, size);
	inside = true;
	p = real.aligned_alloc(align, size);
	note_new(TRACE_RAW_ALIGNED, p, size, log2_of(align));
	inside = false;
	return p;
}

EXPORT int posix_memalign(void **out, size_t align, size_t size)
{
	int err;

	if (!ready())
		return ENOMEM;
	if (inside)
		return real.posix_memalign(out, align, size);
	inside = true;
	err = real.posix_memalign(out, align, size);
	note_new(TRACE_RAW_ALIGNED, err ? NULL : *out, size, log2_of(align));
	inside = false;
	return err;
}

EXPORT void *valloc(size_t size)
{
	return memalign(sysconf(_SC_PAGESIZE), size);
}

EXPORT void *pvalloc(size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE);

	if (size > SIZE_MAX - page) {
		errno = ENOMEM;
		return NULL;
	}
	return memalign(page, (size + page - 1) & ~(page - 1));
}

/* The C23 pair; a libc that has them could otherwise free behind our back. */
EXPORT void free_sized(void *p, size_t size)
{
	(void)size;
	free(p);
}

EXPORT void free_aligned_sized(void *p, size_t align, size_t size)
{
	(void)align;
	(void)size;
	free(p);
}
