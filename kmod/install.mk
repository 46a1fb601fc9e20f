# SPDX-License-Identifier: GPL-2.0-only
# Installs the module; the Makefile in the top directory calls this.
#
#   modules_install OUT=DIR            what was built in DIR, for the kernel it was built for
#   modules_uninstall KVER=RELEASE     for that kernel
#   dkms_install, dkms_uninstall       the sources, where DKMS takes them from
#
# INSTALL_MOD_PATH, INSTALL_MOD_DIR, INSTALL_MOD_STRIP and DEPMOD are the kernel's own.

HERE := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
TOP := $(patsubst %/kmod,%,$(HERE))
VERSION := $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' $(HERE)/dkms.conf)

INSTALL_MOD_PATH ?= $(DESTDIR)
INSTALL_MOD_DIR ?= updates
DEPMOD ?= depmod
KVER ?= $(if $(OUT),$(firstword $(shell modinfo -F vermagic $(OUT)/poolalloc.ko)))

MODULES = $(INSTALL_MOD_PATH)/lib/modules/$(KVER)
# For modules that use this one: the header, and each kernel's symbol versions.
DEV := $(INSTALL_MOD_PATH)/usr/src/poolalloc-dev-$(VERSION)
DKMS := $(INSTALL_MOD_PATH)/usr/src/poolalloc-$(VERSION)
run_depmod = $(DEPMOD) $(if $(INSTALL_MOD_PATH),-b $(INSTALL_MOD_PATH)) $(KVER)

.PHONY: modules_install modules_uninstall dkms_install dkms_uninstall known

known:
	@[ -n "$(KVER)" ] || { echo "no kernel to install for: is modinfo (kmod) installed?" >&2; exit 1; }

modules_install: known
	install -D -m 644 $(OUT)/poolalloc.ko $(MODULES)/$(INSTALL_MOD_DIR)/poolalloc.ko
	$(if $(INSTALL_MOD_STRIP),strip --strip-debug $(MODULES)/$(INSTALL_MOD_DIR)/poolalloc.ko)
	install -D -m 644 $(HERE)/include/linux/poolalloc.h $(DEV)/include/linux/poolalloc.h
	install -D -m 644 $(OUT)/Module.symvers $(DEV)/$(KVER)/Module.symvers
	$(run_depmod)

modules_uninstall: known
	rm -f $(MODULES)/$(INSTALL_MOD_DIR)/poolalloc.ko
	rm -rf $(DEV)/$(KVER)
	ls $(DEV)/*/Module.symvers >/dev/null 2>&1 || rm -rf $(DEV)
	[ ! -d $(MODULES) ] || $(run_depmod)

dkms_install:
	install -d $(DKMS)
	cd $(TOP) && cp -r --parents Kbuild COPYING common/*.[ch] kmod/*.[ch] kmod/*.sh kmod/include \
		kmod/compat kmod/README.md $(abspath $(DKMS))
	install -m 644 $(HERE)/dkms.conf $(DKMS)/dkms.conf

dkms_uninstall:
	rm -rf $(DKMS)
