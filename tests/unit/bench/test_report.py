#!/usr/bin/python3
"""scripts/bench.py: what it makes of results that are known, and how it ends."""
import csv
import html.parser
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import xml.etree.ElementTree

import made_up
from bench import TIMEOUT_S, go

PROGRAM = os.path.join(made_up.SCRIPTS, "bench.py")
PYTHON = "/usr/bin/python3"
PLOTS = ("throughput", "stages", "backends", "scaling", "scaling-one", "rfc2544",
         "latency-rfc2544-64", "latency-rfc2544-imix", "peers", "latency-peers", "handshakes",
         "refusals", "lookup", "crypto")
VOID = {"meta", "img", "br", "link", "hr"}
HAS_GNUPLOT = shutil.which("gnuplot") is not None
# Of these tests a directory each, below one.
scratch = tempfile.TemporaryDirectory()


def fresh():
    return tempfile.mkdtemp(dir=scratch.name)


def bench(*arguments, status=0, **more):
    done = subprocess.run([PYTHON, PROGRAM, *arguments], capture_output=True, text=True,
                          timeout=TIMEOUT_S, check=False, **more)
    assert done.returncode == status, done
    return done


class Page(html.parser.HTMLParser):
    """Fails if tags do not nest; collects text, ids, links and images."""

    def __init__(self, path):
        super().__init__()
        self.open, self.texts, self.ids, self.links, self.images = [], [], set(), [], []
        with open(path, encoding="utf-8") as f:
            self.source = f.read()
        self.feed(self.source)
        self.close()
        assert not self.open, self.open
        assert all(link[1:] in self.ids for link in self.links), (self.links, self.ids)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if "id" in attrs:
            assert attrs["id"] not in self.ids, attrs
            self.ids.add(attrs["id"])
        if tag == "a":
            self.links.append(attrs["href"])
        if tag == "img":
            assert attrs["alt"], attrs
            self.images.append(attrs["src"])

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, (tag, self.open)

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(self.texts)


def page_of(directory):
    return Page(os.path.join(directory, "index.html"))


