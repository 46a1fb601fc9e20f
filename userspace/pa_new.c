// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * C++ operator new and delete, in every form, under their Itanium ABI names:
 * the library does not pull libstdc++ into C programs. What it needs from
 * libstdc++ (the new handler, std::bad_alloc) is there when a C++ program is.
 */
#define _GNU_SOURCE
#include "pa_user.h"

#include <dlfcn.h>
#include <stdlib.h>

#define PA_API __attribute__((visibility("default")))
#define PA_NAME(name) __asm__(#name)

typedef void (*pa_new_handler)(void);

extern pa_new_handler pa_get_new_handler(void) PA_NAME(_ZSt15get_new_handlerv)
	__attribute__((weak));
extern void pa_throw_bad_alloc(void) PA_NAME(_ZSt17__throw_bad_allocv)
	__attribute__((weak));

/* A statically linked program may lack it. */
#pragma weak dlsym

/* Calls the new handler until there is memory. Return: NULL if there is none. */
static __pa_cold void *pa_new_retry(size_t size, size_t align)
{
	for (;;) {
		pa_new_handler handler = pa_get_new_handler ? pa_get_new_handler() : NULL;
		void *p;

		if (!handler)
			return NULL;
		handler();
		p = pa_user_alloc_slow(size, align, false);
		if (p)
			return p;
	}
}

static __pa_cold void *pa_new_slow(size_t size, size_t align)
{
	void *p = pa_user_alloc_slow(size ? size : 1, align, false);

	if (!p)
		p = pa_new_retry(size, align);
	if (!p && pa_throw_bad_alloc)
		pa_throw_bad_alloc();
	if (!p)
		abort();
	return p;
}

/*
 * A new handler may throw, and nothrow new must catch that. C cannot, so with
 * a handler libstdc++'s own form does it: it calls our operator new. In a
 * static program there is none, and what the handler throws passes through.
 */
static __pa_cold void *pa_new_slow_nothrow(size_t size, const void *tag, const char *name)
{
	void *(*next)(size_t n, const void *t) = NULL;
	void *p = pa_user_alloc_slow(size ? size : 1, size > 8 ? 16 : 8, false);

	if (p || !pa_get_new_handler || !pa_get_new_handler())
		return p;
	if (dlsym)
		next = (void *(*)(size_t, const void *))dlsym(RTLD_NEXT, name);
	return next ? next(size, tag) : pa_new_retry(size, size > 8 ? 16 : 8);
}

static __pa_cold void *pa_new_aligned_null(size_t size, size_t align,
					   const void *tag, const char *name)
{
	void *(*next)(size_t n, size_t a, const void *t) = NULL;
	void *p = pa_user_alloc_slow(size ? size : 1, align, false);

	if (p || !pa_get_new_handler || !pa_get_new_handler())
		return p;
	if (dlsym)
		next = (void *(*)(size_t, size_t, const void *))dlsym(RTLD_NEXT, name);
	return next ? next(size, align, tag) : pa_new_retry(size, align);
}

static __always_inline void *pa_new_fast(size_t size)
{
	return likely(size <= PA_FAST_MAX) ? pa_user_pop16(size) : NULL;
}

static size_t pa_new_align(size_t size)
{
	return size > 8 ? 16 : 8;
}

#define PA_NEW(id, name) \
	PA_API void *id(size_t size) PA_NAME(name); \
	void *id(size_t size) \
	{ \
		void *p = pa_new_fast(size); \
		return likely(p) ? p : pa_new_slow(size, pa_new_align(size)); \
	}

#define PA_NEW_NOTHROW(id, name) \
	PA_API void *id(size_t size, const void *tag) PA_NAME(name); \
	void *id(size_t size, const void *tag) \
	{ \
		void *p = pa_new_fast(size); \
		return likely(p) ? p : pa_new_slow_nothrow(size, tag, #name); \
	}

#define PA_NEW_ALIGNED(id, name) \
	PA_API void *id(size_t size, size_t align) PA_NAME(name); \
	void *id(size_t size, size_t align) \
	{ \
		return pa_new_slow(size, align < 16 ? 16 : align); \
	}

#define PA_NEW_ALIGNED_NOTHROW(id, name) \
	PA_API void *id(size_t size, size_t align, const void *tag) PA_NAME(name); \
	void *id(size_t size, size_t align, const void *tag) \
	{ \
		return pa_new_aligned_null(size, align < 16 ? 16 : align, tag, #name); \
	}

/* Further arguments say what the block was asked for with: not needed. */
#define PA_DELETE(id, name) \
	PA_API void id(void *p) PA_NAME(name); \
	void id(void *p) \
	{ \
		pa_user_free(p); \
	}

PA_NEW(pa_new, _Znwm)
PA_NEW(pa_new_array, _Znam)
PA_NEW_NOTHROW(pa_new_nothrow, _ZnwmRKSt9nothrow_t)
PA_NEW_NOTHROW(pa_new_array_nothrow, _ZnamRKSt9nothrow_t)
PA_NEW_ALIGNED(pa_new_aligned, _ZnwmSt11align_val_t)
PA_NEW_ALIGNED(pa_new_array_aligned, _ZnamSt11align_val_t)
PA_NEW_ALIGNED_NOTHROW(pa_new_aligned_nothrow, _ZnwmSt11align_val_tRKSt9nothrow_t)
PA_NEW_ALIGNED_NOTHROW(pa_new_array_aligned_nothrow, _ZnamSt11align_val_tRKSt9nothrow_t)
PA_DELETE(pa_delete, _ZdlPv)
PA_DELETE(pa_delete_array, _ZdaPv)
PA_DELETE(pa_delete_sized, _ZdlPvm)
PA_DELETE(pa_delete_array_sized, _ZdaPvm)
PA_DELETE(pa_delete_nothrow, _ZdlPvRKSt9nothrow_t)
PA_DELETE(pa_delete_array_nothrow, _ZdaPvRKSt9nothrow_t)
PA_DELETE(pa_delete_aligned, _ZdlPvSt11align_val_t)
PA_DELETE(pa_delete_array_aligned, _ZdaPvSt11align_val_t)
PA_DELETE(pa_delete_sized_aligned, _ZdlPvmSt11align_val_t)
PA_DELETE(pa_delete_array_sized_aligned, _ZdaPvmSt11align_val_t)
PA_DELETE(pa_delete_aligned_nothrow, _ZdlPvSt11align_val_tRKSt9nothrow_t)
PA_DELETE(pa_delete_array_aligned_nothrow, _ZdaPvSt11align_val_tRKSt9nothrow_t)
