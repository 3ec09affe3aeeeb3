#!/usr/bin/python3
"""wgdp beside other WireGuard gateways: same cables, same flows, same tool, in turns.

Builds a network of two namespaces (lib/lab_network.py draws it), starts one gateway after the other
in it (lib/lab_gateways.py), and runs wgdp-bench rfc2544 against each (lib/lab_tester.py):

  1. in every round, each gateway's greatest rate at the loss goal;
  2. in every round, each gateway at the median of its greatest rates: what CPU time that takes; and
     all of them at one rate, half of the slowest one's greatest: latency, and CPU time again.

docs/BENCHMARKING.md says what runs where and how to read the results. Everything that this starts
ends with it, even if it is killed.
"""
import argparse
import json
import os
import platform
import signal
import sys

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(SOURCE, "scripts"))

from lib import (lab_cpu, lab_gateways, lab_place, lab_results, lab_tester,  # noqa: E402
                 lab_turns, process)

BUSY_SHARE = 0.1        # of a CPU, from which on others disturb
COMMON_SHARE = 0.5      # of the slowest gateway's greatest rate: the rate of the latency runs
SEARCH_SHARE = 0.65     # of a limited time: the rest is for the runs at given rates
STDOUT = "/dev/stdout"


def say(text="", end="\n"):
    print(text, end=end, file=sys.stderr, flush=True)


def count(text):
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def sizes(text):
    return ["imix" if part == "imix" else count(part) for part in text.split(",")]


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=os.path.abspath, default=os.path.join(SOURCE, "build"),
                        help="where make has put wgdp and wgdp-bench (default: %(default)s)")
    parser.add_argument("--gateways", default=",".join(lab_gateways.KINDS),
                        help="which, in which order (default: %(default)s)")
    parser.add_argument("--sizes", type=sizes, default=[64, 1420], metavar="BYTES,...",
                        help="inner packets, or imix (default: 64,1420)")
    parser.add_argument("--peers", type=count, default=1, help="(default: 1)")
    parser.add_argument("--flows", type=count, help="in each way (default: one for each peer)")
    parser.add_argument("--rounds", type=count, default=3, help="(default: 3)")
    parser.add_argument("--seconds", type=count, default=2, help="of a trial (default: 2)")
    parser.add_argument("--way", choices=lab_tester.WAYS, default="both",
                        help="plain packets in, WireGuard in, or half of each (default: both)")
    parser.add_argument("--loss", type=float, default=0.5, metavar="PERCENT",
                        help="the loss goal (default: 0.5; 0 is rarely met on a shared machine)")
    parser.add_argument("--rate", type=count, metavar="PPS",
                        help="no search: all of them at this rate only")
    parser.add_argument("--budget", type=count, metavar="SECONDS",
                        help="for all of it: rounds that do not fit are left out (default: as long "
                             "as it takes)")
    parser.add_argument("--json", metavar="FILE", help="everything that was measured, with every "
                        "sample; to standard output, the table goes to standard error")
    parser.add_argument("--keep", action="store_true",
                        help="at the end, wait with the last gateway up until Ctrl-C")
    args = parser.parse_args(argv)
    args.gateways = args.gateways.split(",")
    args.flows = args.flows or args.peers
    unknown = [name for name in args.gateways if name not in lab_gateways.KINDS]
    if unknown:
        parser.error(f"no such gateway: {unknown[0]}; there are {', '.join(lab_gateways.KINDS)}")
    if len(set(args.gateways)) != len(args.gateways):
        parser.error("a gateway is named twice")
    return args