def rows(path):
    with open(path, newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def of_stored_results():
    out = fresh()
    made_up.fill(out)
    bench("--page", "--out", out)
    page = page_of(out)
    assert page.ids >= set(PLOTS), page.ids
    for words in ("Made <Up> & Co", "DPDK 22.11", "veth <here>", "Partial", "2.000 GHz",
                  "partial: the link <went>"):
        assert words in page.text, words
    assert "rounds 3 to 9: left out, a round takes <long>" in page.text, page.text
    assert "turns tried twice: 1" in page.text and "turns lost" not in page.text, page.text
    # 200 cycles of 2 GHz; 20 us.
    assert "10.0" in page.text and "20.0" in page.text, page.text


def whole_gateways():
    """What rfc2544 found, over as many media as there are parts."""
    out = fresh()
    made_up.fill(out, ["rfc2544"])
    with open(os.path.join(out, "rfc2544-memory.json"), "w", encoding="utf-8") as f:
        json.dump(made_up.rfc2544("one <process>", partial=False), f)
    bench("--page", "--out", out)
    page = page_of(out)
    for words in ("rfc2544, encrypt, PDR", "rfc2544-memory, encrypt, PDR", "123",
                  "rfc2544-memory: one <process>. rfc2544: veth <here>.",
                  "may do more: rfc2544-memory imix PDR, rfc2544 imix PDR."):
        assert words in page.text, words
    assert page.ids == {"how", "rfc2544", *(f"latency-{part}-{size}" for size in (64, "imix")
                                            for part in ("rfc2544", "rfc2544-memory"))}, page.ids
    results = {(row["part"], row["name"]): row for row in rows(os.path.join(out, "results.csv"))}
    row = results["rfc2544", "throughput/encrypt/64/PDR"]
    assert (row["median"], row["unit"]) == ("123000", "packets/s"), row
    row = results["rfc2544-memory", "latency/encrypt/imix/50/p99_9"]
    assert (row["median"], row["unit"]) == ("80000", "ns"), row


def as_csv():
    out = fresh()
    made_up.fill(out, ["path", "lookup"])
    bench("--page", "--out", out)
    results = {row["name"]: row for row in rows(os.path.join(out, "results.csv"))}
    assert results["encrypt/64/1-peer/fast"] == {
        "part": "path", "name": "encrypt/64/1-peer/fast", "unit": made_up.CYCLES, "samples": "5",
        "median": "200", "p5": "180.0", "p95": "200", "ratio": "4.0",
        "ratio_to": "encrypt/64/1-peer/reference", "left_out": ""}, results
    left_out = results["v4/hosts-1k/hits/rte_lpm"]
    assert (left_out["samples"], left_out["left_out"]) == ("0", "does not fit"), left_out
    samples = [float(row["value"]) for row in rows(os.path.join(out, "samples.csv"))
               if row["name"] == "encrypt/64/1-peer/fast"]
    assert samples == made_up.result("", "", 200)["values"], samples


def plots():
    out = fresh()
    made_up.fill(out)
    done = bench("--page", "--out", out)
    page = page_of(out)
    if not HAS_GNUPLOT:
        assert "gnuplot is not installed" in done.stderr + page.text, done
        return
    assert len(page.images) == len(PLOTS), page.ids
    for name in PLOTS:
        xml.etree.ElementTree.parse(os.path.join(out, "plots", f"{name}.svg"))
        with open(os.path.join(out, "plots", f"{name}.png"), "rb") as f:
            assert f.read(8) == b"\x89PNG\r\n\x1a\n", name


def without_gnuplot():
    out, empty = fresh(), fresh()
    made_up.fill(out)
    done = bench("--page", "--out", out, env={"PATH": empty})
    page = page_of(out)
    assert "scripts/deps bench" in done.stderr and "scripts/deps bench" in page.text, done
    assert not page.images and page.ids >= set(PLOTS), page.ids


def measures_all():
    build, out = fresh(), fresh()
    made_up.program(build)
    bench("--build", build, "--out", out, "--minutes", "1")
    names = ["path", "workers", "handshakes", "crypto", "lookup"]
    workers = len(os.sched_getaffinity(0)) > 1
    called = made_up.calls(build)
    assert len(called) == 4 + workers, called
    assert all("--json --seconds " in line for line in called), called
    for name in names:
        assert os.path.exists(os.path.join(out, f"{name}.json")) == (workers or name != "workers")
    page = page_of(out)
    assert "left out" in page.text and "has no rfc2544" in page.text, page.text
    assert "complete" in page.text and "wgdp-bench path --json" in page.text, page.text
    assert "Partial" not in page.text, page.text


def measures_some():
    """What is not measured anew stays."""
    build, out = fresh(), fresh()
    made_up.program(build)
    bench("--build", build, "--out", out, "--parts", "path")
    before = page_of(out).ids
    bench("--build", build, "--out", out, "--parts", "crypto")
    assert [line.split()[0] for line in made_up.calls(build)] == ["path", "crypto"]
    assert page_of(out).ids == before | {"crypto"}, page_of(out).ids


def what_there_is_no_time_for():
    build, out = fresh(), fresh()
    made_up.program(build)
    done = bench("--build", build, "--out", out, "--minutes", "0.3", "--parts", "path,lookup")
    assert [line.split()[0] for line in made_up.calls(build)] == ["path"], done
    page = page_of(out)
    assert "no time for it" in done.stderr and "no time for it" in page.text, done
    assert "--minutes" in page.text and "Partial" not in page.text, page.text


def a_part_fails():
    build, out = fresh(), fresh()
    made_up.program(build, code="sys.exit(3) if command == 'path' else 0")
    done = bench("--build", build, "--out", out, "--parts", "path,crypto", status=1)
    assert "exit status 3" in done.stderr, done
    page = page_of(out)
    assert "failed: exit status 3" in page.text and "crypto" in page.ids, page.text
    assert not os.path.exists(os.path.join(out, "path.json"))


WAITS = """
if command == "crypto":
    whole = json.load(open(os.path.join(here, "crypto.json")))
    def stop(number, frame):
        signal.signal(number, signal.SIG_DFL)
        print(json.dumps(dict(whole, partial=True)), flush=True)
        sys.exit(130)
    signal.signal(signal.SIGINT, stop)
    open(os.path.join(here, "waits"), "w").close()
    while True:
        signal.pause()
"""


def stopped_by(stop):
    """stop: of the process, when the second of three parts waits for it. What that prints then is
    kept."""
    build, out = fresh(), fresh()
    directory = made_up.program(build, code=WAITS)
    child = subprocess.Popen([PYTHON, PROGRAM, "--build", build, "--out", out, "--parts",
                              "path,crypto,lookup"], stderr=subprocess.PIPE, text=True,
                             start_new_session=True)
    deadline = time.monotonic() + TIMEOUT_S
    while not os.path.exists(os.path.join(directory, "waits")):
        assert child.poll() is None and time.monotonic() < deadline, child.stderr.read()
        time.sleep(0.02)
    stop(child.pid)
    _, error = child.communicate(timeout=TIMEOUT_S)
    assert child.returncode == 130, error
    page = page_of(out)
    assert "Partial" in page.text and "partial: stopped early" in page.text, page.text
    assert page.ids >= {"throughput", "crypto"} and "lookup" not in page.ids, page.ids


def takes_too_long():
    """A part is ended when it has had more than its time; what it has is kept, and those after it
    have less, or none."""
    build, out = fresh(), fresh()
    made_up.program(build, code=WAITS.replace("crypto", "path"))
    done = bench("--build", build, "--out", out, "--minutes", "0.1", "--parts", "path,crypto")
    assert "not done after" in done.stderr, done
    page = page_of(out)
    assert "partial: not done after" in page.text, page.text
    assert "throughput" in page.ids and "crypto" not in page.ids, page.ids
    assert "no time for it" in page.text, page.text


def is_stopped():
    """Ctrl-C: all that the terminal runs get it."""
    stopped_by(lambda pid: os.killpg(pid, signal.SIGINT))


def is_terminated():
    """By a process manager: only the script gets it."""
    stopped_by(lambda pid: os.kill(pid, signal.SIGTERM))


def nothing_there():
    out = fresh()
    done = bench("--page", "--out", out, status=1)
    assert "nothing was measured" in done.stderr, done
    assert not os.path.exists(os.path.join(out, "index.html"))
    done = bench("--build", out, "--out", out, "--parts", "path", status=1)
    assert "is not there: make builds it" in done.stderr, done


def malformed():
    out = fresh()
    for text in ("{", "[]", json.dumps({"results": []})):
        with open(os.path.join(out, "path.json"), "w", encoding="utf-8") as f:
            f.write(text)
        done = bench("--page", "--out", out, status=1)
        assert "path.json" in done.stderr and "Traceback" not in done.stderr, done


def refusals():
    for arguments in (["--parts", "nonsense"], ["--minutes", "0"], ["extra"]):
        done = bench(*arguments, status=2)
        assert done.stderr and not done.stdout, done


go([of_stored_results, whole_gateways, as_csv, plots, without_gnuplot, measures_all, measures_some,
    what_there_is_no_time_for, a_part_fails, takes_too_long, is_stopped, is_terminated,
    nothing_there, malformed, refusals])
scratch.cleanup()
