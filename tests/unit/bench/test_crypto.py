#!/usr/bin/python3
"""wgdp-bench crypto: measures what it says, each result at least 21 times; not what comes out."""
import fnmatch
import json

from bench import expect_refusals, go, run

SAMPLES_MIN = 21
RAW = "ipsec-mb-raw"
PEERS = (RAW, "libsodium", "openssl")
SIZES = ("16", "64", "128", "256", "512", "576", "1024", "1420", "8900", "imix")
DIRECTIONS = ("seal", "open", "seal-in-place", "open-in-place")


def as_json(pattern):
    done = run("crypto", "--json", "--seconds", "1", "--filter", pattern)
    assert done.returncode == 0, done.stderr
    bench = json.loads(done.stdout)
    assert bench["bench"] == "crypto" and bench["machine"]["core_per_tsc"] > 0, bench["machine"]
    results = {result["name"]: result for result in bench["results"]}
    assert len(results) == len(bench["results"]), "a name twice"
    for name, result in results.items():
        assert result["samples"] >= SAMPLES_MIN, result
        assert 0 < result["p5"] <= result["value"] <= result["p95"], result
        if "ratio_to" in result:
            base = results[result["ratio_to"]]
            assert base["name"].split("/")[:-1] == name.split("/")[:-1], result
            assert abs(result["ratio_p5"] * result["p5"] / base["p5"] - 1) < 1e-3, result
            assert result["ratio"] > 0, result
    return results, bench.get("summary", [])


def variants():
    results, summary = as_json("*/64/*/32/*")
    for direction in DIRECTIONS:
        for keys in ("1key", "32keys"):
            for name in PEERS + ("ipsec-mb", "reference"):
                result = results[f"{direction}/64/{keys}/32/{name}"]
                assert result["unit"] == "tsc_cycles/packet", result
                assert ("ratio" in result) == (name != RAW), result
    # Both directions and keys at that size, and the worst of all.
    assert len(summary) == 4 + 1, summary
    fastest = {row["name"].split("/")[-1] for row in summary}
    assert len(fastest) == 1, summary
    ratios = [result["ratio"] for name, result in results.items()
              if name.split("/")[-1] in fastest]
    assert summary[-1]["ratio"] == min(ratios), (summary, ratios)


def sizes():
    results, _ = as_json("*/2/ipsec-mb")
    for direction in DIRECTIONS:
        for size in SIZES:
            for keys in ("1key", "32keys"):
                assert f"{direction}/{size}/{keys}/2/ipsec-mb" in results, results.keys()
                assert f"{direction}/{size}/{keys}/2/{RAW}" in results, results.keys()
    assert {name.split("/")[-1] for name in results} == {"ipsec-mb", RAW}, results.keys()


def batches():
    results, _ = as_json("seal/imix/*/ipsec-mb")
    for batch in (2, 3, 4, 8, 16, 32, 64):
        keys = "64keys" if batch == 64 else "32keys"
        for name in ("1key", keys):
            assert f"seal/imix/{name}/{batch}/ipsec-mb" in results, results.keys()
    assert fnmatch.filter(results, "seal/imix/*/1/ipsec-mb") == ["seal/imix/1key/1/ipsec-mb"]


def x25519():
    results, summary = as_json("x25519/*")
    for batch in (1, 2, 4, 8, 16, 32, 64):
        for name in ("batch", "libsodium", "openssl"):
            assert f"x25519/{batch}/{name}" in results, results.keys()
    assert results["x25519/32/batch"]["ratio_to"] == "x25519/32/openssl", results
    assert "x25519/32/batch" in [row["name"] for row in summary], summary


def blake2s():
    results, _ = as_json("blake2s/*/16/*")
    for work in ("hash-64", "mac-60/keys", "mac-116/1key", "kdf2-32"):
        result = results[f"blake2s/{work}/16/batch"]
        assert result["ratio_to"] == f"blake2s/{work}/16/single", result


def as_table():
    done = run("crypto", "--seconds", "1", "--filter", "open/imix/1key/32/ipsec-mb")
    assert done.returncode == 0, done.stderr
    for text in ("core cycles per TSC cycle", "open/imix/1key/32/ipsec-mb", "median",
                 f"open/imix/1key/32/{RAW}"):
        assert text in done.stdout, done.stdout


def helps():
    assert "crypto" in run("--help").stdout
    assert RAW in run("crypto", "--help").stdout


def refusals():
    expect_refusals(["crypto", "--peers", "10"], ["crypto", "--seconds", "0"],
                    ["crypto", "extra"], ["crypto", "--filter", "no-such-name"])


go([variants, sizes, batches, x25519, blake2s, as_table, helps, refusals])
