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

LIBRARY = os.path.join(HERE, "..")

TOOLS = ("gnuplot", "sqlite3", "perl", "gcc", "clang", "jq", "xmllint", "lua5.4", "git", "valgrind")


def tell_missing():
    """What is missing is left out; make bench installs it before."""
    missing = [package for _, package, where in DEBIAN if not glob.glob(where)]
    missing += [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        print("bench: not installed, left out: " + " ".join(missing) +
              " (selftests/lib/deps.sh bench installs them)")


def snapshot(name, *paths):
    """Copies, so that building the library meanwhile does not change what is measured."""
    folder = os.path.join(OUT, "under-test", name)
    os.makedirs(folder, exist_ok=True)
    for path in paths:
        copy = os.path.join(folder, os.path.basename(path))
        # A new file each time: another run may have the old one mapped.
        shutil.copyfile(path, f"{copy}.{os.getpid()}")
        os.rename(f"{copy}.{os.getpid()}", copy)
    return os.path.join(folder, os.path.basename(paths[0]))


def built_here(name, folder, *files):
    """A peer from the first of @files; the others are what it is linked with."""
    paths = [os.path.join(folder, f) for f in files]
    if all(os.path.exists(p) for p in paths):
        yield Peer(name, snapshot(name, *paths))
    else:
        print(f"bench: {name} is not built: it is left out")


def ours():
    """The library in both geometries, where they have been built."""
    yield from built_here("poolalloc", LIBRARY, "libpoolalloc-malloc.so")
    yield from built_here("poolalloc-seed", os.path.join(OUT, "seed"), "libpoolalloc-malloc.so")


def shim():
    """CPython's allocators replaced by the library's own interface."""
    return list(built_here("poolalloc-shim", LIBRARY, "libpoolalloc-python.so"))


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
