#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# dkms_post_build.sh KERNEL ARCH: run by DKMS in its build directory. Keeps what modules that use
# poolalloc are built with: /var/lib/dkms/poolalloc/kernel-KERNEL-ARCH/Module.symvers.
exec install -m 644 Module.symvers "../$1/$2/Module.symvers"
