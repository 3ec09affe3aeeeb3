#!/usr/bin/python3
"""The shape of text: line ends, width, indentation, comments, no notes to oneself."""
import re

import lint

TAB_COLUMNS = 8
WIDTH_COLUMNS = 100
TEXT = (".c", ".h", ".py", ".sh", ".build", ".txt", ".md", ".yaml", ".yml", ".service", ".1", ".5",
        ".8")
TEXT_NAMES = ("Makefile", "run", "deps", "meson.build", "meson_options.txt")
# Widths are for code; prose, data and manuals wrap where they like.
CODE = (".c", ".h", ".py", ".sh")
# Written apart, so that this file does not complain about itself.
NOTES = re.compile(r"\b(" + "|".join(["TO" + "DO", "X" + "XX", "FIX" + "ME"]) + r")\b")


def is_text(path):
    return path.endswith(TEXT) or path.split("/")[-1] in TEXT_NAMES


def check_lines(path, text):
    complaints = []
    for number, line in enumerate(text.split("\n"), 1):
        where = f"{path}:{number}:"
        if NOTES.search(line):
            complaints.append(f"{where} a note to oneself: {line.strip()}")
        if line != line.rstrip():
            complaints.append(f"{where} space at the end of the line")
        width = len(line.expandtabs(TAB_COLUMNS))
        if path.endswith(CODE) and width > WIDTH_COLUMNS:
            complaints.append(f"{where} {width} columns, not more than {WIDTH_COLUMNS}")
        if path.endswith((".c", ".h")) and re.match(r"\t* {8}", line):
            complaints.append(f"{where} indented with spaces")
        if path.endswith((".py", ".build", ".yaml", ".yml")) and line.startswith("\t"):
            complaints.append(f"{where} indented with a tab")
    return complaints


def check_c(path, text):
    complaints = [f"{path}:{line}: comments are written /* like this */"
                  for line, token in lint.comments(text) if token.startswith("//")]
    if not text.startswith("/*"):
        complaints.append(f"{path}:1: a file opens with a comment: what is here")
    return complaints


def check(tree):
    complaints = []
    for path in tree.paths:
        if not is_text(path):
            continue
        try:
            text = tree.read(path)
        except UnicodeDecodeError:
            complaints.append(f"{path}:1: not UTF-8")
            continue
        if not text:
            complaints.append(f"{path}:1: empty")
            continue
        if not text.endswith("\n") or text.endswith("\n\n"):
            complaints.append(f"{path}:{text.count(chr(10)) + 1}: ends with one newline")
        if "\r" in text:
            complaints.append(f"{path}:1: carriage returns")
        complaints += check_lines(path, text)
        if path.endswith((".c", ".h")):
            complaints += check_c(path, text)
    return complaints


CLEAN = {"config/a.c": '/* Here. */\nconst char *url = "http://example.net"; /* a // b */\n',
         "docs/a.md": "A long line is fine in prose. " * 9 + "End.\n"}
PLANTED = [
    ("a // comment", {"config/b.c": "/* Here. */\nint a; // no\n"}, "config/b.c:2: comments are"),
    ("a file without its comment", {"config/b.c": "int a;\n"}, "config/b.c:1: a file opens"),
    ("a note to oneself", {"config/b.c": "/* Here. */\n/* TO" + "DO: more */\n"}, "b.c:2: a note"),
    ("a long line", {"config/b.c": "/* Here. */\n/* " + "a" * 95 + " */\n"}, "columns"),
    ("tabs that count as one", {"config/b.c": "/* Here. */\n" + "\t" * 13 + "a;\n"}, "columns"),
    ("space indentation", {"config/b.c": "/* Here. */\n        int a;\n"}, "with spaces"),
    ("tab indentation", {"scripts/b.py": "if True:\n\tpass\n"}, "with a tab"),
    ("space at the end", {"scripts/b.py": "a = 1 \n"}, "end of the line"),
    ("a missing newline", {"scripts/b.py": "a = 1"}, "one newline"),
    ("an empty line at the end", {"scripts/b.py": "a = 1\n\n"}, "one newline"),
    ("carriage returns", {"docs/b.md": "a\r\n"}, "carriage"),
]

if __name__ == "__main__":
    lint.run("text", check, PLANTED, CLEAN)
