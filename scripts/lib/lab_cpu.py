"""CPU time of a gateway, as Linux counts it.

Two counts, because neither is all. That of the gateway's process (utime + stime of all its threads,
/proc/PID/stat) is exact, but there is none of a gateway inside Linux. How long its CPU was not idle
(/proc/stat: all the time but idle, iowait and steal) has interrupts, softirqs and kernel threads in
it, and everything else that happens to run there. They are not added up: on most kernels a softirq
that interrupts a process is in the time of both.
"""
import contextlib
import os
import resource
import time

TICKS = os.sysconf("SC_CLK_TCK")
IDLE, IOWAIT, SOFTIRQ, STEAL = 3, 4, 6, 7       # of the columns after "cpuN" in /proc/stat
LOOK_SECONDS = 0.5
FREE_HUGEPAGES = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"


def process_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def columns(cpus):
    """The sums over these CPUs of /proc/stat's columns, in seconds."""
    sums = [0.0] * 10
    with open("/proc/stat") as f:
        for line in f:
            name, *numbers = line.split()
            if name in {f"cpu{cpu}" for cpu in cpus}:
                sums = [have + int(n) / TICKS for have, n in zip(sums, numbers)]
    return sums


def waited_for_seconds():
    """Of our children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Meter:
    """From its making on: of a gateway's process, or None, and of the CPUs where it works.

    One inside Linux works on all CPUs, the tester's too: there the time of the children that have
    ended meanwhile, which is the tester's, is taken off."""

    def __init__(self, pid, cpus):
        self.pid, self.cpus = pid, cpus
        self.started = time.monotonic()
        self.before, self.process, self.others = columns(cpus), self._process(), self._others()

    def _process(self):
        return process_seconds(self.pid) if self.pid else 0.0

    def _others(self):
        return 0.0 if self.pid else waited_for_seconds()

    def read(self):
        """Seconds since then: {"wall", "process" (None inside Linux), "cpu", "softirq"}."""
        wall = time.monotonic() - self.started
        now = [after - before for after, before in zip(columns(self.cpus), self.before)]
        busy = wall * len(self.cpus) - now[IDLE] - now[IOWAIT] - now[STEAL]
        return {"wall": wall, "process": self._process() - self.process if self.pid else None,
                "cpu": max(0.0, busy - (self._others() - self.others)), "softirq": now[SOFTIRQ]}


def busy_share(cpu):
    """How much of a CPU something takes now."""
    meter = Meter(os.getpid(), [cpu])
    time.sleep(LOOK_SECONDS)
    seen = meter.read()
    return min(1.0, seen["cpu"] / seen["wall"])


def free_hugepages():
    """Of 2 MiB."""
    with contextlib.suppress(OSError), open(FREE_HUGEPAGES) as f:
        return int(f.read())
    return 0


def pick():
    """(tester's, gateway's): the last two CPUs that may be used, as the first has most interrupts;
    one for both if there is no other."""
    cpus = sorted(os.sched_getaffinity(0))
    return cpus[-1], cpus[-2] if len(cpus) > 1 else cpus[-1]
