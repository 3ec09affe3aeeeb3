#!/usr/bin/python3
"""scripts/lab.py: wgdp and wireguard-go at a low rate, the JSON that it writes, and that nothing
stays behind: after its end, after Ctrl-C, after SIGKILL. And lab_rfc2544.py beside it."""
import glob
import json
import os
import signal
import subprocess

from lib import hugepages, lab_cpu, lab_results, process, tap

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LAB = os.path.join(SOURCE, "scripts", "lab.py")
LAB_RFC2544 = os.path.join(SOURCE, "scripts", "lab_rfc2544.py")
GATEWAYS = ["wgdp", "wireguard-go"]
RATE_PPS = 1000
SIZE = 128
RUN_SECONDS, START_SECONDS, END_SECONDS = 120, 60, 20


class Run:
    """One lab.py, or another script, with a directory for temporary files of its own."""

    script = LAB

    def __init__(self, t, name, *argv):
        self.scratch = t.path(name)
        os.makedirs(self.scratch)
        self.json_path = t.path(f"{name}.json")
        self.log_path = t.path(f"{name}.log")
        # As make bench names it: what it starts has working directories of its own.
        build = os.path.relpath(os.path.dirname(os.environ["WGDP"]))
        self.start(["/usr/bin/python3", self.script, "--build", build, *argv],
                   {**os.environ, "TMPDIR": self.scratch})

    def start(self, argv, environment):
        with open(self.log_path, "w") as log:
            self.child = process.start([*argv, "--json", self.json_path], stdout=log,
                                       stderr=subprocess.STDOUT, env=environment)

    def log(self):
        with open(self.log_path) as f:
            return f.read()

    def result(self):
        with open(self.json_path) as f:
            return json.load(f)

    def wait(self, seconds):
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise process.Failed(f"lab.py has not ended after {seconds} s:\n{self.log()}") from None

    def wait_under_way(self):
        """Until a tester runs; returns the processes of this run, as {pid: start time}."""
        def tester():
            if self.child.poll() is not None:
                raise process.Failed(f"lab.py has ended:\n{self.log()}")
            found = family(self.child.pid)
            return found if any("rfc2544" in command(pid) for pid in found) else None
        return process.wait_until(tester, self.log, START_SECONDS)


class RunRfc2544(Run):
    script = LAB_RFC2544

    def start(self, argv, environment):
        with open(self.log_path, "w") as log, open(self.json_path, "w") as out:
            self.child = process.start([*argv, "--json"], stdout=out, stderr=log, env=environment)

    def forwarded(self):
        """Packets, by the gateway's own count."""
        sockets = glob.glob(os.path.join(self.scratch, "*", "wgdp.sock"))
        done = process.run([os.environ["WGDP_CLI"], "-s", *sockets, "--json", "counters"],
                           check=False)
        return json.loads(done.stdout)["totals"]["tx"] if done.returncode == 0 else 0


def command(pid):
    try:
        with open(f"/proc/{pid}/cmdline") as f:
            return f.read()
    except OSError:
        return ""


