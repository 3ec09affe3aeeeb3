#!/usr/bin/python3
"""wgdp-bench compare: what it says of made-up results, whose noise is known."""
import copy
import json
import os
import random
import signal
import subprocess
import sys
import tempfile

from bench import TIMEOUT_S, expect_refusals, go, run

MACHINE = {"cpu": "Made Up 1", "kernel": "6.1", "version": "0.1.0", "tsc_hz": 2600000000,
           "time": "2026-01-01T00:00:00Z", "versions": {"dpdk": "DPDK 22.11"}}
SETTINGS = {"seconds": 30, "peers": 1000}
WORSE = 2
scratch = tempfile.TemporaryDirectory()
chance = random.Random(1)


def noisy(middle, n=31, noise=0.02):
    return [middle * chance.gauss(1, noise) for _ in range(n)]


def whole(results, bench="path", **more):
    return {"bench": bench, "machine": copy.deepcopy(MACHINE), "settings": dict(SETTINGS),
            "partial": False,
            "results": [{"name": name, "unit": unit, "values": values}
                        for name, unit, values in results], **more}


def cycles(*values):
    return whole([("encrypt/64/1-peer/avx512", "tsc_cycles/packet", list(values))])


def written(name, what):
    path = os.path.join(scratch.name, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(what if isinstance(what, str) else json.dumps(what))
    return path


def compared(a, b, status, *more):
    """The object that --json gives; the table has to have the same status, and is given, too."""
    done = run("compare", *more, a, b)
    assert done.returncode == status and not done.stderr, done
    as_json = run("compare", "--json", *more, a, b)
    assert as_json.returncode == status, as_json
    return json.loads(as_json.stdout), done.stdout


def one(found):
    row, = found["results"]
    return row


def equal():
    path = written("a.json", cycles(*noisy(100)))
    found, text = compared(path, path, 0)
    row = one(found)
    assert row["ratio"] == 1 and row["low"] < 1 < row["high"], row
    assert row["verdict"] == "within noise" and found["different"] == [], found
    assert "1 within noise" in text and "different" not in text, text


def within_noise():
    a, b = written("a.json", cycles(*noisy(100))), written("b.json", cycles(*noisy(100.2)))
    found, _ = compared(a, b, 0)
    assert one(found)["verdict"] == "within noise", found


def beyond_noise():
    a, b = written("a.json", cycles(*noisy(100))), written("b.json", cycles(*noisy(90)))
    found, text = compared(a, b, 0)
    row = one(found)
    assert row["verdict"] == "better" and 0.85 < row["low"] <= row["ratio"] <= row["high"] < 0.95
    assert "  better" in text and "by chance" in text, text
    found, text = compared(b, a, WORSE)
    assert one(found)["verdict"] == "worse" and "  worse" in text, text


def wide_noise_hides_it():
    a = written("a.json", cycles(*noisy(100, noise=0.5)))
    b = written("b.json", cycles(*noisy(95, noise=0.5)))
    assert one(compared(a, b, 0)[0])["verdict"] == "within noise"


def rates_are_the_other_way():
    def rate(value):
        return whole([("rate/1-peer/1/accept", "messages/s", noisy(value))])
    a, b = written("a.json", rate(1000)), written("b.json", rate(1200))
    assert one(compared(a, b, 0)[0])["verdict"] == "better"
    assert one(compared(b, a, WORSE)[0])["verdict"] == "worse"


def what_cannot_be_told():
    a, b = written("a.json", cycles(1, 2, 3)), written("b.json", cycles(2, 3, 4))
    found, text = compared(a, b, 0)
    assert one(found)["verdict"] == "unknown" and "low" not in one(found), found
    assert "too few samples" in text, text
    a, b = written("a.json", cycles(*[0] * 9)), written("b.json", cycles(*[-1] * 9))
    found, text = compared(a, b, 0)
    assert "ratio" not in one(found) and "not above zero" in text, text


def runs_that_differ():
    """Each run is quiet, but they differ from each other: only several files show that."""
    runs = [written(f"{i}.json", cycles(*noisy(middle, noise=0.001)))
            for i, middle in enumerate((100, 104, 96, 101, 99, 105))]
    assert one(compared(runs[0], runs[1], WORSE)[0])["verdict"] == "worse"
    found, _ = compared(",".join(runs[:3]), ",".join(runs[3:]), 0)
    assert one(found)["verdict"] == "within noise" and len(found["a"]) == 3, found


def other_surroundings():
    b = cycles(*noisy(100))
    b["machine"].update(cpu="Made Up 2", time="2026-02-02T00:00:00Z",
                        tsc_hz=2600000100, versions={"dpdk": "DPDK 24.11"})
    b["settings"]["peers"] = 20
    a, b = written("a.json", cycles(*noisy(100))), written("b.json", b)
    found, text = compared(a, b, 0)
    assert sorted(found["different"]) == [
        ["machine.cpu", '"Made Up 1"', '"Made Up 2"'],
        ["machine.versions.dpdk", '"DPDK 22.11"', '"DPDK 24.11"'],
        ["settings.peers", "1000", "20"]], found["different"]
    assert text.index("settings.peers") < text.index("95 % interval"), text


def partial():
    b = {**cycles(*noisy(100)), "partial": True}
    found, text = compared(written("a.json", cycles(*noisy(100))), written("b.json", b), 0)
    assert [side[0]["partial"] for side in (found["a"], found["b"])] == [False, True], found
    assert text.count("PARTIAL") == 1, text


def not_in_both():
    a = whole([("same", "x", noisy(1)), ("old", "x", noisy(1)), ("unit", "x", noisy(1))])
    b = whole([("same", "x", noisy(1)), ("new", "x", noisy(1)), ("unit", "y", noisy(1))])
    b["results"].append({"name": "left", "unit": "x", "left_out": "too large"})
    found, _ = compared(written("a.json", a), written("b.json", b), 0)
    assert one(found)["name"] == "same", found
    assert found["only_a"] == ["old", "unit"] and found["only_b"] == ["new", "unit"], found
    found, _ = compared(written("a.json", a), written("b.json", b), 0, "--filter", "s*")
    assert found["only_a"] == [], found


def rfc2544():
    def made(pps, p99):
        return whole([], "rfc2544") | {"trials": [], "results": {
            "throughput": [{"way": "encrypt", "size": 64, "goal": "NDR", "pps": pps}],
            "back-to-back": [{"way": "both", "size": "imix", "bursts": noisy(pps, 9)}],
            "latency": [{"way": "encrypt", "size": 64, "percent": 50, "valid": True,
                         "latency": {"p50": 1000, "p99": p99}},
                        {"way": "encrypt", "size": 64, "percent": 90, "valid": False,
                         "latency": {"p50": 1, "p99": 1}}]}}
    a = ",".join(written(f"a{i}.json", made(pps, 2000)) for i, pps in
                 enumerate((1000, 1010, 990, 1005, 995, 1001)))
    b = ",".join(written(f"b{i}.json", made(pps, 2000)) for i, pps in
                 enumerate((800, 810, 790, 805, 795, 801)))
    rows = {row["name"]: row for row in compared(a, b, WORSE)[0]["results"]}
    assert set(rows) == {"throughput/encrypt/64/NDR", "back-to-back/both/imix",
                         "latency/encrypt/64/50/p50", "latency/encrypt/64/50/p99"}, rows.keys()
    assert rows["throughput/encrypt/64/NDR"]["verdict"] == "worse", rows
    assert rows["back-to-back/both/imix"]["verdict"] == "worse", rows
    assert rows["latency/encrypt/64/50/p99"]["verdict"] == "within noise", rows


def a_run_of_its_own():
    """What the other commands write can be read."""
    done = run("handshakes", "--json", "--seconds", "1", "--peers", "1", "--filter",
               "refuse/*/length")
    path = written("own.json", done.stdout)
    found, _ = compared(path, path, 0)
    assert len(found["results"]) == 3 and found["of"] == "handshakes", found


def stopped_early():
    """Ctrl-C: what there is by then, marked partial."""
    argv = [sys.argv[1], "path", "--json", "--seconds", "1000", "--filter", "encrypt/64/1-peer/*"]
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    while not caught(child.pid):
        assert child.poll() is None, child.returncode
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=TIMEOUT_S)
    assert child.returncode == 130, child.returncode
    bench = json.loads(out)
    assert bench["partial"] is True, bench
    if bench["results"]:
        path = written("stopped.json", out)
        assert "PARTIAL" in run("compare", path, path).stdout


