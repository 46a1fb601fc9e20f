# SPDX-License-Identifier: GPL-2.0-only OR MIT
# poolalloc: the kernel module, the library, and their tests. `make help` lists the targets.
#
# Kbuild reads the file Kbuild, so `make -C KDIR M=$PWD modules` works too.

# Empty: each half's own default, seed in the kernel and modern in userspace.
GEOMETRY ?=
CC ?= gcc
PREFIX ?= /usr/local
DESTDIR ?=
V ?=
# Tests to run at once, and a pattern for their names.
JOBS ?= $(shell nproc)
TESTS ?=

ifeq ($(filter $(or $(GEOMETRY),seed),seed modern),)
$(error GEOMETRY=$(GEOMETRY) is unknown: it is seed or modern)
endif

Q := $(if $(V),,@)
LIB := selftests/lib
SHARED_ARGS := $(if $(GEOMETRY),GEOMETRY=$(GEOMETRY)) CC='$(CC)' PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' V=$(V)

.DEFAULT_GOAL := all
.PHONY: all userspace module check check-programs check-matrix check-debug-kernel bench-kernel torture demo bench bench-quick \
	bench-shapes bench-beside \
	install uninstall modules_install modules_uninstall dkms_install dkms_uninstall check-dkms \
	clean distclean help

all: $(if $(wildcard userspace/Makefile),userspace) ## the library, its tools, and ./poolalloc.ko when there are kernel headers
	$(Q)if [ -n "$(KDIR)$(KERNEL)" ] || $(LIB)/kdir.sh >/dev/null; then \
		$(MAKE) --no-print-directory module; \
	else \
		echo "no kernel headers found: ./poolalloc.ko is not built" \
			"(give KDIR=DIR, or KERNEL=6.12 to download Debian's)"; \
	fi

userspace: ## the library and its tools, in userspace/
	$(Q)$(MAKE) --no-print-directory -C userspace $(SHARED_ARGS)

# Built in a mirror under build/, so that several kernels' builds never mix; the products are copied.
define choose_kernel
	set -e; \
	if [ -n "$(KERNEL)" ]; then choice="--kernel $(KERNEL)"; \
	elif [ -n "$(KDIR)" ]; then choice="--kdir $(KDIR)"; \
	else dir=$$($(LIB)/kdir.sh) || { \
		echo "no kernel headers found: install linux-headers-amd64, give KDIR=DIR," \
			"or KERNEL=6.12 to download Debian's" >&2; exit 1; }; \
		choice="--kdir $$dir"; fi
endef
define build_module
	$(choose_kernel); \
	out=$$($(LIB)/kmod.sh $$choice --geometry $(or $(GEOMETRY),seed) $(if $(W),W=$(W)) $(if $(C),C=$(C)))
endef
INSTALL_MODULE = $(MAKE) $(if $(Q),-s) --no-print-directory -f kmod/install.mk DESTDIR='$(DESTDIR)'

module: ## ./poolalloc.ko and ./Module.symvers; KDIR=DIR or KERNEL=6.12 chooses the kernel
	$(Q)$(build_module); \
	cp $$out/poolalloc.ko $$out/Module.symvers .; \
	echo "poolalloc.ko for $$(modinfo -F vermagic ./poolalloc.ko 2>/dev/null || echo $$choice)"

check: ## every test; installs what it needs. TESTS=REGEX picks by name, JOBS=N sets how many at once
	$(Q)$(LIB)/deps.sh check
	$(Q)$(MAKE) --no-print-directory userspace
	$(Q)$(MAKE) --no-print-directory -C selftests check CC='$(CC)' JOBS=$(JOBS) TESTS='$(TESTS)'

check-programs: ## real programs under the preloaded library, against glibc; PROGRAMS=REGEX picks
	$(Q)$(LIB)/deps.sh check
	$(Q)selftests/programs.sh --full '$(PROGRAMS)'

torture: ## threads, signals, forks and exits at random for an hour; SECONDS=N, TEST_SEED=N
	$(Q)$(LIB)/deps.sh build
	$(Q)selftests/malloc_torture.sh --seconds $(if $(filter file command% environment%,$(origin SECONDS)),$(SECONDS),3600)

check-matrix: ## the kernel tests on every kernel, as a table. KERNELS='6.1 6.1-rt' picks
	$(Q)$(LIB)/deps.sh kernel
	$(Q)selftests/matrix.sh $(KERNELS)

