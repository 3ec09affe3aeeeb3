"""What the tests of wgdp-bench share: running it, and TAP."""
import contextlib
import fcntl
import os
import subprocess
import sys

TIMEOUT_S = 50
# System tests that count free hugepages hold it alone (tests/system/lib/hugepages.py).
HUGEPAGES_LOCK = "/tmp/wgdp-test-hugepages.lock"


@contextlib.contextmanager
def hugepages_may_be_used():
    lock = os.open(HUGEPAGES_LOCK, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield
    finally:
        os.close(lock)


def run(*arguments):
    with hugepages_may_be_used():
        return subprocess.run([sys.argv[1], *arguments], capture_output=True, text=True,
                              timeout=TIMEOUT_S, check=False)


def expect_refusals(*lines):
    for arguments in lines:
        done = run(*arguments)
        assert done.returncode == 1 and done.stderr and not done.stdout, (arguments, done)


def go(tests):
    print(f"1..{len(tests)}")
    for number, test in enumerate(tests, 1):
        try:
            test()
            print(f"ok {number} - {test.__name__}")
        except (AssertionError, KeyError, OSError, ValueError, subprocess.TimeoutExpired) as error:
            print(f"not ok {number} - {test.__name__}")
            print(f"# {error!r}"[:2000].replace("\n", " "))