def start_time(pid):
    """None if there is no such process; a number that comes again is another one's."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[19]
    except OSError:
        return None


def family(pid):
    """All descendants of a process."""
    found = {}
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as f:
                for child in f.read().split():
                    found[int(child)] = start_time(child)
                    found.update(family(int(child)))
    except OSError:
        pass
    return found


def nothing_left(run, processes, scratch=True):
    """Its namespaces have no names: they are gone with the processes that hold them."""
    def left():
        return [f"{pid} {command(pid)}" for pid, at in processes.items()
                if at and start_time(pid) == at]
    process.wait_until(lambda: not left(), lambda: f"still there: {left()}", END_SECONDS)
    if scratch:
        assert not os.listdir(run.scratch), os.listdir(run.scratch)


def named_namespaces():
    return process.run(["ip", "netns", "list"]).stdout


def refused(t):
    for label, argv, expected in (
            ("a gateway that it does not know", ["--gateways", "wgdp,openvpn"], "openvpn"),
            ("a gateway twice", ["--gateways", "wgdp,wgdp"], "twice"),
            ("no rounds", ["--rounds", "0"], "--rounds"),
            ("a size that is none", ["--sizes", "64,small"], "--sizes"),
            ("a build that is not there", ["--build", t.path("nothing")], "make builds it")):
        with t.case(f"refused: {label}"):
            result = process.run(["/usr/bin/python3", LAB, *argv], check=False)
            assert result.returncode in (1, 2) and expected in result.stderr, result
            assert "Traceback" not in result.stderr, result


def made_up(kind, **more):
    if kind == "search":
        return {"pps": more["pps"], "tester_is_limit": more.get("limit", False)}
    cpu = {"process": more["process"], "cpu": more["busy"]}
    around = {"process": None if more["process"] is None else 0.1, "cpu": 0.2}
    return {"received": 1000, "cpu": cpu, "cpu_around": around, "linux": True,
            "latency_us": {"p50": more["p50"], "p99": 9.0}}


def figures(t):
    results = lab_results.Results(["wgdp", "kernel"], [64])
    for kind, gateway, number, more in (
            ("search", "wgdp", 1, {"pps": 300.0}), ("search", "kernel", 1, {"pps": 100.0}),
            ("search", "kernel", 2, {"pps": 50.0, "limit": True}),
            ("search", "wgdp", 2, {"pps": 100.0}), ("search", "wgdp", 3, {"pps": 900.0}),
            ("common", "wgdp", 1, {"process": 0.6, "busy": 1.2, "p50": 10.0}),
            ("common", "kernel", 1, {"process": None, "busy": 2.2, "p50": 30.0})):
        results.add(kind, gateway, 64, number, **made_up(kind, **more))
    rows = {row["name"]: row for row in results.rows()}
    with t.case("ratios are of one round, their median and range; a lost turn is left out"):
        row = rows["pps/64/wgdp"]
        assert (row["value"], row["min"], row["max"]) == (300.0, 100.0, 900.0), row
        assert row["values"] == [300.0, 100.0, 900.0], row
        assert (row["ratio"], row["ratio_min"], row["ratio_max"]) == (2.5, 2.0, 3.0), row
        assert "at_least" not in row and rows["pps/64/kernel"]["at_least"], rows
    with t.case("of less time the ratio says how many times less"):
        assert rows["latency-p50/64/wgdp"]["ratio"] == 3.0, rows
    with t.case("CPU time is the process's, else the CPU's, without what is around a trial"):
        assert rows["common-per-cpu-second/64/wgdp"]["value"] == 2000.0, rows
        assert rows["common-per-cpu-second/64/kernel"]["value"] == 500.0, rows
    with t.case("the table has them all"):
        text = lab_results.table(results.rows())
        assert "2.50 times as many [2.00 .. 3.00] as kernel" in text, text
        assert ">=75" in text and "3.00 times as short" in text, text


def cpu_time(t):
    with t.case("CPU time of a busy process is its own, and not more than the time that passed"):
        child = process.start(["/usr/bin/python3", "-c", "while True: pass"])
        try:
            meter = lab_cpu.Meter(child.pid, sorted(os.sched_getaffinity(0)))
            process.wait_until(lambda: meter.read()["process"] > 0.1, meter.read, 20)
            seen = meter.read()
        finally:
            process.end(child, signal.SIGKILL)
        assert seen["process"] <= seen["wall"] + 0.05, seen
        assert seen["cpu"] >= seen["process"] - 0.1, seen


def whole_run(t):
    before = named_namespaces()
    with t.case("wgdp and wireguard-go at one rate, one round"):
        run = Run(t, "whole", "--gateways", ",".join(GATEWAYS), "--rate", str(RATE_PPS), "--sizes",
                  str(SIZE), "--peers", "2", "--rounds", "1", "--seconds", "1")
        processes = run.wait_under_way()
        status = run.wait(RUN_SECONDS)
        assert status == 0, (status, run.log())
        nothing_left(run, processes)
        assert named_namespaces() == before
    with t.case("its JSON: settings, versions, each sample, medians and ratios"):
        whole = run.result()
        assert whole["bench"] == "peers" and whole["partial"] is False, whole
        assert whole["settings"]["peers"] == 2 and whole["settings"]["rate"] == RATE_PPS, whole
        assert [gateway["name"] for gateway in whole["gateways"]] == GATEWAYS, whole
        assert all(gateway["version"] for gateway in whole["gateways"]), whole
        assert [(sample["kind"], sample["gateway"], sample["size"], sample["round"])
                for sample in whole["samples"]] == [("common", name, SIZE, 1) for name in GATEWAYS]
    with t.case("what is in a sample: packets that came, CPU time, latency"):
        for sample in whole["samples"]:
            assert 0 < sample["received"] <= sample["sent"], sample
            assert 0 < sample["latency_us"]["p50"] <= sample["latency_us"]["p99"], sample
            assert sample["cpu"]["wall"] > 1 and sample["cpu"]["process"] is not None, sample
            assert sample["cpu_around"]["process"] is not None, sample
        assert whole["samples"][0]["cpu"]["process"] > 0, whole["samples"][0]
        rows = {row["name"]: row for row in whole["results"]}
        row = rows[f"latency-p99/{SIZE}/wgdp"]
        assert row["values"] == [whole["samples"][0]["latency_us"]["p99"]], row
        assert row["ratio_to"] == f"latency-p99/{SIZE}/wireguard-go", row


def ended_early(t):
    long_run = ("--gateways", ",".join(GATEWAYS), "--rate", str(RATE_PPS), "--seconds", "60")
    with t.case("Ctrl-C: what was measured is written, marked partial, and nothing stays behind"):
        run = Run(t, "interrupted", *long_run)
        processes = run.wait_under_way()
        run.child.send_signal(signal.SIGINT)
        assert run.wait(END_SECONDS) == 130, run.log()
        assert "Traceback" not in run.log(), run.log()
        assert run.result()["partial"] is True, run.result()
        nothing_left(run, processes)
    with t.case("killed: no process and no namespace stays behind"):
        run = Run(t, "killed", *long_run)
        processes = run.wait_under_way()
        process.end(run.child, signal.SIGKILL)
        nothing_left(run, processes, scratch=False)


def no_time(t):
    with t.case("a time in which nothing can be measured: it says so"):
        run = Run(t, "short", "--gateways", ",".join(GATEWAYS), "--rate", str(RATE_PPS),
                  "--budget", "1")
        assert run.wait(START_SECONDS) == 1 and "nothing was measured" in run.log(), run.log()
        whole = run.result()
        assert whole["samples"] == whole["failures"] == [] and whole["not_run"], whole
        assert not os.listdir(run.scratch), os.listdir(run.scratch)


def in_two_processes(t):
    with t.case("wgdp-bench rfc2544 against wgdp in another process, over shared memory"):
        run = RunRfc2544(t, "rfc2544", "--size", "64,imix", "--way", "both", "--max-rate", "3k",
                         "--trial-seconds", "0.2", "--repeat", "1", "--width", "20")
        processes = run.wait_under_way()
        assert run.wait(RUN_SECONDS) == 0, run.log()
        nothing_left(run, processes)
        whole = run.result()
        assert whole["medium"]["kind"] == "processes" and not whole["partial"], whole["medium"]
        assert {e["size"] for e in whole["results"]["throughput"]} == {64, "imix"}, whole["results"]
    for name, number in (("Ctrl-C", signal.SIGINT), ("SIGTERM", signal.SIGTERM)):
        with t.case(f"{name}: what was measured is printed, marked partial"):
            run = RunRfc2544(t, name, "--method", "soak", "--rate", "1k", "--trial-seconds", "0.2",
                             "--seconds", "600")
            processes = run.wait_under_way()
            process.wait_until(lambda: run.forwarded() > 600, run.log, START_SECONDS)
            run.child.send_signal(number)
            assert run.wait(END_SECONDS) == 130, run.log()
            assert run.result()["partial"] is True and "Traceback" not in run.log(), run.log()
            nothing_left(run, processes)


def test(t):
    t.enter(hugepages.Perhaps())
    figures(t)
    cpu_time(t)
    refused(t)
    whole_run(t)
    no_time(t)
    in_two_processes(t)
    ended_early(t)


tap.main(test)
