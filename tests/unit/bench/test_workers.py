#!/usr/bin/python3
"""wgdp-bench path --workers: runs, compares what it says with one worker, refuses what it must."""
import json
import os

from bench import expect_refusals, go, run

SIZES = ("64", "256", "576", "1420", "imix")
WAYS = ("encrypt", "decrypt")
CPUS = len(os.sched_getaffinity(0))
UNIT = "tsc_cycles/packet"


def as_json(workers, *more):
    done = run("path", "--workers", workers, "--json", "--seconds", "1", *more)
    assert done.returncode == 0, done.stderr
    bench = json.loads(done.stdout)
    assert bench["bench"] == "path" and bench["machine"]["tsc_hz"] > 1e8, bench
    results = {result["name"]: result for result in bench["results"]}
    assert len(results) == len(bench["results"]), "a name twice"
    distance = results.pop("distance/2", None)
    several = any(name.rsplit("/", 1)[1] != "1" for name in results)
    assert (distance is not None) == several, distance
    assert distance is None or distance["unit"] == "tsc_cycles" and distance["p5"] > 0, distance
    for name, result in results.items():
        assert result["unit"] == UNIT and result["samples"] >= 1, result
        assert result["p5"] <= result["value"] <= result["p95"], result
        if name.startswith("workers/"):
            assert result["p5"] > 0, result
    return results


def one():
    results = as_json("1", "--peers", "20")
    loads = {f"{way}/{size}" for way in WAYS for size in SIZES}
    assert set(results) == ({f"workers/{load}/{peers}/1" for load in loads
                             for peers in ("1-peer", "20-peers")} |
                            {f"spread-alone/{load}/1-peer/1" for load in loads}), results.keys()
    assert not any("ratio" in result for result in results.values()), results


def two():
    results = as_json("2", "--peers", "20")
    for way in WAYS:
        for size in SIZES:
            for peers in ("1-peer", "20-peers"):
                load = f"{way}/{size}/{peers}"
                result = results[f"workers/{load}/2"]
                assert result["ratio_to"] == f"workers/{load}/1" and result["ratio"] > 0, result
                assert result["samples"] == results[f"workers/{load}/1"]["samples"], results
                assert f"workers-extra/{load}/2" in results, results.keys()
    assert len(results) == 2 * 5 * (2 * 3 + 1), results.keys()


def more_workers_than_peers():
    results = as_json("1,2", "--peers", "1", "--filter", "workers/*/64/*/2")
    assert set(results) == {f"workers/{way}/64/1-peer/{n}" for way in WAYS for n in (1, 2)}, results


def what_is_compared_with():
    results = as_json("1,2", "--filter", "workers-extra/decrypt/imix/1-peer/2")
    load = "decrypt/imix/1-peer"
    assert set(results) == {f"workers/{load}/1", f"workers/{load}/2", f"workers-extra/{load}/2"}


def as_table():
    done = run("path", "--workers", "1", "--seconds", "1", "--filter", "*/encrypt/64/1-peer/*")
    assert done.returncode == 0, done.stderr
    for text in (UNIT, "workers/encrypt/64/1-peer/1", "median"):
        assert text in done.stdout, done.stdout


def too_few_cpus():
    done = run("path", "--workers", f"1,{CPUS + 1}", "--seconds", "1")
    assert done.returncode == 1 and not done.stdout, done
    assert f"{CPUS + 1} workers" in done.stderr and f" {CPUS} CPU" in done.stderr, done.stderr


def helps():
    assert "--workers" in run("--help").stdout
    assert "workers-extra" in run("path", "--help").stdout


def refusals():
    for bad in ("", "0", "x", "1,", ",1", "2,1", "1,1", "1x", "-1", "129", "1 2",
                ",".join(str(n) for n in range(1, 18))):
        done = run("path", "--workers", bad)
        assert done.returncode == 1 and not done.stdout, (bad, done)
        assert "--workers" in done.stderr and f'"{bad}"' in done.stderr, done.stderr
    expect_refusals(["path", "--workers"], ["lookup", "--workers", "1"],
                    ["path", "--workers", "1", "--filter", "no-such-name"])


go([one, as_table, too_few_cpus, helps, refusals] +
   ([two, more_workers_than_peers, what_is_compared_with] if CPUS > 1 else []))
