"""Where a gateway of lab.py has its turn, and what has to be there for that."""
import os
import tempfile

from lib import lab_network

PROGRAMS = ["ip", "ethtool", "nsenter", "unshare", "mount", "taskset", "wg"]
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def why_not(build, script):
    """None, or why nothing can be measured here; script: what to call as root."""
    if os.geteuid() != 0:
        return f"needs root, for network namespaces: sudo {script}"
    path = (os.environ.get("PATH", "") + ":" + SYSTEM_PATH).split(":")
    missing = [name for name in PROGRAMS
               if not any(os.access(os.path.join(d, name), os.X_OK) for d in path)]
    if missing:
        return f"not installed: {', '.join(missing)}; make deps installs it"
    for program in ("wgdp", "bench/wgdp-bench"):
        if not os.access(os.path.join(build, program), os.X_OK):
            return f"{os.path.join(build, program)} is not there: make builds it"
    return None


class Place:
    """A context: everything in it is made for one turn, and removed after it."""

    def __init__(self, build, tester, gateway_cpu):
        self.build, self.tester, self.cpu = build, tester, gateway_cpu

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="wgdp-lab-")
        self.scratch = self.directory.name
        try:
            self.network = lab_network.Network(self.tester.cpu, self.cpu)
            self.network.__enter__()
        except BaseException:
            self.directory.cleanup()
            raise
        return self

    def __exit__(self, *exception):
        self.network.__exit__()
        self.directory.cleanup()
