"""Networks: namespaces without names, joined by veth pairs and switches.

A namespace here is one for the network and one for mounts, with its own /run (where UAPI sockets
live) and /sys. A process holds it, and ends when this one does, even by SIGKILL; the kernel then
removes all that was in it. So nothing can collide, and nothing can be left behind.
"""
import contextlib
import ctypes
import os
import subprocess

from lib import process

CLONE_NEWNET = 0x40000000
HOLD = """
mount -t tmpfs tmpfs /run && mount -t sysfs sysfs /sys && mkdir /run/wireguard || exit 1
ip link set lo up
for where in all default; do
    echo 0 >/proc/sys/net/ipv6/conf/$where/accept_dad
    echo 0 >/proc/sys/net/ipv6/conf/$where/router_solicitations
done
echo ready
exec cat
"""


class Namespace:
    def __init__(self, name):
        self.name = name
        self.children = []
        self.holder = process.start(["unshare", "--net", "--mount", "sh", "-c", HOLD],
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, text=True)
        if self.holder.stdout.readline() != "ready\n":
            raise process.Failed(f"namespace {name}: {self.holder.stderr.read()}")
        self.pid = self.holder.pid

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for child in self.children:
            process.end(child)
        self.holder.kill()
        self.holder.wait()

    def command(self, argv):
        return ["nsenter", "-t", str(self.pid), "--net", "--mount", "--"] + list(argv)

    def run(self, *argv, **kwargs):
        return process.run(self.command(argv), **kwargs)

    def out(self, *argv, **kwargs):
        return self.run(*argv, **kwargs).stdout

    def start(self, *argv, **kwargs):
        """A child in the namespace, ended with it at the latest. Its pid is the program's own."""
        child = process.start(self.command(argv), **kwargs)
        self.children.append(child)
        return child

    def ip(self, text, **kwargs):
        return self.run("ip", *text.split(), **kwargs).stdout

    def sysctl(self, name, value):
        self.run("sh", "-c", f"echo {value} >/proc/sys/{name.replace('.', '/')}")

    def forward(self):
        """Makes Linux a router here, as the operator of a gateway does."""
        self.sysctl("net.ipv4.ip_forward", 1)
        self.sysctl("net.ipv6.conf.all.forwarding", 1)

    def address(self, device, *addresses):
        for address in addresses:
            nodad = " nodad" if ":" in address else ""
            self.ip(f"addr add {address} dev {device}{nodad}")

    def route(self, to, via, extra=""):
        self.ip(f"-{6 if ':' in to + via else 4} route replace {to} {via} {extra}")

    def mac(self, device):
        return self.out("cat", f"/sys/class/net/{device}/address").strip()

    def ifindex(self, device):
        return int(self.out("cat", f"/sys/class/net/{device}/ifindex"))

    @contextlib.contextmanager
    def inside(self):
        """What is opened in here by this thread (sockets) belongs to the namespace."""
        with open("/proc/self/ns/net") as home, open(f"/proc/{self.pid}/ns/net") as there:
            set_namespace(there)
            try:
                yield
            finally:
                set_namespace(home)


def set_namespace(file):
    if process.LIBC.setns(file.fileno(), CLONE_NEWNET):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def link(a, name_a, b, name_b, mtu=1500):
    """A cable: veth between two namespaces.

    No transmit offloads: Linux leaves checksums unfilled on veth, and whoever reads raw frames at
    the other end (a DPDK port) would take them for wrong ones.
    """
    process.run(["ip", "link", "add", "name", name_a, "mtu", str(mtu), "netns", str(a.pid),
                 "type", "veth", "peer", "name", name_b, "mtu", str(mtu), "netns", str(b.pid)])
    for namespace, name in ((a, name_a), (b, name_b)):
        namespace.run("ethtool", "-K", name, "tx", "off", check=False)
        namespace.ip(f"link set {name} up")


class Switch(Namespace):
    """A bridge in a namespace of its own; plug() adds a cable to it."""

    def __init__(self, name="switch"):
        super().__init__(name)
        self.ports = 0
        self.ip("link add br0 type bridge forward_delay 0 mcast_snooping 0")
        self.ip("link set br0 up")

    def plug(self, namespace, device, mtu=1500):
        self.ports += 1
        port = f"p{self.ports}"
        link(namespace, device, self, port, mtu)
        self.ip(f"link set {port} master br0")
        return port


def has_ipv6():
    return os.path.exists("/proc/sys/net/ipv6")
