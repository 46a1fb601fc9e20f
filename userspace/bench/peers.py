# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Which allocators there are: Debian's, ours, the floor, and any others given."""

import glob
import os
import shutil
import subprocess

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

# command, Debian package
TOOLS = (("gnuplot", "gnuplot-nox"), ("sqlite3", "sqlite3"), ("perl", "perl"), ("gcc", "gcc"),
         ("clang", "clang"), ("jq", "jq"), ("xmllint", "libxml2-utils"), ("lua5.4", "lua5.4"),
         ("git", "git"), ("valgrind", "valgrind"))


def missing():
    wanted = [package for _, package, where in DEBIAN if not glob.glob(where)]
    return wanted + [package for tool, package in TOOLS if not shutil.which(tool)]


def install():
    """Installs what is missing from Debian; what cannot be had is left out, and said."""
    wanted = missing()
    if not wanted:
        return
    print("bench: installing " + " ".join(wanted), flush=True)
    if os.geteuid() or not shutil.which("apt-get"):
        print("bench: cannot install them (not root, or no apt-get): they are left out")
        return
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    log = os.path.join(OUT, "apt.log")
    with open(log, "w", encoding="utf-8") as f:
        subprocess.run(["apt-get", "update", "-q"], stdout=f, stderr=f, env=env, check=False)
        for package in wanted:
            subprocess.run(["apt-get", "install", "-q", "-y", "--no-install-recommends", package],
                           stdout=f, stderr=f, env=env, check=False)
    if missing():
        print(f"bench: still missing, see {log}: " + " ".join(missing()))


def ours():
    """The library in both geometries, where they have been built."""
    places = (("poolalloc", os.path.join(HERE, "..", "libpoolalloc-malloc.so")),
              ("pa-modern", os.environ.get("BENCH_MODERN_SO", "")))
    for name, path in places:
        if path and os.path.exists(path):
            yield Peer(name, os.path.realpath(path))
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
