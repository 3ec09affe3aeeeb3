"""The parts of a report: which commands are run, how much of the time each gets, and what they run
over. A new part is a new entry of PARTS; figures for it are in bench_figures.py."""
import dataclasses
import os
import shlex
import subprocess

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
        try:
            said = subprocess.run([self.program, "--help"], capture_output=True, text=True,
                                  check=False).stdout
        except OSError:
            return []
        return [line.split()[0] for line in said.splitlines()
                if line.startswith("  ") and not line.startswith("   ") and line.split()]


def shell_line(argv):
    return shlex.join([os.path.basename(argv[0]), *argv[1:]])


class Command:
    """wgdp-bench COMMAND --json --seconds N ARGUMENTS."""
    prints_json = True      # on standard output; else it writes the file itself

    def __init__(self, name, what, share, command, *arguments, medium=MEMORY):
        self.name, self.what, self.share, self.medium = name, what, share, medium
        self.command, self.arguments = command, arguments

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


class Peers:
    """scripts/lab.py: gateways in namespaces, in turns. It cannot be told a time."""
    name, what, share = "peers", "wgdp beside other gateways, in namespaces", 35
    prints_json = False
    medium = "veth between network namespaces of this machine, through Linux"
    arguments = ("--sizes", "64", "--rounds", "2", "--seconds", "1")

    def path(self, context):
        return os.path.join(context.scripts, "lab.py")

    def why_not(self, context):
        if "rfc2544" not in context.commands():
            return "this wgdp-bench has no rfc2544"
        if not os.path.exists(self.path(context)):
            return "there is no scripts/lab.py"
        return "needs root, for network namespaces" if os.geteuid() else None

    def argv(self, context):
        return [self.path(context), "--build", context.build, *self.arguments,
                "--json", context.file]


# Shares of the time: of about 100 in all. lookup makes its tables on top of its share.
PARTS = (
    Command("path", "the packet path by stages", 20, "path"),
    Workers("workers", "whole workers together", 15, "path"),
    Command("handshakes", "handshakes and refusals", 8, "handshakes"),
    Command("crypto", "ciphers and hashes beside other libraries", 12, "crypto"),
    Command("lookup", "lookups beside DPDK's tables", 6, "lookup",
            "--filter", "v?/hosts-1*k/[hmz]*/*"),
    Peers(),
)
