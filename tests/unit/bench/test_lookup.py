#!/usr/bin/python3
"""wgdp-bench lookup: measures what it says and how it says it; never how fast anything is."""
import json
import os

from bench import expect_refusals, go, run

ROUNDS_MIN = 7
V4 = ("lc-trie", "allowed-ips", "rte_lpm", "rte_fib", "rte_hash", "binary-trie")
V6 = ("lc-trie", "allowed-ips", "rte_lpm6", "rte_fib6", "rte_hash", "binary-trie")
LOADS = ("hits", "zipf", "misses")
CYCLES = "tsc_cycles/lookup"
UPDATED = "hits+updates"


def check(result, results):
    assert result["unit"] and result["name"].count("/") in (1, 2, 3), result
    if "left_out" in result:
        assert result["left_out"] and "value" not in result, result
        return
    assert 0 <= result["p5"] <= result["value"] <= result["p95"], result
    assert result["samples"] >= (ROUNDS_MIN if result["unit"] == CYCLES else 1), result
    if "ratio_to" in result:
        assert result["ratio_to"] in results and result["ratio"] > 0, result


def as_json(pattern, *more):
    done = run("lookup", "--json", "--seconds", "1", "--filter", pattern, *more)
    assert done.returncode == 0, done.stderr
    bench = json.loads(done.stdout)
    assert bench["bench"] == "lookup" and bench["machine"]["dpdk"].startswith("DPDK"), bench
    results = {result["name"]: result for result in bench["results"]}
    assert len(results) == len(bench["results"]), "a name twice"
    for result in results.values():
        check(result, results)
    return results, bench.get("summary", [])


def check_set(family, tables, results):
    for load in LOADS:
        for table in tables:
            result = results[f"{family}/hosts-16/{load}/{table}"]
            assert result["unit"] == CYCLES and "left_out" not in result, result
            assert ("ratio" in result) == (table != "binary-trie"), result
    updated = results[f"{family}/hosts-16/{UPDATED}/lc-trie"]
    if len(os.sched_getaffinity(0)) > 1:
        assert updated["ratio_to"] == f"{family}/hosts-16/hits/lc-trie", updated
    else:
        assert "CPU" in updated["left_out"], updated


def small_sets():
    results, summary = as_json("v?/hosts-16/*")
    check_set("v4", V4, results)
    check_set("v6", V6, results)
    to = {(row["name"], row["ratio_to"]) for row in summary}
    for family, fib in (("v4", "rte_fib"), ("v6", "rte_fib6")):
        for load in LOADS:
            at = f"{family}/hosts-16/{load}"
            assert {(f"{at}/lc-trie", f"{at}/binary-trie"),
                    (f"{at}/lc-trie", f"{at}/{fib}")} <= to, summary


def what_ratios_are_to():
    results, _ = as_json("v6/hosts-1k/zipf/lc-trie")
    assert set(results) == {f"v6/hosts-1k/zipf/{name}" for name in ("lc-trie", "binary-trie")}, \
        results.keys()


def run_on_one_cpu(*arguments):
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        return run(*arguments)
    finally:
        os.sched_setaffinity(0, before)


def one_cpu():
    done = run_on_one_cpu("lookup", "--json", "--seconds", "1", "--filter",
                          f"v4/hosts-16/{UPDATED}/*")
    results = {result["name"]: result for result in json.loads(done.stdout)["results"]}
    assert "CPU" in results[f"v4/hosts-16/{UPDATED}/lc-trie"]["left_out"], results


def filled():
    results, _ = as_json("v4/dense-100k/[mpf]*/[lb]*-trie")
    for what in ("memory", "fill"):
        for table in ("lc-trie", "binary-trie"):
            assert results[f"v4/dense-100k/{what}/{table}"]["value"] > 0, results
    assert results["v4/dense-100k/pages/binary-trie"]["unit"] == "% in huge pages", results


def sessions():
    results, _ = as_json("sessions/*/1k")
    assert set(results) == {f"sessions/{what}/1k" for what in ("hits", "insert", "remove",
                                                                 "table")}, results.keys()
    results, _ = as_json("sessions/sizeof")
    assert results["sessions/sizeof"]["value"] > 1024, results


def peers():
    results, _ = as_json("peer-memory/*", "--peers", "2000")
    for what in ("all", "resident", "allowed-ips", "records", "ways-out"):
        assert results[f"peer-memory/2000/{what}"]["unit"] == "bytes/peer", results


def as_table():
    done = run("lookup", "--seconds", "1", "--filter", "v4/hosts-16/hits/rte_fib")
    assert done.returncode == 0 and not done.stderr, done.stderr
    for text in (CYCLES, "v4/hosts-16/hits/rte_fib", "v4/hosts-16/hits/binary-trie", "median"):
        assert text in done.stdout, done.stdout


def helps():
    assert "lookup" in run("--help").stdout
    text = run("lookup", "--help").stdout
    for word in V4 + V6 + LOADS + ("hosts-1m", "dense-1m", "bgp", "peer-memory", "sessions"):
        assert word in text, word


def refusals():
    expect_refusals(["lookup", "--seconds", "0"], ["lookup", "extra"], ["lookup", "--peers", "0"],
                    ["lookup", "--peers", "x"], ["lookup", "--filter", "no-such-name"],
                    ["lookup", "--nonsense"])


go([small_sets, what_ratios_are_to, one_cpu, filled, sessions, peers, as_table, helps, refusals])