def caught(pid):
    """Does the program itself catch SIGINT by now?"""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        mask, = (int(line.split()[1], 16) for line in f if line.startswith("SigCgt"))
    return bool(mask & 1 << (signal.SIGINT - 1))


def says(path, *words):
    good = written("good.json", cycles(1, 2, 3))
    for pair in ((good, path), (path, good)):
        done = run("compare", *pair)
        assert done.returncode == 1 and not done.stdout, done
        for word in (path, *words):
            assert word in done.stderr, (word, done.stderr)


def malformed():
    good = cycles(1, 2, 3)
    says(os.path.join(scratch.name, "nothing"), "cannot be read")
    says(written("text", "{\n \"bench\": oops}"), "line 2", "not JSON")
    says(written("array", "[1]"), "an array", "should be an object")
    says(written("bench", {**good, "bench": 7}), '"bench"', "a number", "a string")
    says(written("machine", {**good, "machine": []}), '"machine"', "an array", "an object")
    says(written("results", {**good, "results": {}}), '"results"', "an object", "an array")
    says(written("result", {**good, "results": [5]}), '"results[0]"', "a number")
    for key, value, words in (
            ("name", None, ['"results[1].name"', "null"]),
            ("unit", 3, ['"results[1].unit"', "a string"]),
            ("values", "x", ['"results[1].values"', "a string", "an array"]),
            ("values", [], ['"results[1].values"', "empty"]),
            ("values", [1, "2"], ['"results[1].values[1]"', "a string", "a number"])):
        bad = cycles(1, 2, 3)
        bad["results"].append({**bad["results"][0], "name": "other", key: value})
        says(written("key", bad), *words)
    old = cycles(1, 2, 3)
    del old["results"][0]["values"]
    says(written("old", old), '"results[0].values"', "measure again")
    twice = cycles(1, 2, 3)
    twice["results"] *= 2
    says(written("twice", twice), "twice")


