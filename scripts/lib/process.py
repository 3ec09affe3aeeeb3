"""Child processes, and waiting for conditions instead of sleeping."""
import ctypes
import signal
import subprocess
import time

POLL_SECONDS = 0.02
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


class Broken(Exception):
    """What a test stands on has broken, not what it tests: it is begun again, once."""


class Failed(Exception):
    """A command, or what was waited for, did not do what it should."""


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run(argv, check=True, timeout=60, stdin=None):
    """Runs to the end; returns the CompletedProcess with text; raises Failed unless check=False."""
    result = subprocess.run(argv, input=stdin or "", capture_output=True, text=True,
                            errors="replace", timeout=timeout, preexec_fn=die_with_parent)
    if check and result.returncode:
        raise Failed(f"{' '.join(argv)}: exit status {result.returncode}\n"
                     f"{result.stdout}{result.stderr}")
    return result


def start(argv, **kwargs):
    """A child that is killed if this process dies."""
    kwargs.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.Popen(argv, preexec_fn=die_with_parent, **kwargs)


def end(child, number=signal.SIGTERM, timeout=10):
    """Ends a child by a signal, by SIGKILL if it takes too long; returns its exit status."""
    if child.poll() is None:
        child.send_signal(number)
        try:
            child.wait(timeout)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    return child.returncode


def wait_until(condition, what, timeout=10):
    """Calls condition() until it returns something true, and returns that."""
    until = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > until:
            raise Failed(f"after {timeout} s, not yet: {what() if callable(what) else what}")
        time.sleep(POLL_SECONDS)


def stays(condition, what, seconds):
    """The opposite: condition() must hold for a while, when the point is that nothing happens."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not condition():
            raise Failed(f"did not stay for {seconds} s: {what}")
        time.sleep(POLL_SECONDS)


def let_pass(seconds, why):
    """Time itself is the condition, where the protocol says so; why is for the reader."""
    time.sleep(seconds)
