/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the shared trace sources need from userspace. The kernel has its own
 * file of this name; -I decides which one is found. This is the whole
 * contract: fixed-width types, size_t, bool, memcpy, memset and an abort-free
 * printf attribute.
 */
#ifndef TRACE_HOST_H
#define TRACE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define __printf(fmt, args) __attribute__((format(printf, fmt, args)))

#endif