def nothing_to_compare():
    a = written("a.json", cycles(1, 2, 3))
    other = written("other.json", whole([("x", "y", [1, 2])], "crypto"))
    done = run("compare", a, other)
    assert done.returncode == 1 and "crypto" in done.stderr and "path" in done.stderr, done
    done = run("compare", f"{a},{other}", a)
    assert done.returncode == 1 and "crypto" in done.stderr, done
    done = run("compare", a, written("b.json", whole([("x", "y", [1, 2])])))
    assert done.returncode == 1 and "in common" in done.stderr, done


def helps():
    assert "compare" in run("--help").stdout
    text = run("compare", "--help").stdout
    assert "95 %" in text and "Exit status" in text, text


def refusals():
    a = written("a.json", cycles(1, 2, 3))
    expect_refusals(["compare"], ["compare", a], ["compare", a, a, a],
                    ["compare", "--nonsense", a, a], ["compare", "--filter", "no-such-name", a, a],
                    ["compare", ",".join([a] * 17), a])


go([equal, within_noise, beyond_noise, wide_noise_hides_it, rates_are_the_other_way,
    what_cannot_be_told, runs_that_differ, other_surroundings, partial, not_in_both, rfc2544,
    a_run_of_its_own, stopped_early, malformed, nothing_to_compare, helps, refusals])
scratch.cleanup()
