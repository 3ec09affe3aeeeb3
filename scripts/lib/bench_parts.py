"""The parts of a report: which commands are run, how much of the time each gets, and what they run
over. A new part is a new entry of PARTS; figures for it are in bench_figures.py."""
import dataclasses
import os
import shlex
import subprocess

from lib import lab_place

MEMORY = "in memory, one process: no NIC, no driver"


@dataclasses.dataclass
class Context:
    build: str
    scripts: str
    seconds: int = 1    # of the part that is asked
    file: str = ""      # where its JSON goes
    known: list = None  # commands, once asked for

    @property
    def program(self):
        return os.path.join(self.build, "bench", "wgdp-bench")

    @property
    def cpus(self):
        return len(os.sched_getaffinity(0))

    def commands(self):
        """Those that wgdp-bench has; none if it is not there."""
        if self.known is None:
            self.known = self._ask()
        return self.known

    def _ask(self):
        return [line.split()[0] for line in self.help().splitlines()
                if line.startswith("  ") and not line.startswith("   ") and line.split()]

    def help(self, *command):
        """What wgdp-bench says of itself, or of a command; nothing if it is not there."""
        try:
            return subprocess.run([self.program, *command, "--help"], capture_output=True,
                                  text=True, check=False).stdout
        except OSError:
            return ""


def shell_line(argv):
    return shlex.join([os.path.basename(argv[0]), *argv[1:]])


class Command:
    """wgdp-bench COMMAND --json --seconds N ARGUMENTS. Share, around, least: see bench_time.py."""
    prints_json = True      # on standard output; else it writes the file itself
    least = 1

    def __init__(self, name, what, share, command, *arguments, medium=MEMORY, around=1):
        self.name, self.what, self.share, self.medium = name, what, share, medium
        self.command, self.arguments, self.around = command, arguments, around

    def why_not(self, context):
        if not os.access(context.program, os.X_OK):
            return f"{context.program} is not there: make builds it"
        if self.command not in context.commands():
            return f"this wgdp-bench has no {self.command}"
        return None

    def argv(self, context):
        return [context.program, self.command, "--json", "--seconds", str(context.seconds),
                *self.arguments]


class Workers(Command):
    """As many as there are CPUs: 1, 2, 4 and on."""

    def counts(self, context):
        return [n for n in (1, 2, 4, 8, 16, 32, 64) if n <= context.cpus]

    def why_not(self, context):
        return super().why_not(context) or (
            None if context.cpus > 1 else "there is one CPU only")

    def argv(self, context):
        return super().argv(context) + ["--workers", ",".join(map(str, self.counts(context)))]


class Rfc2544(Command):
    """wgdp-bench rfc2544: throughput and latency by size. How long the whole takes follows from how
    long a trial does. Arguments say against which gateway."""
    SIZES = ("64", "imix", "1420")
    TRIALS = 66                 # of full length take as long as all that a size does
    TRIAL_SECONDS_LEAST = 0.1
    least = round(TRIALS * TRIAL_SECONDS_LEAST * len(SIZES))

    def options(self, context):
        trial = context.seconds / (self.TRIALS * len(self.SIZES))
        return ["--json", "--way", "both", "--size", ",".join(self.SIZES), "--width", "2",
                "--trial-seconds", f"{max(trial, self.TRIAL_SECONDS_LEAST):.3g}"]

    def why_not(self, context):
        reason = super().why_not(context)
        if reason:
            return reason
        missing = [name for name in self.arguments
                   if name not in context.help(self.command).split()]
        if missing:
            return f"this wgdp-bench rfc2544 has no {missing[0]}"
        return None if context.cpus > 1 else "there is one CPU only, for tester and gateway"

    def argv(self, context):
        return [context.program, self.command, *self.arguments, *self.options(context)]


class Rfc2544Processes(Rfc2544):
    """With wgdp as the gateway, in a process of its own."""
    script = "lab_rfc2544.py"

    def why_not(self, context):
        return super().why_not(context) or lab_place.why_not(context.build,
                                                             f"scripts/{self.script}")

    def argv(self, context):
        return [os.path.join(context.scripts, self.script), "--build", context.build,
                *self.arguments, *self.options(context)]


class Peers:
    """scripts/lab.py: gateways in namespaces, in turns; as many rounds as there is time for."""
    name, what, share = "peers", "wgdp beside other gateways, in namespaces", 35
    around, least = 1, 60
    prints_json = False
    medium = "veth between network namespaces of this machine, through Linux; wgdp-vhost: shared " \
             "memory"
    arguments = ("--sizes", "64", "--rounds", "9", "--seconds", "1")

    def path(self, context):
        return os.path.join(context.scripts, "lab.py")

    def why_not(self, context):
        if "rfc2544" not in context.commands():
            return "this wgdp-bench has no rfc2544"
        return lab_place.why_not(context.build, "scripts/lab.py")

    def argv(self, context):
        return [self.path(context), "--build", context.build, *self.arguments,
                "--budget", str(context.seconds), "--json", context.file]


# Shares of the time: of about 100 in all.
PARTS = (
    Command("path", "the packet path by stages", 16, "path"),
    Workers("workers", "whole workers together", 11, "path"),
    Command("handshakes", "handshakes and refusals", 5, "handshakes"),
    Command("crypto", "ciphers and hashes beside other libraries", 8, "crypto"),
    Command("lookup", "lookups beside DPDK's tables", 4, "lookup",
            "--filter", "v?/hosts-1*k/[hmz]*/*", around=20),
    Rfc2544("rfc2544-memory", "throughput and latency of a worker", 12, "rfc2544", "--one-process"),
    Rfc2544Processes("rfc2544", "throughput and latency of a whole gateway", 12, "rfc2544",
                     medium="two processes on this machine, shared memory between them: no NIC",
                     around=4),
    Peers(),
)
