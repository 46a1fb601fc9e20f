# SPDX-License-Identifier: GPL-2.0-only OR MIT
# libpoolalloc-python.so, to be included by userspace/Makefile. It needs no headers of Python.

PYTHON_DIR := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
PYTHON_OBJ := $(OBJ)/python
PYTHON_SHIM := libpoolalloc-python.so
PYTHON_OBJS := $(addprefix $(PYTHON_OBJ)/,shim.o options.o override.o domains.o arenas.o)

$(O)/$(PYTHON_SHIM): $(PYTHON_OBJS) $(O)/libpoolalloc.so.0
	$(Q)$(CC) -shared $(EXTRA_CFLAGS) $(LDFLAGS) -Wl,-soname,$(PYTHON_SHIM) -Wl,-z,now -Wl,-z,relro \
		-Wl,-rpath,'$$ORIGIN' -o $@ $^

$(PYTHON_OBJ)/%.o: $(PYTHON_DIR)/%.c $(OBJ)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) $(PA_CFLAGS) -c -o $@ $<

-include $(wildcard $(PYTHON_OBJ)/*.d)
