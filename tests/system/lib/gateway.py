"""The gateway under test: wgdp in a namespace, its configuration, its counters."""
import json
import os
import re
import signal
import socket
import subprocess
import time

from lib import keys, process, wggo

START_SECONDS = 30      # a sanitizer build on a busy machine
STOP_SECONDS = 15
SANITIZER = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|SUMMARY: \w+Sanitizer")
# Losses that honest traffic must not have. Others (no_session after a restart, staged_full) depend
# on the case.
UNHEALTHY = ["bad_tag", "replay", "source_not_allowed", "inner_malformed", "seal_failed",
             "bad_message", "bad_udp", "bad_ip_header", "control_full", "no_buffers"]


def to_yaml(value, indent=0):
    """YAML in block style, lists of scalars in flow style; enough for configurations."""
    pad = "  " * indent
    lines = []
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, dict) or (isinstance(item, list) and item and
                                          isinstance(item[0], dict)):
                lines.append(f"{pad}{key}:")
                lines.append(to_yaml(item, indent + 1))
            else:
                lines.append(f"{pad}{key}: {scalar(item)}")
    else:
        for item in value:
            text = to_yaml(item, indent + 1)
            lines.append(pad + "- " + text.lstrip())
    return "\n".join(lines)


def scalar(value):
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(scalar(item) for item in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return f'"{text}"' if re.search(r"[:#\[\]{}, ]", text) else text


class Refused(Exception):
    """The daemon answered a request with an error."""

    def __init__(self, error):
        super().__init__(error.get("message", ""))
        self.error = error


class Gateway:
    """One wgdp. `config` is what its YAML says; socket and test defaults are filled in."""

    def __init__(self, t, namespace, config, name="gateway"):
        self.t, self.namespace, self.name = t, namespace, name
        self.directory = t.path(name)
        os.makedirs(self.directory, exist_ok=True)
        self.socket_path = os.path.join(self.directory, "wgdp.sock")
        self.config_path = os.path.join(self.directory, "gateway.yaml")
        self.log_path = os.path.join(self.directory, "log")
        self.config = {"control": 0, "workers": cpus_for_workers(), "idle": "backoff",
                       "hugepages": "never", "socket": self.socket_path, **config}
        self.child = None
        self.write()

    # ---- configuration

    def write(self, path=None):
        """Writes the configuration file anew; returns its path."""
        path = path or self.config_path
        with open(path, "w") as f:
            f.write(to_yaml(self.config) + "\n")
        return path

    def key_file(self, name, text):
        """A secret beside the configuration; returns the name to write into the YAML."""
        keys.write_secret(os.path.join(self.directory, name), text)
        return name

    # ---- life

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exception):
        if self.child is not None and self.child.poll() is None:
            status = process.end(self.child, timeout=STOP_SECONDS)
            if status and not exception[0]:
                raise process.Failed(f"wgdp ended with {status}\n{self.log()[-3000:]}")
        if SANITIZER.search(self.log()):
            raise process.Failed(f"a sanitizer complained\n{self.log()[-6000:]}")

    def spawn(self):
        """Starts it without waiting."""
        log = open(self.log_path, "a")
        with log:
            self.child = self.namespace.start(os.environ["WGDP"], "-c", self.config_path,
                                              stdout=log, stderr=subprocess.STDOUT)

    def start(self):
        self.spawn()
        process.wait_until(self.answers, lambda: f"wgdp answers: {self.log()[-3000:]}",
                           START_SECONDS)

    def answers(self):
        if self.child.poll() is not None:
            raise process.Failed(f"wgdp ended with {self.child.returncode}\n{self.log()[-3000:]}")
        return self.run_cli("show").returncode == 0

    def stop(self):
        """SIGTERM; returns the exit status."""
        return process.end(self.child, timeout=STOP_SECONDS)

    def kill(self):
        process.end(self.child, signal.SIGKILL)

    def log(self):
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def describe(self):
        """For failed cases: the end of the log, peers, counters that moved."""
        text = f"--- log of {self.name}\n" + "\n".join(self.log().splitlines()[-25:])
        if self.child is None or self.child.poll() is not None:
            return text + f"\n(it has ended: {self.child and self.child.returncode})"
        for argv in (["show", "peers"], ["counters"]):
            text += f"\n--- wgdp-cli {' '.join(argv)}\n" + self.run_cli(*argv).stdout
        return text

    # ---- the operator's tools

    def run_cli(self, *argv):
        return process.run([os.environ["WGDP_CLI"], "-s", self.socket_path, *argv], check=False)

    def cli(self, *argv):
        result = self.run_cli(*argv)
        if result.returncode:
            raise process.Failed(f"wgdp-cli {' '.join(argv)}: exit status {result.returncode}: "
                                 f"{result.stdout}{result.stderr}")
        return result.stdout

    def cli_json(self, *argv):
        return json.loads(self.cli("--json", *argv))

    def rpc(self, method, **params):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(20)
            s.connect(self.socket_path)
            request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            s.sendall(json.dumps(request).encode() + b"\n")
            answer = b""
            while not answer.endswith(b"\n"):
                piece = s.recv(1 << 16)
                if not piece:
                    raise process.Failed(f"{method}: the daemon hung up after {answer!r}")
                answer += piece
        reply = json.loads(answer)
        if "error" in reply:
            raise Refused(reply["error"])
        return reply["result"]

    def load(self):
        """Writes the configuration and has it applied; returns the edits."""
        return self.rpc("load", path=self.write())["edits"]

    def wg(self, *argv, **kwargs):
        """The wg tool on the gateway's UAPI sockets."""
        return self.namespace.out("wg", *argv, **kwargs)

    def wg_peer(self, public_key, interface="wg0"):
        return wggo.dump_peers(self.wg("show", interface, "dump"))[public_key]

    # ---- what it says

    def peers(self, **params):
        """All peers, by public key."""
        found, after = {}, {}
        while True:
            page = self.rpc("peers", **params, **after)
            for peer in page["peers"]:
                found[peer["public_key"]] = peer
            if not page["more"]:
                return found
            after = {"after": page["peers"][-1]["public_key"]}

    def peer(self, public_key):
        return self.peers()[public_key]

    def counters(self):
        return self.rpc("counters")

    def drops(self):
        """{reason: number} of the whole gateway."""
        return self.counters()["totals"]["drops"]

    def verdicts(self):
        return self.counters()["handshakes"]

    def imbalance(self):
        """What came and was made, less what became of it: 0 when nothing is in flight."""
        counters = self.counters()
        total = counters["totals"]
        came = total["rx"] + total["from_linux"] + total["made"]
        ended = total["tx"] + total["punt"] + total["consumed"] + sum(total["drops"].values())
        return came - ended - counters["staged"]

    def expect_conserved(self, timeout=10):
        """Every packet ended once: holds as soon as the network is quiet for a moment."""
        seen = []
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            seen.append(self.imbalance())
            if seen[-1] == 0:
                return
            time.sleep(process.POLL_SECONDS)
        raise process.Failed(f"packets are not conserved: off by {seen[-5:]}\n"
                             f"{json.dumps(self.counters()['totals'])}")

    def expect_healthy(self, but=()):
        """No drop that honest traffic cannot cause, but the named ones."""
        drops = self.drops()
        bad = {name: drops[name] for name in UNHEALTHY if drops.get(name) and name not in but}
        if bad:
            raise process.Failed(f"drops: {bad}")

    def wait_session(self, public_key, timeout=15):
        """Waits until a peer has a session; returns the peer."""
        def check():
            peer = self.peer(public_key)
            return peer if peer["session"] == "current" else None
        return process.wait_until(check, f"a session with {public_key}", timeout)

    def wait_drop(self, reason, more_than, timeout=5):
        return process.wait_until(lambda: self.drops()[reason] > more_than,
                                  lambda: f"{reason} moves: {self.drops()}", timeout)


def cpus_for_workers():
    """The last CPUs that there are, so not the control thread's if there are enough. How many says
    WGDP_TEST_WORKERS, by default two; on a machine with fewer CPUs, as many as there are."""
    wanted = int(os.environ.get("WGDP_TEST_WORKERS", "2"))
    return sorted(os.sched_getaffinity(0))[-wanted:]