class Lab:
    def __init__(self, args):
        self.args = args
        self.tester_cpu, self.gateway_cpu = lab_cpu.pick()
        self.tester = lab_tester.Tester(args.build, self.tester_cpu, args.peers, args.flows,
                                        args.way, args.seconds)
        self.left_out = self._left_out()
        present = [name for name in args.gateways if name not in self.left_out]
        self.turns = lab_turns.Turns(present, args.rounds, args.budget, say)
        self.tester.left = self.turns.left
        self.results = lab_results.Results(present, args.sizes)
        self.partial = True

    @property
    def gateways(self):
        return self.turns.gateways

    def place(self):
        return lab_place.Place(self.args.build, self.tester, self.gateway_cpu)

    def _left_out(self):
        with self.place() as place:
            reasons = {name: lab_gateways.KINDS[name].why_not(place) for name in self.args.gateways}
        return {name: reason for name, reason in reasons.items() if reason}

    def introduce(self):
        args = self.args
        say(f"{machine()['cpu']}, Linux {os.uname().release}")
        say(f"tester on CPU {self.tester_cpu}, gateways on CPU {self.gateway_cpu}"
            + (": the same one, so no figure of this run means anything"
               if self.tester_cpu == self.gateway_cpu else ""))
        for name in args.gateways:
            kind = lab_gateways.KINDS[name]
            say(f"  {name:13} {kind.what}"
                + (f": left out, {self.left_out[name]}" if name in self.left_out else ""))
        share = max(lab_cpu.busy_share(cpu) for cpu in {self.tester_cpu, self.gateway_cpu})
        if share > BUSY_SHARE:
            say(f"warning: others use {share:.0%} of a CPU; wait until this machine is quiet")

    # ---- turns

    def phase(self, what, measure, share):
        """measure(round, gateway), of a gateway that was started for it. A turn counts as a whole:
        of one that fails there is nothing."""
        def turn(number, name):
            before = len(self.results.samples)
            try:
                with self.place() as place, lab_gateways.KINDS[name](place) as gateway:
                    measure(number, gateway)
            except process.Failed:
                del self.results.samples[before:]
                raise
        self.turns.phase(what, turn, share)

    def search(self, number, gateway):
        for size in self.args.sizes:
            found = self.tester.search(gateway, size, self.args.loss)
            self.results.add("search", gateway.name, size, number, **found)
            say(f" {size}: {lab_results.number(found['pps'])}/s"
                + (" (as much as the tester can)" if found["tester_is_limit"] else "")
                + (f" (searched twice: {found['again']})" if "again" in found else ""), end="")

    def hold(self, number, gateway):
        meter = lab_cpu.Meter(gateway.pid, gateway.cpus())
        self.tester.nothing(gateway, self.args.sizes[0])
        around = meter.read()
        for size in self.args.sizes:
            for kind, rate in self.rates(gateway, size):
                self.at_rate(kind, number, gateway, size, rate, around)

    def rates(self, gateway, size):
        """(kind, packets per second) of the trials that a gateway has in phase 2."""
        if self.args.rate:
            return [("common", self.args.rate)]
        own = self.greatest(gateway.name, size)
        if own == 0:
            say(f" {size}: no greatest rate was found", end="")
            return []
        slowest = min(filter(None, (self.greatest(name, size) for name in self.gateways)))
        return [("full", own), ("common", COMMON_SHARE * slowest)]

    def at_rate(self, kind, number, gateway, size, rate, around):
        meter = lab_cpu.Meter(gateway.pid, gateway.cpus())
        found = self.tester.at_rate(gateway, size, rate)
        sample = self.results.add(kind, gateway.name, size, number, rate=rate, cpu=meter.read(),
                                  cpu_around=around, linux=gateway.linux_ports, **found)
        say(f" {size}, {kind}: p50 {lab_results.number(sample['latency_us']['p50'])} us, "
            f"{sample['loss']:.2%} lost" + ("" if sample["valid"] else ", tester too slow"), end="")

    def greatest(self, name, size):
        return self.results.median("pps", size, name) or 0.0

    def measure(self):
        if not self.args.rate:
            self.phase("greatest rate", self.search, SEARCH_SHARE)
        self.phase("at given rates", self.hold, 1)
        self.partial = False

    # ---- what came of it

    def report(self):
        rows = self.results.rows()
        to = sys.stderr if self.args.json == STDOUT else sys.stdout
        print(lab_results.table(rows).lstrip("\n"), file=to)
        if self.partial:
            print("\npartial: the run was ended before its end", file=to)
        if self.args.json:
            with open(self.args.json, "w") as f:
                json.dump(self.whole(rows), f, indent=1)
                f.write("\n")

    def whole(self, rows):
        args, kinds = self.args, lab_gateways.KINDS
        return {
            "bench": "peers", "machine": machine(), "partial": self.partial,
            "settings": {"sizes": args.sizes, "peers": args.peers, "flows": args.flows,
                         "rounds": args.rounds, "seconds": args.seconds, "way": args.way,
                         "loss_percent": args.loss, "rate": args.rate, "budget": args.budget,
                         "tester_cpu": self.tester_cpu, "gateway_cpu": self.gateway_cpu},
            "gateways": [{"name": name, "what": kinds[name].what,
                          **({"left_out": self.left_out[name]} if name in self.left_out else
                             {"version": kinds[name].version(args.build)})}
                         for name in args.gateways],
            "failures": self.turns.failures, "repeats": self.turns.repeats,
            "not_run": self.turns.not_run, "results": rows, "samples": self.results.samples}

    def stay(self):
        """The last gateway once more, until Ctrl-C."""
        with self.place() as place, lab_gateways.KINDS[self.gateways[-1]](place) as gateway:
            out, inside = gateway.devices()
            say(f"\n{gateway.name} is up until Ctrl-C. Its namespace, and the tester's:\n"
                f"  nsenter -t {place.network.gateway.pid} --net --mount\n"
                f"  nsenter -t {place.network.tester.pid} --net --mount"
                f"   (ports {out} and {inside})\n"
                f"Configuration and log: {place.scratch}")
            signal.pause()


def machine():
    with open("/proc/cpuinfo") as f:
        models = [line.split(":", 1)[1].strip() for line in f if line.startswith("model name")]
    return {"cpu": models[0] if models else platform.machine(), "cpus": os.cpu_count(),
            "kernel": os.uname().release, "free_hugepages": lab_cpu.free_hugepages()}


def run(args):
    lab = Lab(args)
    lab.introduce()
    if not lab.gateways:
        say("lab.py: no gateway is left to measure")
        return 1
    try:
        lab.measure()
    except KeyboardInterrupt:
        say("\nlab.py: interrupted")
        return 130
    finally:
        lab.report()
    if args.keep and lab.gateways:
        lab.stay()
    if not lab.results.samples:
        say("lab.py: nothing was measured")
    return 1 if lab.turns.failures or not lab.results.samples else 0


def main(argv=None):
    args = parse(argv)
    os.environ["PATH"] += ":" + lab_place.SYSTEM_PATH
    reason = lab_place.why_not(args.build, "scripts/lab.py")
    if reason:
        say(f"lab.py: {reason}")
        return 1

    def stop(number, frame):
        # Once is enough: what follows is cleaning up.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    try:
        return run(args)
    except process.Failed as failure:
        say(f"\nlab.py: {failure}")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
