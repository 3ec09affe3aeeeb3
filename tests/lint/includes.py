#!/usr/bin/python3
"""Who may include whom, in which form and order (docs/ARCHITECTURE.md)."""
import re

import lint

# directory: (what it may include of ours, whether it may include DPDK's headers)
LAYERS = {
    "crypto": (["crypto/"], False),
    "handshake": (["handshake/", "crypto/"], False),
    "config": (["config/"], False),
    "dataplane": (["dataplane/", "crypto/", "handshake/wire.h"], True),
    "cli": (["cli/", "config/"], False),
    "bench": (["crypto/", "handshake/", "config/", "dataplane/", "control/", "bench/"], True),
    "tests": (["crypto/", "handshake/", "config/", "dataplane/", "cli/", "control/", "bench/",
               "tests/"],
              True),
    "control": (["crypto/", "handshake/", "config/", "dataplane/", "control/"], True),
}
DPDK = re.compile(r"^(rte_\w+|ethdev_\w+|bus_\w+_driver)\.h$")
THIRD_PARTY = re.compile(
    r"^(rte_\w+|sodium|intel-ipsec-mb|jansson|yaml|cmocka)\.h$|^(sodium|openssl|netlink|systemd)/")
INCLUDE = re.compile(r"^\s*#\s*include\s+([<\"])([^>\"]+)[>\"]", re.MULTILINE)
OWN, SYSTEM, THIRD, PROJECT = range(4)
GROUP_NAMES = ["own header", "system", "third party", "project"]


def group_of(path, bracket, name, first):
    """A file's own header is NAME.h; where several files share one, it is the one named first."""
    if bracket == "<":
        return THIRD if THIRD_PARTY.match(name) else SYSTEM
    own = path.endswith(".c") and (name == path[:-2] + ".h" or (
        first and lint.directory_of(name) == lint.directory_of(path)))
    return OWN if own else PROJECT


def check_layer(tree, path, line, bracket, name):
    directory = lint.directory_of(path)
    allowed, dpdk = LAYERS.get(directory, ([], False))
    where = f"{path}:{line}:"
    if bracket == "<":
        if DPDK.match(name) and not dpdk:
            return [f"{where} {directory}/ does not know DPDK: <{name}>"]
        if name.split("/")[0] in lint.DIRECTORIES:
            return [f"{where} ours is included with quotes: <{name}>"]
        return []
    if ".." in name.split("/") or name.startswith("./"):
        return [f"{where} from the one include root, as \"dir/file.h\": \"{name}\""]
    if "/" not in name:
        return [f"{where} from the one include root, as \"dir/file.h\": \"{name}\""]
    if any(name.startswith(entry) for entry in allowed):
        return []
    return [f"{where} {directory} may not include \"{name}\""]


def check_order(path, found, text):
    complaints = []
    lines = text.split("\n")
    for before, after in zip(found, found[1:]):
        (line_a, group_a, name_a), (line_b, group_b, name_b) = before, after
        where = f"{path}:{line_b}:"
        blank_between = any(not line.strip() for line in lines[line_a:line_b - 1])
        if group_b < group_a:
            complaints.append(f"{where} {GROUP_NAMES[group_b]} include after "
                              f"{GROUP_NAMES[group_a]} includes: {name_b}")
        elif group_a != group_b and not blank_between:
            complaints.append(f"{where} a blank line belongs before the {GROUP_NAMES[group_b]} "
                              f"includes: {name_b}")
        elif group_a == group_b and name_b < name_a:
            complaints.append(f"{where} not sorted: {name_b} after {name_a}")
        elif group_a == group_b and name_b == name_a:
            complaints.append(f"{where} included twice: {name_b}")
    return complaints


def check(tree):
    complaints = []
    for path in tree.c_files():
        text = tree.read(path)
        code = lint.code_only(text, keep_strings=True)
        # What stands under an #if has an order of its own.
        conditional, found = conditional_lines(code), []
        for match in INCLUDE.finditer(code):
            line = code.count("\n", 0, match.start(1)) + 1
            bracket, name = match.group(1), match.group(2)
            complaints += check_layer(tree, path, line, bracket, name)
            if line not in conditional:
                found.append((line, group_of(path, bracket, name, not found), name))
        complaints += check_order(path, found, text)
    return complaints


def conditional_lines(code):
    """Lines inside an #if that is not the header's own guard."""
    inside, depth, lines = set(), [], code.split("\n")
    for number, line in enumerate(lines, 1):
        if re.match(r"\s*#\s*if", line):
            guard = re.match(r"\s*#\s*ifndef\s+(\w+)", line) and number < len(lines) and \
                re.match(r"\s*#\s*define\s+" + line.split()[-1] + r"\s*$", lines[number])
            depth.append(not guard)
        elif re.match(r"\s*#\s*endif", line) and depth:
            depth.pop()
        elif any(depth):
            inside.add(number)
    return inside


CLEAN = {"dataplane/rx.c": '#include "dataplane/rx.h"\n\n#include <stdint.h>\n#include <string.h>\n'
                           '\n#include <rte_mbuf.h>\n\n#include "crypto/aead.h"\n'
                           '#include "dataplane/tx.h"\n#include "handshake/wire.h"\n',
         "control/control.h": "#include <stdint.h>\n",
         "control/main.c": '#include <stdio.h>\n\n#include "control/control.h"\n'
                           '#include "dataplane/rx.h"\n',
         "crypto/aead.h": '#ifndef CRYPTO_AEAD_H\n#define CRYPTO_AEAD_H\n\n#include <stdint.h>\n\n'
                          '#ifdef X\n#include <assert.h>\n#endif\n#endif\n'}
PLANTED = [
    ("dataplane including handshake", {"dataplane/a.c": '#include "handshake/handshake.h"\n'},
     "dataplane/a.c:1: dataplane may not include"),
    ("crypto including DPDK", {"crypto/a.c": "\n#include <rte_mbuf.h>\n"},
     "crypto/a.c:2: crypto/ does not know DPDK"),
    ("config including crypto", {"config/a.c": '#include "crypto/aead.h"\n'}, "may not include"),
    ("control including the CLI", {"control/main.c": '#include "cli/show.h"\n'}, "may not include"),
    ("a file without its directory", {"config/a.c": '#include "yaml.h"\n'}, "dir/file.h"),
    ("a file beside it", {"tests/unit/a.c": '#include "b.h"\n'}, "dir/file.h"),
    ("a relative path", {"tests/a.c": '#include "../config/a.h"\n'}, "dir/file.h"),
    ("ours in angle brackets", {"config/a.c": "#include <config/a.h>\n"}, "with quotes"),
    ("an unsorted group", {"config/a.c": "#include <string.h>\n#include <stdio.h>\n"},
     "not sorted"),
    ("a late own header",
     {"config/a.c": '#include <string.h>\n\n#include "config/a.h"\n'}, "own header include"),
    ("third party after ours",
     {"config/a.c": '#include <stdio.h>\n\n#include "config/b.h"\n\n#include <yaml.h>\n'},
     "third party include after"),
    ("a missing blank line",
     {"config/a.c": '#include <string.h>\n#include <jansson.h>\n'}, "a blank line belongs"),
    ("the same twice", {"config/a.c": "#include <stdio.h>\n#include <stdio.h>\n"}, "twice"),
]

if __name__ == "__main__":
    lint.run("includes", check, PLANTED, CLEAN)
