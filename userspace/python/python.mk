# SPDX-License-Identifier: GPL-2.0-only OR MIT
# libpoolalloc-python.so, to be included by userspace/Makefile. It needs no headers of Python.

PYTHON_DIR := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
PYTHON_OBJ := $(OBJ)/python
PYTHON_SHIM := libpoolalloc-python.so
PYTHON_OBJS := $(addprefix $(PYTHON_OBJ)/,shim.o options.o override.o domains.o other.o arenas.o)

# The library is part of it, so that its fast paths are the functions that the interpreter calls.
$(O)/$(PYTHON_SHIM): $(PYTHON_OBJS) $(LIB_OBJS) $(HOOKS) $(HERE)/libpoolalloc.map
	$(Q)$(CC) $(PA_LDFLAGS) -Wl,-soname,$(PYTHON_SHIM) -Wl,--version-script=$(HERE)/libpoolalloc.map \
		-o $@ $(PYTHON_OBJS) $(HOOKS) $(LIB_OBJS) $(PA_LDLIBS)

$(PYTHON_OBJ)/%.o: $(PYTHON_DIR)/%.c $(OBJ)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) $(PA_CFLAGS) -c -o $@ $<

-include $(wildcard $(PYTHON_OBJ)/*.d)
