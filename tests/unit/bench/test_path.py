#!/usr/bin/python3
"""wgdp-bench path: runs, says what it should in JSON and as a table, and refuses what it must."""
import fnmatch
import json

from bench import expect_refusals, go, run


def check_result(result, names):
    assert isinstance(result["name"], str) and result["name"].count("/") == 3, result
    assert result["unit"] == "tsc_cycles/packet", result
    assert isinstance(result["samples"], int) and 1 <= result["samples"] <= 301, result
    assert result["p5"] <= result["value"] <= result["p95"], result
    assert len(result["values"]) == result["samples"], result
    assert min(result["values"]) <= result["value"] <= max(result["values"]), result
    assert ("ratio" in result) == ("ratio_to" in result), result
    if "ratio" in result:
        assert result["ratio"] > 0 and result["ratio_to"] in names, result
    if result["name"].split("/")[0] in ("encrypt", "decrypt", "both", "encrypt-seal",
                                         "decrypt-open"):
        assert result["value"] > 0, result


def as_json():
    done = run("path", "--json", "--seconds", "1", "--peers", "20")
    assert done.returncode == 0, done.stderr
    bench = json.loads(done.stdout)
    assert sorted(bench) == ["bench", "machine", "partial", "results", "settings"], bench.keys()
    assert bench["bench"] == "path" and bench["partial"] is False, bench
    assert bench["settings"] == {"seconds": 1, "filter": None, "peers": 20}, bench["settings"]
    machine = bench["machine"]
    assert machine["tsc_hz"] > 1e8 and machine["dpdk"].startswith("DPDK"), machine
    assert all(machine[key] for key in ("cpu", "kernel", "version")), machine
    names = [result["name"] for result in bench["results"]]
    assert len(names) == len(set(names)), names
    for result in bench["results"]:
        check_result(result, names)
    for way in ("encrypt", "decrypt", "both"):
        for size in ("64", "256", "576", "1420", "imix"):
            for peers in ("1-peer", "20-peers"):
                assert f"{way}/{size}/{peers}/reference" in names, names
                stages = fnmatch.filter(names, f"{way}-*/{size}/{peers}/*")
                assert bool(stages) == (way != "both"), (way, stages)


def filtered():
    done = run("path", "--json", "--seconds", "1", "--filter", "decrypt/64/1-peer/*")
    assert done.returncode == 0, done.stderr
    for result in json.loads(done.stdout)["results"]:
        assert fnmatch.fnmatch(result["name"], "decrypt/64/1-peer/*"), result


def both_ways():
    done = run("path", "--json", "--seconds", "1", "--peers", "20", "--filter", "both/imix/*")
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)["results"]
    assert {result["name"].split("/")[2] for result in results} == {"1-peer", "20-peers"}, results
    for result in results:
        assert result["value"] > 0 and result["name"].startswith("both/imix/"), result


def as_table():
    done = run("path", "--seconds", "1", "--peers", "1", "--filter", "encrypt/64/*")
    assert done.returncode == 0, done.stderr
    assert "encrypt/64/1-peer/reference" in done.stdout and "median" in done.stdout, done.stdout


def helps():
    assert "--filter" in run("--help").stdout
    assert "decrypt" in run("path", "--help").stdout


def refusals():
    expect_refusals([], ["nothing"], ["path", "--seconds", "0"], ["path", "--seconds", "1x"],
                    ["path", "--peers", "-1"], ["path", "extra"], ["path", "--nonsense"],
                    ["path", "--filter", "no-such-name"])


go([as_json, filtered, both_ways, as_table, helps, refusals])
