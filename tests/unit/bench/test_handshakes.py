#!/usr/bin/python3
"""wgdp-bench handshakes: measures what it says. Verdicts and keys it checks itself."""
import json

from bench import expect_refusals, go, run

ROUNDS_MIN = 7
RESPOND = ("accept", "accept-first", "accept-proved")
INITIATE = ("start", "finish")
REFUSE = ("cookie", "rate", "length", "mac1", "static", "unknown", "timestamp", "replay", "flood",
          "response")


def as_json(*arguments):
    done = run("handshakes", "--json", "--seconds", "1", *arguments)
    assert done.returncode == 0, done.stderr
    bench = json.loads(done.stdout)
    assert bench["bench"] == "handshakes" and bench["partial"] is False, bench
    results = {result["name"]: result for result in bench["results"]}
    assert len(results) == len(bench["results"]), "a name twice"
    for result in results.values():
        assert result["samples"] == len(result["values"]) >= ROUNDS_MIN, result
        assert 0 < result["p5"] <= result["value"] <= result["p95"], result
        assert "ratio_to" not in result or result["ratio_to"] in results, result
    return bench, results


def everything():
    bench, results = as_json("--peers", "40")
    assert bench["settings"] == {"seconds": 1, "filter": None, "peers": 40}, bench["settings"]
    for load in ("1-peer/1", "40-peers/1", "40-peers/32"):
        for group, kinds in (("respond", RESPOND), ("initiate", INITIATE)):
            for kind in kinds:
                result = results[f"{group}/{load}/{kind}"]
                assert result["unit"] == "tsc_cycles/message", result
                assert result["ratio_to"] == f"x25519/{kind}/openssl", result
                assert results[f"rate/{load}/{kind}"]["unit"] == "messages/s", results.keys()
    for kind in REFUSE:
        result = results[f"refuse/40-peers/32/{kind}"]
        assert result["ratio_to"] == "respond/40-peers/32/accept", result
    for kind in RESPOND + INITIATE:
        assert f"x25519/{kind}/libsodium" in results, results.keys()


def few_peers():
    _, results = as_json("--peers", "3", "--filter", "respond/*/accept")
    assert set(results) == {"respond/1-peer/1/accept", "respond/3-peers/1/accept",
                            "respond/3-peers/3/accept", "x25519/accept/openssl"}, results.keys()


def what_ratios_are_to():
    _, results = as_json("--peers", "50", "--filter", "refuse/*/mac1")
    assert set(results) == {"refuse/50-peers/32/mac1", "respond/50-peers/32/accept",
                            "x25519/accept/openssl"}, results.keys()


def rates_only():
    _, results = as_json("--peers", "1", "--filter", "rate/*/start")
    assert set(results) == {"rate/1-peer/1/start"}, results.keys()


def as_table():
    done = run("handshakes", "--seconds", "1", "--peers", "50", "--filter", "refuse/*/length")
    assert done.returncode == 0, done.stderr
    for text in ("tsc_cycles/message", "refuse/50-peers/32/length", "(accept)"):
        assert text in done.stdout, done.stdout


def helps():
    assert "handshakes" in run("--help").stdout
    text = run("handshakes", "--help").stdout
    for word in RESPOND + INITIATE + REFUSE:
        assert word in text, word


def refusals():
    expect_refusals(["handshakes", "--seconds", "0"], ["handshakes", "extra"],
                    ["handshakes", "--peers", "0"], ["handshakes", "--workers", "1"],
                    ["handshakes", "--filter", "no-such-name"])


go([everything, few_peers, what_ratios_are_to, rates_only, as_table, helps, refusals])
