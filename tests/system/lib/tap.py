"""A system test as a TAP producer: cases, skips with reasons, cleaning up whatever happens."""
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import traceback

from lib import process

NEEDED_PROGRAMS = ["ip", "nsenter", "unshare", "mount", "ping", "ethtool", "wg", "wireguard-go",
                   "iperf3"]


def broken(error):
    """Is it a process.Broken, or has one led to it?"""
    while error is not None and not isinstance(error, process.Broken):
        error = error.__cause__ or error.__context__
    return error is not None


class Tap:
    """Handed to a test's function. `scratch` is a directory of its own, removed at the end."""

    def __init__(self, scratch):
        self.scratch = scratch
        self.number = 0
        self.failures = 0
        self.exits = contextlib.ExitStack()
        self.diagnostics = []

    def begin_again(self):
        self.comment("from the beginning")
        self.exits = contextlib.ExitStack()
        self.diagnostics = []

    def _line(self, good, name, directive=""):
        self.number += 1
        self.failures += not good
        print(f"{'ok' if good else 'not ok'} {self.number} - {name}{directive}", flush=True)

    def comment(self, text):
        for line in str(text).splitlines():
            print(f"# {line}", flush=True)

    @contextlib.contextmanager
    def case(self, name):
        """One case: it fails if its body raises; the test goes on with the next one."""
        try:
            yield
        except Exception as error:
            if broken(error):
                raise
            self._line(False, name)
            self.comment(traceback.format_exc())
            self.diagnose()
        else:
            self._line(True, name)

    def skip(self, name, reason):
        self._line(True, name, f" # SKIP {reason}")

    def on_failure(self, describe):
        """describe() returns text that helps to understand a failed case."""
        self.diagnostics.append(describe)

    def diagnose(self):
        for describe in self.diagnostics:
            try:
                self.comment(describe())
            except Exception as error:
                self.comment(f"(no diagnosis: {error})")

    def enter(self, context):
        """Enters a context that is left when the test ends, the last one first."""
        return self.exits.enter_context(context)

    def path(self, name):
        return os.path.join(self.scratch, name)


def why_not_here():
    """None, or why system tests cannot run on this machine."""
    if os.geteuid() != 0:
        return "needs root for network namespaces"
    missing = [name for name in NEEDED_PROGRAMS if not shutil.which(name)]
    if missing:
        return "not installed: " + ", ".join(missing)
    if not os.path.exists("/dev/net/tun"):
        return "/dev/net/tun does not exist"
    try:
        with open("/dev/net/tun", "rb"):
            pass
    except OSError as error:
        return f"/dev/net/tun cannot be opened: {error.strerror}"
    probe = process.run(["unshare", "--net", "--mount", "true"], check=False)
    if probe.returncode:
        return "network namespaces are not permitted: " + probe.stderr.strip()
    for variable in ("WGDP", "WGDP_CLI"):
        if not os.access(os.environ.get(variable, ""), os.X_OK):
            return f"{variable} does not name a program"
    return None


def main(test):
    """Runs test(t), where t is a Tap, and exits."""
    os.environ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
    reason = why_not_here()
    if reason:
        print(f"1..0 # SKIP {reason}")
        sys.exit(0)

    def stop(number, frame):
        raise SystemExit(128 + number)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, stop)
    scratch = tempfile.mkdtemp(prefix="wgdp-test-")
    t = Tap(scratch)
    if not run(t, test, again=False):
        shutil.rmtree(scratch, ignore_errors=True)
        os.mkdir(scratch, 0o700)
        t.begin_again()
        run(t, test, again=True)
    shutil.rmtree(scratch, ignore_errors=True)
    print(f"1..{t.number}", flush=True)
    sys.exit(1 if t.failures else 0)


def run(t, test, again):
    """False: it broke, and has not been begun again yet."""
    broke = False
    try:
        test(t)
    except Exception as error:
        broke = broken(error) and not again
        if not broke:
            t._line(False, "set-up and course of the test")
        t.comment(traceback.format_exc())
        t.diagnose()
    finally:
        try:
            t.exits.close()
        except Exception:
            if not broke:
                t._line(False, "cleaning up")
            t.comment(traceback.format_exc())
    return not broke
