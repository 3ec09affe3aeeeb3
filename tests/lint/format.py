#!/usr/bin/python3
"""The tree is as clang-format 14 leaves it; other versions format differently."""
import os
import shutil
import subprocess

import lint

VERSION = "14."
HERE = os.path.dirname(os.path.abspath(__file__))


def find_formatter():
    """(path, None), or (None, why there is none)."""
    versions = []
    for name in ("clang-format-14", "clang-format"):
        path = shutil.which(name)
        if not path:
            continue
        text = subprocess.run([path, "--version"], capture_output=True, text=True).stdout.strip()
        if f"version {VERSION}" in text:
            return path, None
        versions.append(text)
    return None, "clang-format 14 is not installed" + "".join(f" ({v})" for v in versions)


FORMATTER, MISSING = find_formatter()


def check(tree):
    files = tree.c_files()
    if not files:
        return []
    style = os.path.join(HERE, "..", "..", ".clang-format")
    result = subprocess.run([FORMATTER, "--dry-run", "-Werror", "--ferror-limit=0",
                             f"--style=file:{style}"] + files,
                            cwd=tree.root, capture_output=True, text=True)
    found = sorted({": ".join(line.split(": ", 1)) for line in result.stderr.splitlines()
                    if ": error: " in line})
    if result.returncode and not found:
        found = [f"clang-format ended with {result.returncode}: {result.stderr.strip()}"]
    return found


CLEAN = {"config/a.c": "int twice(int a)\n{\n\treturn 2 * a;\n}\n"}
PLANTED = [
    ("spaces for a tab", {"config/b.c": "int f(void)\n{\n        return 0;\n}\n"}, "config/b.c:2"),
    ("a brace on the wrong line", {"config/b.c": "int f(void) {\n\treturn 0;\n}\n"},
     "config/b.c:1"),
]

if __name__ == "__main__":
    lint.run("format", check, PLANTED, CLEAN, MISSING)
