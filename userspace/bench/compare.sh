#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Compares shared objects on some workloads: compare.sh [-n rounds] [-w name,...] so1 so2 ...
set -e
here=$(dirname "$(readlink -f "$0")")
make -s -f "$here/bench.mk" bench-tools >&2
exec python3 -B "$here/compare.py" "$@"
