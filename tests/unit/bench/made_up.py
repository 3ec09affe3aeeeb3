"""Made-up results of wgdp-bench, and a program that prints them: for tests of the scripts."""
import json
import os
import stat

SCRIPTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "scripts")
MACHINE = {"cpu": "Made <Up> & Co", "cpus": 2, "tsc_hz": 2000000000, "kernel": "6.1",
           "version": "0.1.0", "hugepages": False, "debug_build": False,
           "time": "2026-01-01T00:00:00Z",
           "versions": {"wgdp": "0.1.0", "dpdk": "DPDK 22.11"}, "core_per_tsc": 1.25}
CYCLES = "tsc_cycles/packet"
STAGES = ("encrypt-rx", "encrypt-classify", "encrypt-forward", "encrypt-encap", "encrypt-headers",
          "encrypt-seal", "encrypt-tx", "decrypt-rx", "decrypt-classify", "decrypt-decap",
          "decrypt-open", "decrypt-forward", "decrypt-tx")


def result(name, unit, middle, ratio=None, ratio_to=None):
    values = [middle * factor for factor in (1, 0.9, 1.1, 1, 1)]
    entry = {"name": name, "unit": unit, "value": middle, "samples": len(values),
             "p5": min(values), "p95": max(values), "values": values}
    if ratio:
        entry.update(ratio=ratio, ratio_p5=ratio, ratio_to=ratio_to)
    return entry


def bench(name, results, **more):
    return {"bench": name, "machine": MACHINE, "settings": {"seconds": 1, "peers": 20},
            "partial": False, "results": results, **more}


def path():
    results = []
    for way in ("encrypt", "decrypt"):
        for size, cycles in (("64", 200), ("1420", 1000)):
            for peers in ("1-peer", "20-peers"):
                load = f"{way}/{size}/{peers}"
                results += [result(f"{load}/reference", CYCLES, 4 * cycles),
                            result(f"{load}/fast", CYCLES, cycles, 4.0, f"{load}/reference")]
    results += [result(f"{stage}/64/20-peers/fast", CYCLES, -1 if stage == "decrypt-tx" else 30)
                for stage in STAGES]
    return bench("path", results)


def workers():
    return bench("path", [result(f"workers/{way}/{size}/{peers}/{n}", CYCLES, 400 / n)
                          for way in ("encrypt", "decrypt") for size in ("64", "1420")
                          for peers in ("1-peer", "20-peers") for n in (1, 2)])


def handshakes():
    return bench("handshakes", [
        result("respond/20-peers/20/accept", "tsc_cycles/message", 400000, 0.8,
               "x25519/accept/openssl"),
        result("refuse/20-peers/20/mac1", "tsc_cycles/message", 1000, 400.0,
               "respond/20-peers/20/accept"),
        result("rate/20-peers/20/accept", "messages/s", 5000)])


def crypto():
    return bench("crypto", [result(f"seal/64/32keys/32/{variant}", CYCLES, cycles)
                            for variant, cycles in (("fast", 100), ("ipsec-mb-raw", 200))])


def lookup():
    return bench("lookup", [result(f"v4/hosts-1k/hits/{table}", "tsc_cycles/lookup", 10)
                            for table in ("lc-trie", "binary-trie")]
                 + [{"name": "v4/hosts-1k/hits/rte_lpm", "unit": "tsc_cycles/lookup",
                     "left_out": "does not fit"}])


def latencies(p50):
    return {"n": 10000, "min": p50 / 2, "mean": p50, "p50": p50, "p90": 2 * p50, "p99": 3 * p50,
            "p99_9": 4 * p50, "p99_99": 5 * p50, "p99_999": 6 * p50, "max": 7 * p50}


def rfc2544(text="veth <here>", partial=True):
    loads = [{"way": "encrypt", "size": size, "percent": 50, "pps": 1000, "valid": True,
              "latency": latencies(20000)} for size in (64, "imix")]
    rates = [{"way": "encrypt", "size": size, "goal": goal, "pps": pps, "lower": pps,
              "upper": 1.1 * pps, "ended": ended}
             for size, goal, pps, ended in ((64, "NDR", 100000, "width"),
                                            (64, "PDR", 123000, "width"),
                                            ("imix", "NDR", 0, "min"),
                                            ("imix", "PDR", 50000, "tester"))]
    return {"bench": "rfc2544", "machine": MACHINE, "partial": partial,
            "medium": {"kind": "linux", "text": text},
            "settings": {"sizes": [64, "imix"]}, "trials": [],
            **({"error": "the link <went>"} if partial else {}),
            "results": {"throughput": rates, "latency": loads}}


def peers():
    return {"bench": "peers", "machine": {"cpu": "Made <Up> & Co", "kernel": "6.1"},
            "partial": False, "settings": {"sizes": [64]}, "failures": [],
            "repeats": [{"what": "greatest rate", "gateway": "other", "round": 1, "error": "why"}],
            "not_run": [{"what": "greatest rate", "rounds": [3, 9], "gateway": None,
                         "reason": "a round takes <long>"}],
            "results": [result(f"pps-per-cpu-second/64/{name}", "packets/CPU-s", pps)
                        for name, pps in (("wgdp", 500000), ("other", 100000))],
            "samples": [{"kind": "common", "gateway": name, "size": 64, "round": number,
                         "latency_us": latencies(us)}
                        for name, us in (("wgdp", 20), ("other", 90)) for number in (1, 2)]}


ALL = {"path": path, "workers": workers, "handshakes": handshakes, "crypto": crypto,
       "lookup": lookup, "rfc2544": rfc2544, "peers": peers}


def fill(directory, names=ALL):
    """A report as its parts have left it."""
    os.makedirs(directory, exist_ok=True)
    for name in names:
        with open(os.path.join(directory, f"{name}.json"), "w", encoding="utf-8") as f:
            json.dump(ALL[name](), f)


PROGRAM = """#!/usr/bin/python3 -SE
import json, os, signal, sys
here = os.path.dirname(os.path.abspath(__file__))
if sys.argv[1:] == ["--help"]:
    print("Commands:\\n" + "".join(f"  {{name:10}} what\\n" for name in {commands!r}))
    sys.exit()
command = "workers" if "--workers" in sys.argv else sys.argv[1]
with open(os.path.join(here, "calls"), "a") as f:
    f.write(" ".join(sys.argv[1:]) + "\\n")
{code}
print(open(os.path.join(here, command + ".json")).read())
"""


def program(build, commands=("path", "handshakes", "crypto", "lookup"), code=""):
    """BUILD/bench/wgdp-bench: prints what is made up for its command; code runs before."""
    directory = os.path.join(build, "bench")
    fill(directory)
    path_of_it = os.path.join(directory, "wgdp-bench")
    with open(path_of_it, "w", encoding="utf-8") as f:
        f.write(PROGRAM.format(commands=commands, code=code))
    os.chmod(path_of_it, stat.S_IRWXU)
    return directory


def calls(build):
    with open(os.path.join(build, "bench", "calls"), encoding="utf-8") as f:
        return f.read().splitlines()
