"""Traffic that counts its losses: ping, a stream of pings, iperf3."""
import json
import re
import signal
import subprocess
import threading

from lib import process

PING_SECONDS = 0.05
PATIENT_PING_SECONDS = 0.5
LATE_SECONDS = 10
ANSWER = re.compile(r"icmp_seq=(\d+) ttl")
STATUS = re.compile(r"\d+/(\d+) packets, \d+% loss")
SUMMARY = re.compile(r"(\d+) packets transmitted, (\d+) received(?:, \+(\d+) duplicates)?")


def ping(namespace, to, count=5, size=56, extra=(), interval=PING_SECONDS):
    """All of count echo requests are answered, none twice, or Failed.

    After the last request ping waits for twice the longest round trip so far, or one interval: on
    a busy machine too short for a late answer. So it gets a second try, with a long interval."""
    try:
        ping_once(namespace, to, count, size, extra, interval)
    except process.Failed:
        if interval >= PATIENT_PING_SECONDS:
            raise
        ping_once(namespace, to, count, size, extra, PATIENT_PING_SECONDS)


def ping_once(namespace, to, count, size, extra, interval):
    result = namespace.run("ping", "-n", "-q", "-i", str(interval), "-c", str(count), "-W", "2",
                           "-s", str(size), *extra, to, check=False)
    sent, received, twice = summary(result.stdout)
    if received != count or twice:
        raise process.Failed(f"{namespace.name} pings {to}: {sent} sent, {received} received, "
                             f"{twice} twice\n{result.stdout}{result.stderr}")


def reaches(namespace, to, timeout=1):
    """Whether one echo request is answered."""
    return namespace.run("ping", "-n", "-q", "-c", "1", "-W", str(timeout), to,
                         check=False).returncode == 0


def wait_reachable(namespace, to, timeout=10):
    process.wait_until(lambda: reaches(namespace, to), f"{namespace.name} reaches {to}", timeout)


def summary(text):
    found = SUMMARY.search(text)
    if not found:
        return 0, 0, 0
    return int(found.group(1)), int(found.group(2)), int(found.group(3) or 0)


class PingStream:
    """Pings in the background. What was sent until stop() must have been answered by then, or while
    stop() waits; what is sent during that wait does not count."""

    def __init__(self, namespace, to, interval=0.1, size=56):
        self.label = f"{namespace.name} pings {to}"
        self.child = namespace.start("ping", "-n", "-i", str(interval), "-s", str(size), to,
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines = []
        self.answers = []       # sequence numbers, as they come
        self.status = None      # requests sent, when asked for
        self.result = None
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self.child.stdout:
            self.lines.append(line)
            answer = ANSWER.search(line)
            status = STATUS.search(line)
            if answer:
                self.answers.append(int(answer.group(1)))
            elif status:
                self.status = int(status.group(1))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stop()

    def stop(self):
        """(number sent, the lost ones, the number answered twice)."""
        if self.result is None:
            self.result = self._stop()
        return self.result

    def _stop(self):
        try:
            self.child.send_signal(signal.SIGQUIT)      # ping says how many it has sent
            process.wait_until(lambda: self.status is not None, "ping's status")
            process.wait_until(lambda: max(self.answers, default=0) >= self.status,
                               "late answers", LATE_SECONDS)
        except process.Failed:
            pass
        process.end(self.child, signal.SIGINT)
        self.reader.join()
        counted = [n for n in self.answers if n <= (self.status or 0)]
        lost = sorted(set(range(1, (self.status or 0) + 1)) - set(counted))
        return self.status or 0, lost, len(counted) - len(set(counted))

    def expect_no_loss(self, at_least=1):
        sent, lost, twice = self.stop()
        if sent < at_least or lost or twice:
            raise process.Failed(f"{self.label}: {sent} sent (at least {at_least} expected), "
                                 f"lost: {lost}, {twice} twice\n" + "".join(self.lines[-12:]))


def iperf3(server, client, address, seconds=3, port=5201, timeout=None, extra=()):
    """Runs both ends; returns iperf3's "end" object. extra: such as -u -b 20M, -R."""
    listener = server.start("iperf3", "--server", "--one-off", "--forceflush", "--port", str(port),
                            "--bind", address, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True)
    try:
        while True:
            line = listener.stdout.readline()
            if not line:
                raise process.Failed(f"iperf3 does not listen at {address}:{port}")
            if "Server listening" in line:
                break
        result = client.run("iperf3", "--client", address, "--port", str(port), "--json",
                            "--connect-timeout", "5000", "--time", str(seconds), *extra,
                            check=False, timeout=timeout or seconds + 30)
        try:
            report = json.loads(result.stdout)
        except ValueError:
            raise process.Failed(f"iperf3: {result.stdout}{result.stderr}") from None
        if "error" in report:
            raise process.Failed(f"iperf3: {report['error']}")
        return report["end"]
    finally:
        process.end(listener)
        listener.stdout.close()


def tcp_mbps(end):
    return end["sum_received"]["bits_per_second"] / 1e6


def udp_lost_percent(end):
    return end["sum"]["lost_percent"]
