#!/usr/bin/python3
"""wgdp-bench timing: runs and reports. What it finds is not asserted: it depends on the machine."""
import json

from bench import expect_refusals, go, run

CONTROL = "control/leaky-compare"
GOOD = {"equal", "not confirmed", "seen", "in bounds"}
BAD = {"DIFFERS", "NOT SEEN", "OUT OF BOUNDS"}
BURST = ("seal/keys", "seal/plaintexts", "open/keys", "open/plaintexts", "open/tag-bytes",
         "open/places", "open/alternating", "open/all-wrong")


def measured(*arguments):
    done = run("timing", "--json", *arguments)
    bench = json.loads(done.stdout)
    assert bench["bench"] == "timing" and bench["threshold"] == 10, bench
    results = {result["name"]: result for result in bench["results"]}
    for result in results.values():
        assert result["samples"] >= 400 and result["tsc_cycles"] > 0, result
        assert result["verdict"] in (GOOD if result["ok"] else BAD), result
        if result["verdict"] == "equal":
            assert abs(result["t"]) <= bench["threshold"], result
    bad = [name for name, result in results.items() if not result["ok"]]
    assert done.returncode == (1 if bad else 0), done
    assert all(name in done.stderr for name in bad), done
    return results


def everything():
    results = measured("--seconds", "1")
    for what in BURST:
        assert f"{what}/reference" in results and f"{what}/ipsec-mb" in results, results.keys()
    for name in (CONTROL, "control/no-difference", "x25519/zero-scalars", "blake2s/mac-keys"):
        assert name in results, results.keys()


def filtered():
    results = measured("--seconds", "1", "--filter", "seal/keys/ipsec-mb")
    assert set(results) == {CONTROL, "seal/keys/ipsec-mb"}, results.keys()


def as_table():
    done = run("timing", "--seconds", "1", "--filter", "control/*")
    assert CONTROL in done.stdout and "verdict" in done.stdout, done


def helps():
    assert "timing" in run("--help").stdout
    assert CONTROL in run("timing", "--help").stdout


def refusals():
    expect_refusals(["timing", "--peers", "10"], ["timing", "--seconds", "0"],
                    ["timing", "extra"], ["timing", "--filter", "no-such-name"])


go([everything, filtered, as_table, helps, refusals])
