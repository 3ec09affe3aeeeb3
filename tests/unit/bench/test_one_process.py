#!/usr/bin/python3
"""wgdp-bench rfc2544 --one-process: tester and gateway in one program, over ports in memory. That
each method runs, that packets are accounted for and that the result says what it is of; never how
fast anything is. What else the tester does: tests/unit/bench/tester, tests/system/rfc2544.py."""
import json
import os
import re
import signal
import subprocess
import sys

from bench import TIMEOUT_S, go, hugepages_may_be_used, run

CPUS = sorted(os.sched_getaffinity(0))
# Of a rate that a busy machine can do, and short; what is late on it is waited for.
QUICK = ["--max-rate", "3k", "--trial-seconds", "0.2", "--repeat", "1", "--width", "20",
         "--settle-seconds", "3"]
METHODS = ["throughput", "loss", "back-to-back", "latency", "soak", "bulk"]


def as_json(*options):
    done = run("rfc2544", "--one-process", "--json", *options)
    assert done.returncode == 0, (options, done.returncode, done.stderr)
    got = json.loads(done.stdout)
    assert got["partial"] is False and got["settings"]["one_process"] is True, got["settings"]
    expect_medium(got["medium"])
    for trial in got["trials"]:
        expect_counts(trial)
    expect_account(got)
    return got


def expect_medium(medium):
    assert medium["kind"] == "memory" and medium["one_process"] is True, medium
    assert medium["tester_cpu"] != medium["gateway_cpu"], medium
    assert {medium["tester_cpu"], medium["gateway_cpu"]} <= set(CPUS), medium
    assert medium["text"].startswith("one process in memory, no NIC"), medium
    for side in ("tester", "gateway"):
        assert f"on CPU {medium[side + '_cpu']}" in medium["text"], medium


def expect_counts(trial):
    for way in ("encrypt", "decrypt"):
        if way not in trial:
            continue
        counts = trial[way]
        assert counts["received"] <= counts["sent"] <= counts["wanted"], trial
        assert counts["corrupt"] + counts["strange"] + counts["duplicates"] == 0, trial
        assert sum(count for _, count in counts["latency"]) == counts["received"], trial


def expect_account(got):
    """Each packet in the gateway has an ending, and each that a trial sent came to it or not."""
    gateway = got["gateway"]
    dropped = sum(drop["packets"] for drop in gateway["drops"])
    assert all(drop["reason"] and drop["text"] for drop in gateway["drops"]), gateway
    assert gateway["received"] + gateway["made"] == \
        gateway["sent"] + gateway["punted"] + gateway["consumed"] + dropped, gateway
    offered = [trial[way] for trial in got["trials"] for way in trial
               if way.removeprefix("bulk_") in ("encrypt", "decrypt")]
    sent = sum(counts["sent"] for counts in offered)
    received = sum(counts["received"] for counts in offered)
    assert 0 < sent <= gateway["received"] + gateway["refused"], (sent, gateway)
    assert received <= gateway["sent"], (received, gateway)


def every_method():
    got = as_json(*QUICK, "--method", ",".join(METHODS), "--way", "both", "--seconds", "0.5",
                  "--peers", "3", "--flows", "6")
    # Where there is no rate without loss, on a machine as busy as this, the rest is left out.
    left_out = {entry["method"] for entry in got["results"].get("skipped", [])}
    for method in METHODS:
        assert method in got["results"] or method in left_out, (method, got["results"].keys())
    assert {trial["way"] for trial in got["trials"]} == {"both"}


def recovery():
    got = as_json("--rate", "1k", "--trial-seconds", "0.2", "--method", "recovery", "--way",
                  "encrypt,decrypt")
    assert [entry["way"] for entry in got["results"]["recovery"]] == ["encrypt", "decrypt"], got


def given_rate(*options):
    return as_json("--rate", "1k", "--trial-seconds", "0.2", "--seconds", "0.2",
                   "--settle-seconds", "3", "--method", "soak", *options)


def sizes_ways_and_families():
    got = given_rate("--size", "64,imix,1420", "--way", "encrypt,decrypt,both", "--ipv6",
                     "--peers", "20", "--flows", "40", "--gateway-outside", "2001:db8::1/64",
                     "--tester-outside", "2001:db8::2", "--gateway-port", "1234", "--seed", "5")
    loads = {(entry["size"], entry["way"]) for entry in got["results"]["soak"]}
    assert loads == {(size, way) for size in (64, "imix", 1420)
                     for way in ("encrypt", "decrypt", "both")}, loads
    # A handshake of each peer, and a packet that confirms it.
    assert got["gateway"]["consumed"] >= 40, got["gateway"]


def large_packets():
    got = given_rate("--mtu", "8900", "--size", "8900", "--way", "both")
    assert got["results"]["soak"][0]["sent"] > 0, got["results"]


def as_table():
    done = run("rfc2544", "--one-process", "--rate", "1k", "--seconds", "0.2", "--method", "soak")
    assert done.returncode == 0, done.stderr
    assert re.search("^one process in memory, no NIC: wgdp's data path on CPU [0-9]+, the tester "
                     "on CPU [0-9]+", done.stdout, re.MULTILINE), done.stdout
    assert re.search("^gateway: [0-9]+ packets received", done.stdout, re.MULTILINE), done.stdout


def interrupted():
    ours, theirs = os.openpty()  # it shows its progress to terminals only
    with hugepages_may_be_used(), subprocess.Popen(
            [sys.argv[1], "rfc2544", "--one-process", "--json", "--rate", "1k", "--method",
             "soak", "--trial-seconds", "0.1", "--seconds", "60"], stdout=subprocess.PIPE,
            stderr=theirs, text=True) as child:
        os.close(theirs)
        shown = b""
        # "64 encrypt soak, ...: trial 3, ...": two have ended.
        while b"trial 3," not in shown:
            shown += os.read(ours, 4096)  # OSError: it has ended
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=TIMEOUT_S)
    os.close(ours)
    assert child.returncode == 130, child.returncode
    got = json.loads(out)
    assert got["partial"] is True and got["error"] == "interrupted", got["error"]
    soak = got["results"]["soak"][0]
    assert soak["sent"] > 0 and len(soak["intervals"]) >= 2, soak
    expect_medium(got["medium"])


def one_cpu():
    os.sched_setaffinity(0, CPUS[:1])
    try:
        done = run("rfc2544", "--one-process")
    finally:
        os.sched_setaffinity(0, CPUS)
    assert done.returncode == 1 and not done.stdout, done
    assert "two CPUs" in done.stderr and "taskset" in done.stderr, done.stderr


go([one_cpu] + ([every_method, recovery, sizes_ways_and_families, large_packets, as_table,
                 interrupted] if len(CPUS) > 1 else []))
