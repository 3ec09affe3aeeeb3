#!/usr/bin/python3
"""wgdp-bench rfc2544 against a gateway on this machine, each in a process of its own.

Starts one of the gateways that lab.py compares, in a network of namespaces (lib/lab_network.py), by
default wgdp with shared memory to the tester (vhost and virtio-user, without Linux in between), and
runs wgdp-bench rfc2544 at the other ends of its cables. All other options are that command's, and
so is the output:

    scripts/lab_rfc2544.py --size 64,imix,1420 --way both --trial-seconds 2 --json > rfc2544.json

Which CPUs the two have is as for lab.py: docs/BENCHMARKING.md. Ctrl-C ends it with what was
measured, and everything that this has started ends with it.
"""
import argparse
import os
import signal
import sys

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(SOURCE, "scripts"))

from lib import lab_cpu, lab_gateways, lab_place, lab_tester, process  # noqa: E402

GATEWAY = "wgdp-vhost"
STATUS_INTERRUPTED = 130
OURS = ("--outside", "--inside", "--config", "--config-outside", "--config-inside",
        "--private-key-file")


def say(text):
    print(f"lab_rfc2544.py: {text}", file=sys.stderr, flush=True)


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False, usage="%(prog)s [--gateway NAME] [--build DIR] [OPTION ...]",
        epilog="OPTION: see wgdp-bench rfc2544 --help")
    parser.add_argument("--gateway", default=GATEWAY, choices=lab_gateways.KINDS,
                        help="(default: %(default)s)")
    parser.add_argument("--build", type=os.path.abspath, metavar="DIR",
                        default=os.path.join(SOURCE, "build"),
                        help="where make has put wgdp and wgdp-bench (default: %(default)s)")
    args, args.options = parser.parse_known_args(argv)
    named = [option for option in args.options if option.split("=")[0] in OURS]
    if named:
        parser.error(f"{named[0].split('=')[0]} is what this script is there for: leave it out")
    return args


class Signals:
    """Ctrl-C, and SIGTERM, are passed on to the tester, which then prints what it has."""

    def __init__(self):
        self.child, self.came = None, False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)

    def _stop(self, number, frame):
        self.came = True
        if self.child is None:
            raise KeyboardInterrupt
        self.child.send_signal(signal.SIGINT)

    def follow(self, child):
        self.child = child
        if self.came:
            child.send_signal(signal.SIGINT)


def measure(args, signals):
    """The exit status of wgdp-bench."""
    tester_cpu, gateway_cpu = lab_cpu.pick()
    if tester_cpu == gateway_cpu:
        say("there is one CPU for both: no figure of this run means anything")
    tester = lab_tester.Program(args.build, tester_cpu, args.options)
    kind = lab_gateways.KINDS[args.gateway]
    with lab_place.Place(args.build, tester, gateway_cpu) as place:
        reason = kind.why_not(place)
        if reason:
            raise process.Failed(reason)
        with kind(place) as gateway:
            # A terminal's Ctrl-C would come to it twice, and the second one ends it at once.
            child = place.network.tester.start(*tester.command(gateway), start_new_session=True)
            signals.follow(child)
            try:
                return child.wait()
            finally:
                signals.child = None


def main(argv=None):
    args = parse(argv)
    os.environ["PATH"] += ":" + lab_place.SYSTEM_PATH
    reason = lab_place.why_not(args.build, "scripts/lab_rfc2544.py")
    if reason:
        say(reason)
        return 1
    try:
        status = measure(args, Signals())
    except process.Failed as failure:
        say(failure)
        return 1
    except KeyboardInterrupt:
        return STATUS_INTERRUPTED
    return status if status >= 0 else STATUS_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
