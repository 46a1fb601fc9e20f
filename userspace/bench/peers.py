# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Which allocators there are: Debian's, ours, the floor, and any others given."""

import glob
import os
import shutil

from runner import HERE, OUT, Peer, die

# name, Debian package, where its shared object may be
DEBIAN = (
    ("jemalloc", "libjemalloc2", "/usr/lib/*-linux-gnu/libjemalloc.so.2"),
    ("mimalloc", "libmimalloc2.0", "/usr/lib/*-linux-gnu/libmimalloc.so.2*"),
    ("tcmalloc", "libtcmalloc-minimal4", "/usr/lib/*-linux-gnu/libtcmalloc_minimal.so.4"),
    ("tbb", "libtbbmalloc2", "/usr/lib/*-linux-gnu/libtbbmalloc_proxy.so.2"),
    ("scudo", "libclang-rt-14-dev",
     "/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.scudo_standalone-x86_64.so"),
)

TOOLS = ("gnuplot", "sqlite3", "perl", "gcc", "clang", "jq", "xmllint", "lua5.4", "git", "valgrind")


def tell_missing():
    """What is missing is left out; make bench installs it before."""
    missing = [package for _, package, where in DEBIAN if not glob.glob(where)]
    missing += [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        print("bench: not installed, left out: " + " ".join(missing) +
              " (selftests/lib/deps.sh bench installs them)")


def snapshot(name, path):
    """A copy, so that building the library meanwhile does not change what is measured."""
    copy = os.path.join(OUT, "under-test", name + ".so")
    os.makedirs(os.path.dirname(copy), exist_ok=True)
    shutil.copyfile(path, copy)
    return copy


def ours():
    """The library in both geometries, where they have been built."""
    places = (("poolalloc", os.path.join(HERE, "..", "libpoolalloc-malloc.so")),
              ("poolalloc-seed", os.path.join(OUT, "seed", "libpoolalloc-malloc.so")))
    for name, path in places:
        if os.path.exists(path):
            yield Peer(name, snapshot(name, path))
        else:
            print(f"bench: {name} is not built: it is left out")


def debian():
    yield Peer("glibc", None)
    for name, _, where in DEBIAN:
        found = sorted(glob.glob(where))
        if found:
            yield Peer(name, found[0])


def extra(paths):
    """The peers of PEERS=path,..."""
    for path in filter(None, paths.replace(",", " ").split()):
        if not os.path.exists(path):
            die(f"PEERS: {path}: no such file")
        name = os.path.basename(path).removeprefix("lib").split(".so")[0]
        yield Peer("+" + name[:11], os.path.realpath(path))


def floor():
    return Peer("floor", os.path.join(OUT, "floor.so"))
