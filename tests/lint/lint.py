"""What the lints share: the files of the tree, C without its comments and strings, TAP.

A lint is a function check(tree) that returns complaints, "path:line: what". main() runs it on the
whole tree as one case, and on small planted trees as others: a lint that cannot fail is none.
"""
import argparse
import os
import re
import sys
import tempfile

DIRECTORIES = ["crypto", "handshake", "config", "dataplane", "control", "cli", "bench", "tests"]
# Not ours to shape: generated, or data.
SKIPPED_DIRECTORIES = {".git", "__pycache__", "corpus"}


class Tree:
    """The files below root, as relative paths with "/"; contents are read once."""

    def __init__(self, root):
        self.root = root
        self.contents = {}
        self.paths = []
        for directory, names, files in os.walk(root):
            inside = os.path.relpath(directory, root)
            names[:] = sorted(
                n for n in names if n not in SKIPPED_DIRECTORIES
                and not (inside == "." and n.startswith(("build", "report")))
                and not os.path.exists(os.path.join(directory, n, "build.ninja")))
            self.paths += [os.path.normpath(os.path.join(inside, f)) for f in sorted(files)]

    def read(self, path):
        if path not in self.contents:
            with open(os.path.join(self.root, path), encoding="utf-8", newline="") as f:
                self.contents[path] = f.read()
        return self.contents[path]

    def c_files(self):
        return [p for p in self.paths if p.endswith((".c", ".h"))]


def directory_of(path):
    """The first directory of a path, "" for the root."""
    return path.split("/")[0] if "/" in path else ""


def blank(text):
    return "".join(c if c == "\n" else " " for c in text)


def blank_match(match):
    return blank(match.group(0))


C_TOKEN = re.compile(r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL)


def code_only(text, keep_strings=False):
    """C with comments (and strings) replaced by spaces; lines and columns stay."""
    def replace(match):
        token = match.group(0)
        return token if keep_strings and token[0] in "\"'" else blank(token)
    return C_TOKEN.sub(replace, text)


def comments(text):
    """(line number, token) of each comment of C text."""
    return [(text.count("\n", 0, m.start()) + 1, m.group(0))
            for m in C_TOKEN.finditer(text) if m.group(0)[0] == "/"]


def main(name, check, planted, clean, skip=None):
    """Runs check on the tree and on what is planted, prints TAP, returns the exit status.

    planted: list of (what, {path: text}, text expected in a complaint). clean: {path: text} that
    must pass, to which each planted violation is added. skip: why the lint cannot run, if so.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", required=True)
    args = parser.parse_args()
    cases = []

    if skip:
        print(f"1..0 # SKIP {skip}")
        return 0
    found = check(Tree(args.root))
    cases.append((f"{name}: the tree", found))
    cases.append((f"{name}: a clean file passes", on_planted(check, clean)))
    for what, files, expected in planted:
        got = on_planted(check, {**clean, **files})
        wrong = [] if any(expected in line for line in got) else \
            [f"planted, but not found: {expected!r} in {got}"]
        cases.append((f"{name}: catches {what}", wrong))
    print(f"1..{len(cases)}")
    for number, (label, wrong) in enumerate(cases, 1):
        print(f"{'not ok' if wrong else 'ok'} {number} - {label}")
        for line in wrong:
            print(f"# {line}")
    return 1 if any(wrong for _, wrong in cases) else 0


def on_planted(check, files):
    with tempfile.TemporaryDirectory(prefix="wgdp-lint-") as root:
        for path, text in files.items():
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8", newline="") as f:
                f.write(text)
        return check(Tree(root))


def run(*args, **kwargs):
    sys.exit(main(*args, **kwargs))
