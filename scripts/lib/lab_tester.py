"""wgdp-bench rfc2544 as lab.py uses it: its options, and what of its JSON is wanted.

Its rates are those of one way. Here they are packets per second through the gateway: of both ways
together if there are two.
"""
import json
import math
import os
import subprocess

from lib import process

WAYS = {"encrypt": 1, "decrypt": 1, "both": 2}
SLOW_START_SECONDS = 60         # for ports, handshakes, and a machine that is busy
SEARCH_SECONDS = 600            # far more than any search takes
FEW_PPS, FEW_SECONDS = 100, 0.05
TESTER_IS_LIMIT = ("max", "tester")     # how a search ends that has not found the gateway's
DISTURBED_SHARE = 0.5           # of the rate that it held before a search; less is chance
# Rounds repeat trials, and the noise of such a machine is wider than that.
SEARCH = ["--method", "throughput", "--width", "2", "--repeat", "1"]


class Program:
    """Options that are the same in all runs. It runs in a namespace, on one CPU."""

    def __init__(self, build, cpu, same):
        self.program = os.path.join(build, "bench", "wgdp-bench")
        self.cpu, self.same = cpu, same

    def config(self, kind, **options):
        """What a gateway needs, as text: for wgdp, for wg setconf, Linux's commands, or the key."""
        argv = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        return process.run([self.program, "rfc2544", "--config", kind, *self.same, *argv]).stdout

    def command(self, gateway, *argv):
        outside, inside = gateway.devices()
        return ["taskset", "-c", str(self.cpu), self.program, "rfc2544", *self.same,
                "--outside", outside, "--inside", inside, *argv]


class Tester(Program):
    """Measures rates, latency. left: seconds until a run has to end, a function."""

    def __init__(self, build, cpu, peers, flows, way, seconds):
        super().__init__(build, cpu, ["--peers", str(peers), "--flows", str(flows), "--way", way])
        self.ways, self.seconds = WAYS[way], seconds
        self.left = lambda: math.inf

    def search(self, gateway, size, loss):
        """The greatest rates without loss, and with that percentage of it at most. Found twice, if
        the first time something else than the gateway was in the way: "again" says what."""
        found = self._search(gateway, size, loss)
        again = self._why_again(found)
        if again and self.left() > 0:
            found = {**self._search(gateway, size, loss), "again": again}
        return found

    def _search(self, gateway, size, loss):
        whole = self._run(gateway, size, SEARCH_SECONDS, *SEARCH, "--loss", str(loss),
                          "--trial-seconds", str(self.seconds))
        ndr, pdr = self._results(whole, "throughput", 2)
        top, = self._results(whole, "top", 1)
        return {"pps": pdr["pps"] * self.ways, "ndr_pps": ndr["pps"] * self.ways,
                "top_pps": top["pps"] * self.ways,
                "tester_is_limit": pdr["ended"] in TESTER_IS_LIMIT, "width": pdr["width"],
                "trials": len(whole["trials"])}

    @staticmethod
    def _why_again(found):
        if found["pps"] == 0:
            return "no rate had so little loss"
        if found["tester_is_limit"] and found["pps"] < DISTURBED_SHARE * found["top_pps"]:
            return f"the tester did not hold rates above {found['pps']:.0f}/s, but " \
                   f"{found['top_pps']:.0f}/s before"
        return None

    def nothing(self, gateway, size):
        """All that a trial has around it, and next to no trial."""
        self._trial(gateway, size, FEW_PPS, FEW_SECONDS)

    def at_rate(self, gateway, size, rate):
        """One trial."""
        whole = self._trial(gateway, size, rate / self.ways, self.seconds)
        soak, = self._results(whole, "soak", 1)
        latency = {name: value / 1000 for name, value in soak["latency"].items() if name != "n"}
        return {"sent": soak["sent"], "received": soak["sent"] - soak["lost"],
                "loss": soak["loss"], "valid": soak["valid"], "latency_us": latency}

    def _trial(self, gateway, size, pps, seconds):
        return self._run(gateway, size, SLOW_START_SECONDS + seconds, "--method", "soak",
                         "--rate", f"{max(pps, 1):.0f}", "--seconds", str(seconds),
                         "--trial-seconds", str(seconds))

    def _results(self, whole, method, wanted):
        found = whole["results"].get(method, [])
        if len(found) != wanted:
            raise process.Failed(f"{self.program} rfc2544 tells no {method}: "
                                 f"{json.dumps(whole['results'])}")
        return found

    def _run(self, gateway, size, timeout, *argv):
        argv = self.command(gateway, "--json", "--size", str(size), *argv)
        timeout = min(timeout, max(self.left(), 1))
        child = gateway.place.network.tester.start(*argv, stdout=subprocess.PIPE,
                                                   stderr=subprocess.PIPE, text=True)
        try:
            out, error = child.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise process.Failed(f"{' '.join(argv)}: not done after {timeout:.0f} s") from None
        finally:
            process.end(child)
        if child.returncode:
            raise process.Failed(f"{' '.join(argv)}: exit status {child.returncode}\n{error}\n"
                                 f"{gateway.log_tail()}")
        return json.loads(out)
