#!/usr/bin/python3
"""Each drop reason of dataplane/counters.h is used, in exactly one file, and nothing else is."""
import re

import lint

LIST = "dataplane/counters.h"
ENTRY = re.compile(r"\bX\(\s*(\w+)\s*,\s*\"([^\"]*)\"\s*\)")
USE = re.compile(r"\bDP_DROP_(\w+)\b")
# Of the enum, but not reasons.
NO_REASONS = {"N", "PEER_N", "ENUM"}


def reasons(tree):
    """{name: (line, text)} of the drop lists."""
    code = lint.code_only(tree.read(LIST), keep_strings=True)
    found = {}
    # A list is a #define with continued lines.
    for define in re.finditer(r"#define (DP_\w*DROPS)\(X\)((?:[^\n]*\\\n)*[^\n]*)", code):
        for entry in ENTRY.finditer(define.group(2)):
            line = code.count("\n", 0, define.start(2) + entry.start()) + 1
            found[entry.group(1)] = (line, entry.group(2))
    return found


def check(tree):
    if LIST not in tree.paths:
        return [f"{LIST}:1: missing"]
    listed = reasons(tree)
    complaints, used, texts = [], {name: {} for name in listed}, {}
    if not listed:
        return [f"{LIST}:1: no drop reasons found: has the list changed its form?"]
    for name, (line, text) in listed.items():
        if text in texts:
            complaints.append(f"{LIST}:{line}: {name} has the text of {texts[text]}")
        texts[text] = name
    for path in tree.c_files():
        if not path.endswith(".c") or lint.directory_of(path) not in ("dataplane", "control"):
            continue
        code = lint.code_only(tree.read(path))
        for match in USE.finditer(code):
            name, line = match.group(1), code.count("\n", 0, match.start()) + 1
            if name in listed:
                used[name].setdefault(path, line)
            elif name not in NO_REASONS:
                complaints.append(f"{path}:{line}: DP_DROP_{name} is not in the list")
    for name, places in used.items():
        if not places:
            complaints.append(f"{LIST}:{listed[name][0]}: nothing is dropped for {name}")
        elif len(places) > 1:
            where = ", ".join(f"{path}:{line}" for path, line in sorted(places.items()))
            complaints.append(f"{LIST}:{listed[name][0]}: {name} is used in {len(places)} files, "
                              f"not one: {where}")
    return complaints


def header(*entries):
    return "#define DP_DROPS(X) \\\n" + " \\\n".join(f'\tX({n}, "{t}")' for n, t in entries) + "\n"


CLEAN = {LIST: header(("runt", "short"), ("ttl", "used up")),
         "dataplane/classify.c": "int a = DP_DROP_runt, b = DP_DROP_runt, c = DP_DROP_N;\n",
         "dataplane/forward.c": "int a = DP_DROP_ttl; /* DP_DROP_runt */\n",
         "tests/unit/a.c": "int a = DP_DROP_ttl;\n"}
PLANTED = [
    ("a reason that nothing uses", {LIST: header(("runt", "a"), ("ttl", "b"), ("new", "c"))},
     "dataplane/counters.h:4: nothing is dropped for new"),
    ("a reason used in two files", {"dataplane/decap.c": "\nint a = DP_DROP_ttl;\n"},
     "ttl is used in 2 files"),
    ("a reason that is not listed", {"control/control.c": "int a = DP_DROP_ttll;\n"},
     "not in the list"),
    ("two reasons with one text", {LIST: header(("runt", "a"), ("ttl", "a"))}, "has the text of"),
    ("a list in another form", {LIST: "enum dp_drop { DP_DROP_ttl };\n"}, "no drop reasons found"),
]

if __name__ == "__main__":
    lint.run("drops", check, PLANTED, CLEAN)
