#!/usr/bin/python3
"""What wgdp-bench rfc2544 prints, with a simulated tester and gateway (rfc2544_simulated.c)."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from bench import go, run

ALL = "throughput,loss,back-to-back,latency,recovery,soak,reconfiguration,bulk"
PERCENTILES = ["min", "p50", "p90", "p99", "p99_9", "p99_99", "p99_999", "max"]
# As wgdp-bench(1) has it; "way" and "size" are in each.
FIELDS = {
    "top": {"pps", "limit"},
    "throughput": {"goal", "loss_goal", "pps", "lower", "upper", "width", "ended",
                   "trial_seconds", "repeat", "trials", "seconds", "min_pps", "max_pps",
                   "lower_good", "lower_bad", "upper_good", "upper_bad", "received_pps"},
    "loss": {"percent", "pps", "received_pps", "loss", "valid"},
    "back-to-back": {"pps", "bursts", "mean", "min", "max", "deviation", "at_limit",
                     "buffer_seconds", "corrected_buffer_seconds"},
    "latency": {"percent", "pps", "bulk_pps", "bulk_loss", "loss", "valid", "latency"},
    "recovery": {"overload_pps", "overload_seconds", "overload_loss", "pps", "slice_seconds",
                 "recovery_seconds", "recovered", "valid", "slices"},
    "soak": {"pps", "seconds", "sent", "lost", "loss", "valid", "latency", "intervals"},
    "reconfiguration": {"pps", "command", "exit_status", "command_at_seconds",
                        "command_seconds", "lost", "blocked_seconds", "longest_gap_seconds",
                        "still_lost", "still_longest_gap_seconds", "valid", "latency"},
    "bulk": {"percent", "pps", "bulk_pps", "bulk_loss", "loss", "valid", "latency"},
}
TRIAL = {"method", "way", "size", "seconds", "settle_seconds", "short_of_rate", "interrupted"}
COUNTS = {"pps", "packets", "wanted", "sent", "received", "duplicates", "reordered", "corrupt",
          "strange", "seconds", "longest_gap_seconds", "latency"}


def rfc2544(*arguments, gateway="limit=1e6"):
    return run("--outside", gateway, "--inside", "x", *arguments)


def as_json(*arguments, status=0, gateway="limit=1e6"):
    done = rfc2544("--json", *arguments, gateway=gateway)
    assert done.returncode == status, done
    return json.loads(done.stdout), done.stderr


def check_trial(trial):
    ways = {"encrypt": ["encrypt"], "decrypt": ["decrypt"],
            "both": ["encrypt", "decrypt"]}[trial["way"]]
    bulk = {f"bulk_{way}" for way in ways} & set(trial)
    assert set(trial) == TRIAL | set(ways) | bulk, set(trial)
    for way in [*ways, *bulk]:
        assert set(trial[way]) == COUNTS, trial[way]


def everything():
    got, _ = as_json("--method", ALL, "--during", "true", "--way", "encrypt,both",
                     "--size", "64,imix", "--seconds", "30")
    assert set(got) == {"bench", "machine", "medium", "settings", "trials", "results", "partial"}
    assert got["bench"] == "rfc2544" and got["partial"] is False
    assert got["medium"]["kind"] == "memory" and "no NIC" in got["medium"]["text"]
    assert got["medium"]["one_process"] is False
    assert got["settings"]["sizes"] == [64, "imix"], got["settings"]
    assert got["settings"]["ways"] == ["encrypt", "both"]
    assert got["settings"]["trial_seconds"] == 10 and got["settings"]["loss"] == 0.005
    assert set(got["results"]) == set(FIELDS), set(got["results"])
    for method, entries in got["results"].items():
        loads = {(entry["size"], entry["way"]) for entry in entries}
        assert loads == {(64, "encrypt"), (64, "both"), ("imix", "encrypt"), ("imix", "both")}
        for entry in entries:
            assert set(entry) == FIELDS[method] | {"way", "size"}, (method, set(entry))
            latency = entry.get("latency", {name: 0 for name in PERCENTILES})
            values = [latency[name] for name in PERCENTILES]
            assert values == sorted(values), values
    for trial in got["trials"]:
        check_trial(trial)
    assert len(got["results"]["latency"]) == 16 and len(got["results"]["loss"]) == 40


def right_answers():
    got, _ = as_json(gateway="limit=1e6,soft_from=8e5,soft_loss=0.01")
    ndr, pdr = got["results"]["throughput"]
    assert ndr["goal"] == "NDR" and ndr["lower"] <= 8e5 <= ndr["upper"], ndr
    assert pdr["goal"] == "PDR" and pdr["lower"] <= 9e5 <= pdr["upper"], pdr
    assert [entry["percent"] for entry in got["results"]["latency"]] == [0, 10, 50, 90]
    assert abs(got["results"]["latency"][3]["pps"] - 0.9 * pdr["pps"]) < 1


def the_tester_is_said_to_be_the_limit():
    got, _ = as_json(gateway="limit=1e9,tester=3e5")
    assert got["results"]["top"][0]["limit"] == "tester", got["results"]["top"]
    assert got["results"]["throughput"][0]["ended"] == "max"
    table = rfc2544(gateway="limit=1e9,tester=3e5").stdout
    assert "what the tester can" in table and "the gateway may do more" in table, table


def interrupted():
    whole, _ = as_json("--method", "throughput,loss")
    for trial in (1, 2, 9, len(whole["trials"])):
        got, _ = as_json("--method", "throughput,loss", status=130,
                         gateway=f"limit=1e6,interrupt={trial}")
        assert got["partial"] is True and got["error"] == "interrupted", got
        assert len(got["trials"]) == trial and got["trials"][-1]["interrupted"] is True
        assert got["trials"][:-1] == whole["trials"][:trial - 1]
    done = rfc2544(gateway="limit=1e6,interrupt=9")
    assert done.returncode == 130 and "partial: interrupted" in done.stdout, done


def failing():
    got, stderr = as_json("--method", "loss", status=1, gateway="limit=1e6,fail=4")
    assert got["partial"] is True and got["error"] == "the link is down", got
    assert "the link is down" in stderr and len(got["results"]["loss"]) == 2
    done = rfc2544("--json", gateway="open_error=107")
    assert done.returncode == 1 and not done.stdout and "peer 1 gets no answer" in done.stderr


def above_the_line():
    for option in ("--rate", "--max-rate"):
        done = rfc2544(option, "1.1M", "--size", "64", gateway="line=1e6")
        assert done.returncode == 1 and not done.stdout, done
        assert option in done.stderr and "line" in done.stderr, done.stderr
        # The line takes the rate at one size, and not at the other: nothing is measured.
        done = rfc2544(option, "900k", "--size", "64,1280", gateway="line=1e6")
        assert done.returncode == 1 and not done.stdout and "1280" in done.stderr, done
    got, _ = as_json("--method", "loss", gateway="line=5e5")
    assert got["results"]["top"] == [{"way": "encrypt", "size": 64, "pps": 5e5, "limit": "line"}]


def left_out():
    got, _ = as_json(gateway="limit=1")
    assert got["results"]["throughput"][0]["ended"] == "min"
    assert got["results"]["skipped"][0]["method"] == "latency", got["results"]
    assert "left out" in rfc2544(gateway="limit=1").stdout


def command_that_fails():
    got, stderr = as_json("--method", "reconfiguration", "--rate", "1k", "--during", "exit 3",
                          "--trial-seconds", "0.05")
    # A simulated trial takes no time: the command may not have been begun.
    entry = got["results"]["reconfiguration"][0]
    assert entry["exit_status"] == 0 and entry["valid"] is False and not stderr, (entry, stderr)


def tables():
    done = rfc2544("--method", ALL, "--during", "true", "--size", "64,imix", "--seconds", "30")
    assert done.returncode == 0, done
    for head in ("throughput", "loss by rate", "longest burst", "latency, us", "recovery",
                 "soak", "reconfiguration", "beside "):
        assert head in done.stdout, (head, done.stdout)
    assert " trials: 0 duplicates, 0 reordered, 0 corrupt, 0 strange" in done.stdout
    assert " imix encrypt" in done.stdout and "NDR" in done.stdout


def a_gateway_in_this_process():
    done = run("--one-process", "--json")
    assert done.returncode == 0, done
    got = json.loads(done.stdout)
    assert got["medium"] == {
        "outside": "memory", "inside": "memory", "kind": "memory", "one_process": True,
        "tester_cpu": 3, "gateway_cpu": 2,
        "text": "one process in memory, no NIC: wgdp's data path on CPU 2, the tester on CPU 3, "
                "joined by net_ring"}, got["medium"]
    assert got["gateway"] == {
        "refused": 7, "received": 100, "made": 2, "sent": 90, "punted": 1, "consumed": 5,
        "drops": [{"reason": "ttl", "text": "TTL used up", "packets": 6}]}, got["gateway"]
    table = run("--one-process").stdout
    for line in (got["medium"]["text"], "dropped by it, ttl: 6 (TTL used up)",
                 "gateway: 100 packets received, 2 made, 90 sent, 5 consumed, 1 for Linux",
                 "as its receive queues were full: 7"):
        assert line in table, (line, table)


go([everything, right_answers, the_tester_is_said_to_be_the_limit, interrupted, failing,
    above_the_line, left_out, command_that_fails, tables,
    a_gateway_in_this_process])
