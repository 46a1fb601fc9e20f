# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Real programs and the data they work on, which is made here and never changes."""

import os
import random
import shutil
import subprocess
import sys

from runner import HERE, OUT

DATA = os.path.join(OUT, "data")
SCRIPTS = os.path.join(HERE, "programs")
WORDS = 3000

# The interpreter itself: a python3 in the PATH may be a script that starts it.
PYTHON = os.path.realpath(sys.executable)


def path(name):
    return os.path.join(DATA, name)


def write(name, chunks):
    if not os.path.exists(path(name)):
        with open(path(name) + ".new", "w", encoding="ascii") as f:
            f.writelines(chunks)
        os.rename(path(name) + ".new", path(name))
    return path(name)


def text(lines):
    r = random.Random(1)
    for _ in range(lines):
        yield " ".join(f"w{int(r.paretovariate(0.6)) % WORDS}" for _ in range(12)) + "\n"


def json_text(n):
    yield "["
    for i in range(n):
        yield (f'{"," if i else ""}{{"id":{i},"name":"n{i % 613}","tags":["a{i % 7}","b"],'
               f'"x":{{"y":{i / 4},"z":null}}}}\n')
    yield "]\n"


def xml_text(n):
    yield "<root>\n"
    for i in range(n):
        yield f'<item id="i{i}" kind="k{i % 9}"><name>n {i}</name><v a="{i}"/>text {i}</item>\n'
    yield "</root>\n"


def c_text(n):
    yield "struct node { struct node *next; int value; char name[16]; };\n"
    for i in range(n):
        yield (f"int f{i}(struct node *n, int a)\n{{\n\tint s = {i};\n\tfor (; n; n = n->next) {{\n"
               f"\t\tif (n->value > a + {i} && n->name[a & 15])\n\t\t\ts += n->value * {i % 13 + 1};\n"
               f"\t\telse\n\t\t\ts ^= a << {i % 7};\n\t}}\n\treturn s"
               + (f" + f{i - 1}(0, s)" if i else "") + ";\n}\n")


def git_repository(commits):
    """A repository with some history; git's own dates are fixed, so it repeats."""
    top = path("repository")
    if os.path.exists(top):
        return top
    new = top + ".new"
    shutil.rmtree(new, ignore_errors=True)
    os.makedirs(new)
    env = dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null", GIT_AUTHOR_DATE="2001-01-01T00:00:00Z",
               GIT_COMMITTER_DATE="2001-01-01T00:00:00Z")
    git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@localhost", "-C", new]
    subprocess.run(git + ["init", "-q", "-b", "main"], check=True, env=env)
    lines = [f"line {i}\n" for i in range(600)]
    r = random.Random(2)
    for n in range(commits):
        for _ in range(20):
            lines[r.randrange(len(lines))] = f"line {n} {r.random()}\n"
        with open(os.path.join(new, f"file{n % 10}"), "w", encoding="ascii") as f:
            f.writelines(lines)
        subprocess.run(git + ["add", "-A"], check=True, env=env)
        subprocess.run(git + ["commit", "-q", "-m", f"change {n}"], check=True, env=env)
    os.rename(new, top)
    return top


def cc1():
    found = subprocess.run(["gcc", "-print-prog-name=cc1"], capture_output=True, text=True,
                           check=False).stdout.strip()
    return found if os.path.isabs(found) else None


def programs():
    """(name, command) of every program that is installed."""
    os.makedirs(DATA, exist_ok=True)
    source = write("generated.c", c_text(120))
    clang = shutil.which("clang") or shutil.which("clang-14")
    wanted = [
        ("sqlite3", ["sqlite3", ":memory:", f".read {os.path.join(SCRIPTS, 'load.sql')}"]),
        ("perl", ["perl", os.path.join(SCRIPTS, "words.pl"), write("text", text(20000))]),
        ("cc1", [cc1(), "-quiet", "-O1", source, "-o", "/dev/null"]),
        ("clang", [clang, "-O1", "-c", source, "-o", "/dev/null"]),
        ("jq", ["jq", "[.[] | {id, n: .name, t: (.tags | join(\"-\"))}] | group_by(.n) | length",
                write("big.json", json_text(20000))]),
        ("xmllint", ["xmllint", "--xpath", "count(//item[@kind='k3'])",
                     write("big.xml", xml_text(40000))]),
        ("lua", ["lua5.4", os.path.join(SCRIPTS, "tables.lua")]),
    ]
    if shutil.which("git"):
        wanted.append(("git", ["git", "--no-pager", "-C", git_repository(120), "log", "-p"]))
    for name, command in wanted:
        if command[0] and shutil.which(command[0]):
            yield name, command


def traces():
    """(name, pabench arguments) of every program's recorded allocations.

    Recorded once, by poolalloc-trace; without that tool there are none.
    """
    tool = os.path.join(HERE, "..", "poolalloc-trace")
    if not os.path.exists(tool):
        print("bench: poolalloc-trace is not built: no traces are replayed")
        return
    script = os.path.join(HERE, "python", "json_loads.py")
    recorded = list(programs()) + [("python3", ["env", "PYTHONMALLOC=malloc", PYTHON, "-B",
                                                script])]
    for name, command in recorded:
        trace = path(name + ".trace")
        if not os.path.exists(trace):
            done = subprocess.run([tool, "record", "-o", trace, "--"] + command,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                  stdin=subprocess.DEVNULL, check=False)
            if done.returncode:
                print(f"bench: no trace of {name}: {done.stderr.strip()}")
                continue
        yield "trace-" + name, f"replay trace={trace} times=1"


def cpython():
    """(name, command) of the CPython workloads."""
    folder = os.path.join(HERE, "python")
    for name in sorted(os.listdir(folder)):
        if name.endswith(".py"):
            yield "py-" + name[:-3], [PYTHON, "-B", os.path.join(folder, name)]