check-debug-kernel: ## the kernel tests on kernels with KASAN, lockdep and KCSAN, which are built first
	$(Q)$(LIB)/deps.sh debug-kernel
	$(Q)$(LIB)/debug_kernel.sh kasan
	$(Q)$(LIB)/debug_kernel.sh kcsan
	$(Q)HOTPLUG_CYCLES=$(HOTPLUG_CYCLES) selftests/matrix.sh $(or $(KERNELS),6.1-kasan:slab 6.1-kasan:pool 6.1-kcsan:pool)

check-dkms: ## dkms add, build and install in a Debian chroot; as root, 2 minutes, 15 seconds when repeated
	$(Q)$(LIB)/deps.sh kernel chroot
	$(Q)selftests/dkms.sh

bench-kernel: ## instructions and memory of kmalloc, kmem_cache and poolalloc. KERNELS='6.1' picks
	$(Q)$(LIB)/deps.sh debug-kernel
	$(Q)selftests/bench_kernel.sh $(KERNELS)

demo: ## a real program's allocations, replayed in a kernel and in userspace; both must agree
	$(Q)$(LIB)/deps.sh demo
	$(Q)selftests/demo.sh

bench bench-quick bench-shapes bench-beside: # see below
	$(Q)$(LIB)/deps.sh bench
	$(Q)$(MAKE) --no-print-directory -f userspace/bench/bench.mk $@ CC='$(CC)' \
		PEERS='$(PEERS)' BENCH_FLAGS='$(BENCH_FLAGS)' $(if $(SEEDS),SEEDS='$(SEEDS)') \
		WORKLOADS='$(WORKLOADS)'
bench: ## speed and memory beside other allocators, about 15 minutes; PEERS=A.so,B.so adds some
bench-quick: ## fewer workloads and rounds, about 2 minutes
bench-shapes: ## workloads drawn from seeds, about 4 minutes; SEEDS=1-50 picks, PEERS likewise
bench-beside: ## fast paths, all allocators in one process, about 2 minutes; WORKLOADS='batch live=300; random', PEERS likewise

install: ## the library, tools and man pages, under DESTDIR and PREFIX; LIBDIR=DIR if not PREFIX/lib
	$(Q)$(MAKE) --no-print-directory -C userspace $(SHARED_ARGS) install
	@echo "the kernel module is not among it: make modules_install"

uninstall: ## removes them; give the same PREFIX
	$(Q)$(MAKE) --no-print-directory -C userspace $(SHARED_ARGS) uninstall

modules_install: ## poolalloc.ko, for the kernel that KDIR or KERNEL chooses, under INSTALL_MOD_PATH; depmod
	$(Q)$(build_module); $(INSTALL_MODULE) OUT=$$out modules_install

modules_uninstall: ## removes it; give the same KDIR or KERNEL
	$(Q)$(choose_kernel); case "$$choice" in \
	"--kernel "*) eval "$$($(LIB)/kernel.sh --headers $(KERNEL))" ;; \
	*) KVER=$$($(MAKE) -s --no-print-directory -C $${choice#--kdir } kernelrelease) ;; esac; \
	$(INSTALL_MODULE) KVER=$$KVER modules_uninstall

dkms_install dkms_uninstall: # see below
	$(Q)$(INSTALL_MODULE) $@
dkms_install: ## the module's sources in /usr/src/poolalloc-VERSION, for dkms add
dkms_uninstall: ## removes them; first: dkms remove poolalloc/VERSION --all

clean: ## removes everything built; downloaded kernels stay in build/kernels (make distclean)
	$(Q)[ ! -f userspace/Makefile ] || $(MAKE) --no-print-directory -C userspace clean
	$(Q)find build -mindepth 1 -maxdepth 1 ! -name kernels ! -name sources \
		-exec rm -rf {} + 2>/dev/null || true
	$(Q)rm -f poolalloc.ko Module.symvers modules.order .*.cmd *.o *.mod *.mod.c
	$(Q)find common kmod selftests/modules \( -name '*.o' -o -name '.*.cmd' -o -name '*.ko' \
		-o -name '*.mod' -o -name '*.mod.c' \) -delete 2>/dev/null || true

distclean: clean ## and what was downloaded
	$(Q)rm -rf build

help: ## this list
	@sed -n 's/^\([a-z_-]*\):.* ## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 20
	@echo
	@echo "variables: GEOMETRY=seed|modern  KDIR=DIR  KERNEL=VERSION  CC=gcc|clang  V=1  W=1  C=2"
	@echo "           PREFIX=$(PREFIX)  DESTDIR=  INSTALL_MOD_PATH=$$DESTDIR  INSTALL_MOD_DIR=updates"
	@echo "           JOBS=N  TESTS=REGEX  KERNELS='6.1 6.12'"
