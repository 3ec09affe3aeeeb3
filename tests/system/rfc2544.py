#!/usr/bin/python3
"""wgdp-bench rfc2544 against wgdp: every method, both ways, over ports in memory. That they run,
and that what they say fits together; never how fast anything is. The tester itself: lab.py."""
import json
import os
import signal
import subprocess

from lib import gateway, hugepages, net, process, tap

SOON_SECONDS = 200
# Of a rate that a busy machine can do, and short.
QUICK = ["--max-rate", "3k", "--trial-seconds", "0.2", "--repeat", "1", "--width", "20"]
METHODS = ["throughput", "loss", "back-to-back", "latency", "recovery", "soak", "reconfiguration",
           "bulk"]


class Gateway(gateway.Gateway):
    """wgdp with the configuration that wgdp-bench writes for it."""

    def __init__(self, t, place, bench, sockets):
        self.text = bench.config("wgdp", "--private-key-file", "wg0.key",
                                 "--config-outside", f"net_vhost0,iface={sockets[0]}",
                                 "--config-inside", f"net_vhost1,iface={sockets[1]}")
        first_cpu = sorted(os.sched_getaffinity(0))[0]  # the tester takes the last
        super().__init__(t, place, {"workers": [first_cpu]})
        self.key_file("wg0.key", bench.config("key").strip())

    def write(self, path=None):
        path = super().write(path)
        with open(path, "a") as f:
            f.write(self.text)
        return path


class Bench:
    def __init__(self, place, sockets, *options):
        self.place, self.options, self.gw = place, options, None
        self.ports = ["--outside", f"net_virtio_user0,path={sockets[0]},mac=02:00:00:00:00:01",
                      "--inside", f"net_virtio_user1,path={sockets[1]},mac=02:00:00:00:00:02"]

    def command(self, *options):
        return [os.environ["WGDP_BENCH"], "rfc2544", *self.options, *options]

    def config(self, kind, *options):
        done = process.run(self.command("--config", kind, *options), check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def wait_free(self):
        """Until the gateway, and Linux there, has seen that the run before is gone."""
        def unplugged():
            ports = self.gw.rpc("show")["ports"]
            links = json.loads(self.place.out("ip", "-j", "link", "show"))
            return all(port["link"] == "down" for port in ports) and \
                not any("LOWER_UP" in link["flags"] for link in links
                        if link["ifname"] in ("outside", "inside"))
        process.wait_until(unplugged, "ports are unplugged", SOON_SECONDS)

    def run(self, *options):
        self.wait_free()
        return self.place.run(*self.command(*self.ports, *options), check=False,
                              timeout=SOON_SECONDS)

    def start(self, *options):
        self.wait_free()
        return self.place.start(*self.command(*self.ports, *options), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def expect_counts(trial):
    for way in ("encrypt", "decrypt"):
        counts = trial.get(way)
        if counts is None:
            continue
        assert counts["received"] <= counts["sent"] <= counts["wanted"], trial
        assert counts["corrupt"] == 0, trial
        assert sum(count for _, count in counts["latency"]) == counts["received"], trial


def expect_all(got, methods, loads):
    results = got["results"]
    assert got["partial"] is False and got["medium"]["kind"] == "processes", got["medium"]
    assert got["machine"]["cpu"] and got["machine"]["version"], got["machine"]
    # Where there is no rate without loss, on a machine as busy as this, the rest is left out.
    left_out = {entry["method"] for entry in results.get("skipped", [])}
    for method in methods:
        assert method in results or method in left_out, (method, sorted(results))
    for entry in results["throughput"]:
        assert entry["lower"] <= entry["upper"] or entry["upper"] == 0, entry
        assert entry["lower"] <= 3000 and entry["ended"] in ("width", "max", "min", "tester"), entry
    found = {(entry["size"], entry["way"]) for entry in results["throughput"]}
    assert found == loads, found
    for trial in got["trials"]:
        expect_counts(trial)


def test(t):
    t.enter(hugepages.Perhaps())
    place = t.enter(net.Namespace("rfc2544"))
    sockets = [t.path(f"{side}.sock") for side in ("outside", "inside")]
    bench = Bench(place, sockets, "--peers", "3", "--flows", "6")
    gw = t.enter(Gateway(t, place, bench, sockets))
    bench.gw = gw
    t.on_failure(gw.describe)
    with t.case("every method, both ways"):
        done = bench.run("--json", *QUICK, "--method", ",".join(METHODS), "--way", "both",
                         "--seconds", "1", "--during", f"kill -HUP {gw.child.pid}")
        assert done.returncode == 0, (done.returncode, done.stderr)
        expect_all(json.loads(done.stdout), METHODS, {(64, "both")})
    with t.case("sizes and ways, one after the other"):
        done = bench.run("--json", *QUICK, "--method", "throughput", "--size", "128,imix",
                         "--way", "decrypt,encrypt")
        assert done.returncode == 0, (done.returncode, done.stderr)
        expect_all(json.loads(done.stdout), ["throughput"],
                   {(size, way) for size in (128, "imix") for way in ("decrypt", "encrypt")})
    with t.case("a reconfiguration at a given rate: the command ran, within the trial"):
        done = bench.run("--json", "--trial-seconds", "2", "--rate", "500", "--method",
                         "reconfiguration", "--during", f"kill -HUP {gw.child.pid}")
        assert done.returncode == 0, (done.returncode, done.stderr)
        entry = json.loads(done.stdout)["results"]["reconfiguration"][0]
        assert entry["exit_status"] == 0 and entry["command_at_seconds"] >= 0.5, entry
        assert entry["pps"] == 500 and entry["longest_gap_seconds"] >= 0.0015, entry
    with t.case("a command that fails: what it was, and exit status 1"):
        done = bench.run("--trial-seconds", "1", "--rate", "500", "--method", "reconfiguration",
                         "--during", "exit 3")
        assert done.returncode == 1 and "status 3" in done.stderr, done
    with t.case("Ctrl-C: what was measured so far, marked partial, and status 130"):
        before = gw.counters()["totals"]["tx"]
        child = bench.start("--json", "--rate", "500", "--method", "soak", "--trial-seconds", "0.5",
                            "--seconds", "3600")
        process.wait_until(lambda: gw.counters()["totals"]["tx"] > before + 600, "packets flow")
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=SOON_SECONDS)
        assert child.returncode == 130, (child.returncode, err)
        got = json.loads(out)
        assert got["partial"] is True and got["error"] == "interrupted", got
        soak = got["results"]["soak"][0]
        assert 0 < soak["sent"] and 0 < soak["seconds"] < 3600 and len(soak["intervals"]) >= 2
    with t.case("tables, decrypting"):
        done = bench.run(*QUICK, "--way", "decrypt")
        assert done.returncode == 0, (done.returncode, done.stderr)
        assert "two processes on one machine, no NIC" in done.stdout and "NDR" in done.stdout, done
    with t.case("a peer that the gateway does not know"):
        done = bench.run(*QUICK, "--peers", "4")
        assert done.returncode == 1 and "handshake of peer 3" in done.stderr and not done.stdout, \
            done


tap.main(test)
