"""Hugepages for a test: some more while it runs, and as before afterwards. One test at a time."""
import fcntl

DIRECTORY = "/sys/kernel/mm/hugepages/hugepages-2048kB"
LOCK = "/tmp/wgdp-test-hugepages.lock"


def read(name):
    with open(f"{DIRECTORY}/{name}") as f:
        return int(f.read())


def write(count):
    with open(f"{DIRECTORY}/nr_hugepages", "w") as f:
        f.write(str(count))


class Hugepages:
    """A context in which `count` hugepages are free; 0: only keeps other tests from changing them.
    `free` tells how many there are: fewer than count if the kernel has no room for them."""

    def __init__(self, count):
        self.count = count
        self.free = 0

    def __enter__(self):
        self.lock = open(LOCK, "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.before = read("nr_hugepages")
        if self.count > read("free_hugepages"):
            write(self.before + self.count - read("free_hugepages"))
        self.free = read("free_hugepages")
        return self

    def __exit__(self, *exception):
        write(self.before)
        self.lock.close()
        return False


class Perhaps:
    """A context for programs that take hugepages if there are any, so that tests that count them
    are not in their way, nor they in theirs."""

    def __enter__(self):
        self.lock = open(LOCK, "w")
        fcntl.flock(self.lock, fcntl.LOCK_SH)
        return self

    def __exit__(self, *exception):
        self.lock.close()
        return False
