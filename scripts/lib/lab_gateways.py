"""The gateways that lab.py compares.

Each is made for one turn, started in a network of its own, and configured with what the tester says
it needs. Each has one CPU for all that it does.
"""
import os
import shutil
import subprocess

from lib import lab_network, process

START_SECONDS, STOP_SECONDS = 20, 10
CLI_TIMEOUT_SECONDS = 20
LOG_CHARACTERS = 2000
SETTINGS = """# Written by lab.py: one CPU for everything, and asleep when nothing comes.
control: {cpu}
workers: [{cpu}]
idle: backoff
socket: {socket}
"""


class Gateway:
    """What they have in common. `place` has what they are started with: network, scratch directory,
    directory of the build, CPU, and the tester, whose configurations they take."""

    linux_ports = True      # Linux hands the packets over: its work for that is the gateway's, too

    def __init__(self, place):
        self.place = place
        self.child = None
        self.log_path = os.path.join(place.scratch, f"{self.name}.log")

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception):
        if self.child:
            process.end(self.child, timeout=STOP_SECONDS)

    @property
    def pid(self):
        return self.child.pid if self.child else None

    @classmethod
    def why_not(cls, place):
        """None, or why it cannot run here."""
        return None

    def cpus(self):
        """Where it works."""
        return [self.place.cpu]

    def devices(self):
        """(outside, inside) of the tester."""
        return lab_network.TESTER_OUTSIDE, lab_network.TESTER_INSIDE

    def spawn(self, *argv, **environment):
        with open(self.log_path, "w") as log:
            self.child = self.place.network.gateway.start(
                "env", *(f"{name}={value}" for name, value in environment.items()),
                "taskset", "-c", str(self.place.cpu), *argv, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True)

    def log_tail(self):
        """For messages: the end of what it has said."""
        if not os.path.exists(self.log_path):
            return f"({self.name} has no log)"
        with open(self.log_path, errors="replace") as f:
            return f"the log of {self.name}:\n{f.read()[-LOG_CHARACTERS:].strip()}"

    def wait(self, answers):
        def up():
            if self.child.poll() is not None:
                raise process.Failed(f"{self.name} has ended; {self.log_tail()}")
            return answers()
        process.wait_until(up, lambda: f"{self.name} answers; {self.log_tail()}", START_SECONDS)

    def file(self, name, text):
        path = os.path.join(self.place.scratch, name)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            f.write(text)
        return path


class Wgdp(Gateway):
    name = "wgdp"
    what = "wgdp on the cables, net_af_packet"

    @classmethod
    def version(cls, build):
        return process.run([os.path.join(build, "wgdp"), "--version"]).stdout.strip()

    def ports(self):
        """`device:` of the gateway's outside and inside."""
        return lab_network.OUTSIDE, lab_network.INSIDE

    def start(self):
        socket = os.path.join(self.place.scratch, "wgdp.sock")
        key = self.file("gateway.key", self.place.tester.config("key"))
        outside, inside = self.ports()
        path = self.file("wgdp.yaml", SETTINGS.format(cpu=self.place.cpu, socket=socket) +
                         self.place.tester.config("wgdp", config_outside=outside,
                                                  config_inside=inside, private_key_file=key))
        self.spawn(os.path.join(self.place.build, "wgdp"), "-c", path)
        cli = os.path.join(self.place.build, "cli", "wgdp-cli")
        self.wait(lambda: process.run([cli, "-s", socket, "show"], check=False,
                                      timeout=CLI_TIMEOUT_SECONDS).returncode == 0)


class WgdpVhost(Wgdp):
    """In shared memory. vhost is wgdp's end: its end copies the packets (from and to the memory of
    the other), so the copying is in its CPU time, and the tester may come and go."""

    name = "wgdp-vhost"
    what = "wgdp with vhost to the tester's virtio-user, without Linux in between"
    linux_ports = False

    def _socket(self, number):
        return os.path.join(self.place.scratch, f"vhost{number}.sock")

    def ports(self):
        return tuple(f"net_vhost{n},iface={self._socket(n)}" for n in (0, 1))

    def devices(self):
        return tuple(f"net_virtio_user{n},path={self._socket(n)}" for n in (0, 1))


class WireGuardGo(Gateway):
    name = "wireguard-go"
    what = "wireguard-go, forwarding by Linux"
    interface = "wg0"

    @classmethod
    def why_not(cls, place):
        return None if shutil.which("wireguard-go") else "wireguard-go is not installed (make deps)"

    @classmethod
    def version(cls, build):
        text = process.run(["wireguard-go", "--version"], check=False).stdout
        return text.splitlines()[0].strip() if text else "unknown"

    def start(self):
        namespace = self.place.network.gateway
        self.spawn("wireguard-go", "-f", self.interface, WG_PROCESS_FOREGROUND=1)
        self.wait(lambda: namespace.run("wg", "show", self.interface, check=False).returncode == 0)
        self.configure()

    def configure(self):
        peers = self.file("wg.conf", self.place.tester.config("wg"))
        script = self.file("linux.sh", self.place.tester.config("linux"))
        self.place.network.gateway.run(
            "env", f"OUTSIDE={lab_network.OUTSIDE}", f"INSIDE={lab_network.INSIDE}",
            f"WG_CONF={peers}", "sh", "-e", script)


class Kernel(WireGuardGo):
    """Its work queues are on every CPU, whatever anybody says, so the tester's too."""

    name = "kernel"
    what = "WireGuard in Linux, on all CPUs, forwarding by Linux"

    @classmethod
    def why_not(cls, place):
        return None if lab_network.kernel_has_wireguard(place.network.gateway) else \
            f"this kernel ({os.uname().release}) has no WireGuard"

    @classmethod
    def version(cls, build):
        return os.uname().release

    def cpus(self):
        return range(os.cpu_count())

    def start(self):
        self.place.network.gateway.ip(f"link add {self.interface} type wireguard")
        self.configure()


KINDS = {kind.name: kind for kind in (Wgdp, WireGuardGo, Kernel, WgdpVhost)}
