"""A small machine under QEMU's software emulation, which needs nothing of the hardware.

It boots a Linux of Debian's with an initramfs (vm_image.py), and does what it is told over a
virtio-serial port: commands, one at a time, with their output and exit status. Its NICs are taps
in the namespaces of a test. It ends with the test, even by SIGKILL, and the taps with it.
"""
import contextlib
import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import time

from lib import process, vm_image

QEMU = "qemu-system-x86_64"
BOOT_SECONDS = 120      # it takes 3 to 7 s on an idle machine
APPEND = "console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable no_timer_check"
TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI, IFF_MULTI_QUEUE = 0x0002, 0x1000, 0x0100


def why_not(modules, programs=()):
    """None, or why there can be no machine with these modules and programs."""
    if not shutil.which(QEMU):
        return f"{QEMU} is not installed (package qemu-system-x86)"
    if not vm_image.find_busybox():
        return "busybox is not installed (package busybox-static)"
    missing = [name for name in vm_image.ALWAYS_PROGRAMS + list(programs)
               if not shutil.which(name)]
    if missing:
        return "not installed: " + ", ".join(missing)
    if not vm_image.find_kernel(list(modules)):
        return (f"no kernel with the modules {', '.join(modules)} in "
                f"{' or '.join(vm_image.ROOTS)} (package linux-image-cloud-amd64: scripts/deps "
                "test unpacks it)")
    return None


def has_sanitizers():
    """Whether the wgdp under test is built with some."""
    libraries = process.run(["ldd", os.environ["WGDP"]]).stdout
    return re.search(r"lib[alut]san", libraries) is not None


def tap(namespace, name, queues=1):
    """A tap of a namespace, up; returns the descriptors of its queues. It vanishes with them.

    Without IFF_VNET_HDR: so both ends compute their checksums, as on a real cable."""
    flags = IFF_TAP | IFF_NO_PI | (IFF_MULTI_QUEUE if queues > 1 else 0)
    descriptors = []
    with namespace.inside():
        for _ in range(queues):
            descriptors.append(os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK))
            fcntl.ioctl(descriptors[-1], TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    namespace.ip(f"link set {name} up")
    return descriptors


class Nic:
    """An emulated PCI NIC, whose cable is a tap of a namespace, at 0000:00:SLOT.0; or, so that it
    can be pulled out, in a port at 0000:00:SLOT.0, where it is 0000:BUS:00.0."""

    def __init__(self, namespace, tap_name, slot, model="virtio-net-pci", queues=1, options=None,
                 bus=None):
        self.identity = f"nic{slot:x}"
        self.address = f"0000:00:{slot:02x}.0" if bus is None else f"0000:{bus:02x}:00.0"
        self.descriptors = tap(namespace, tap_name, queues)
        numbers = ":".join(str(descriptor) for descriptor in self.descriptors)
        self.device = {"driver": model, "id": f"{self.identity}-device", "netdev": self.identity,
                       "romfile": "", "mac": f"52:54:00:00:00:{slot:02x}", **(options or {})}
        if queues > 1:
            self.device.update(mq="on", vectors=str(2 * queues + 2))
        self.arguments = [
            "-netdev", f"tap,id={self.identity},{'fds' if queues > 1 else 'fd'}={numbers}"]
        if bus is None:
            self.device["addr"] = f"{slot:#x}"
        else:
            self.device["bus"] = f"{self.identity}-port"
            self.arguments += [
                "-device", f"pcie-root-port,id={self.identity}-port,chassis={slot},addr={slot:#x}"]
        self.arguments += ["-device", ",".join(f"{k}={v}" for k, v in self.device.items())]


class Machine:
    """A context: boots, and ends. `nics` belong to it from then on."""

    def __init__(self, t, modules, programs, copies=(), nics=(), memory_mb=256, cpus=1,
                 arguments=(), append="", name="machine"):
        self.t, self.name, self.nics = t, name, list(nics)
        self.kernel = vm_image.find_kernel(list(modules))
        self.initramfs = t.path(f"{name}.cpio")
        vm_image.build(self.initramfs, self.kernel, list(modules), list(programs), copies)
        self.console_path = t.path(f"{name}.console")
        self.options = ["-m", str(memory_mb), "-smp", str(cpus), *arguments]
        self.append = f"{APPEND} {append}"
        self.child = self.control = self.monitor = None
        self.received = b""
        self.commands = 0

    def __enter__(self):
        try:
            self._start()
            self._until(rb"ready\r?\n", BOOT_SECONDS)
            self.ask_monitor("qmp_capabilities")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception):
        if self.child is not None:
            self.child.kill()
            self.child.wait()
        for end in (self.control, self.monitor):
            if end is not None:
                end.close()

    def _start(self):
        """QEMU gets the taps and its ends of both sockets as descriptors, so it can run anywhere,
        and finds nothing that another one could have taken."""
        self.control, control = socket.socketpair()
        self.monitor, monitor = socket.socketpair()
        descriptors = [n for nic in self.nics for n in nic.descriptors]
        descriptors += [control.fileno(), monitor.fileno()]
        argv = [
            # Emulation takes what CPU there is: others that have packets to fetch go first.
            "nice", "-n", "5", QEMU, "-accel", "tcg", "-cpu", "max", "-machine", "q35",
            "-nodefaults", "-display", "none", "-no-reboot",
            "-kernel", self.kernel.image, "-initrd", self.initramfs,
            "-append", self.append, "-serial", f"file:{self.console_path}",
            # Not a second 16550: under emulation its interrupts get lost.
            "-device", "virtio-serial-pci", "-chardev", f"socket,id=control,fd={control.fileno()}",
            "-device", "virtserialport,chardev=control",
            "-chardev", f"socket,id=monitor,fd={monitor.fileno()}",
            "-mon", "chardev=monitor,mode=control", *self.options]
        for nic in self.nics:
            argv += nic.arguments
        with open(self.t.path(f"{self.name}.qemu"), "w") as log:
            self.child = process.start(argv, pass_fds=descriptors, stdout=log,
                                       stderr=subprocess.STDOUT)
        control.close()
        monitor.close()
        for nic in self.nics:
            for descriptor in nic.descriptors:
                os.close(descriptor)

    def describe(self):
        """For failed cases: what QEMU and the console said."""
        text = ""
        for path in (self.t.path(f"{self.name}.qemu"), self.console_path):
            if os.path.exists(path):
                with open(path, errors="replace") as f:
                    text += f"--- {os.path.basename(path)}\n" + "\n".join(
                        f.read().splitlines()[-25:]) + "\n"
        return text

    # ---- commands

    def _ended(self):
        """QEMU's end; by a fault of its own (seen: in its translator) it tells nothing of us."""
        status = self.child.wait(timeout=10)
        if status in (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGILL):
            raise process.Broken(f"QEMU crashed: {signal.Signals(-status).name}\n{self.describe()}")
        raise process.Failed(f"{self.name} has ended: {status}\n{self.describe()}")

    def _until(self, pattern, timeout):
        """What comes up to a pattern, and its match."""
        until = time.monotonic() + timeout
        while True:
            found = re.search(pattern, self.received)
            if found:
                before, self.received = (self.received[:found.start()],
                                         self.received[found.end():])
                return before.decode(errors="replace"), found
            if time.monotonic() > until:
                raise process.Failed(f"{self.name} does not answer within {timeout} s: "
                                     f"{self.received[-500:]}\n{self.describe()}")
            self.control.settimeout(1)
            with contextlib.suppress(TimeoutError):
                try:
                    got = self.control.recv(1 << 16)
                except ConnectionResetError:
                    got = b""
                if not got:
                    self._ended()
                self.received += got

    def shell(self, text, check=True, timeout=60):
        """Runs a shell command to the end; returns the CompletedProcess, stderr in its stdout."""
        self.commands += 1
        mark = f"@@{self.commands}"
        self.control.settimeout(timeout)
        try:
            self.control.sendall(
                f"timeout -s KILL {timeout} dash -c {shlex.quote(text)} </dev/null\n"
                f"echo '{mark}' $?@@\n".encode())
        except (BrokenPipeError, ConnectionResetError):
            self._ended()
        output, found = self._until(mark.encode() + rb" (\d+)@@\r?\n", timeout + 20)
        status = int(found.group(1))
        if check and status:
            raise process.Failed(f"{self.name}: {text}: exit status {status}\n{output}")
        return subprocess.CompletedProcess(text, status, output, "")

    def run(self, *argv, **kwargs):
        return self.shell(shlex.join(argv), **kwargs)

    def write(self, path, text):
        self.shell(f"umask 077; printf %s {shlex.quote(text)} >{shlex.quote(path)}")

    def namespace(self, name):
        return GuestNamespace(self, name)

    # ---- the monitor

    def ask_monitor(self, command, timeout=20, **arguments):
        """One command of QEMU's machine protocol; events come between the answers."""
        self.monitor.settimeout(timeout)
        with self.monitor.makefile("rwb", buffering=0) as stream:
            request = {"execute": command, "arguments": arguments}
            stream.write(json.dumps(request).encode() + b"\n")
            answer = {}
            while "return" not in answer and "error" not in answer:
                answer = json.loads(stream.readline())
        if "error" in answer:
            raise process.Failed(f"{command}: {answer['error']}")
        return answer["return"]

    def set_link(self, nic, up):
        self.ask_monitor("set_link", name=nic.identity, up=up)

    def pull_out(self, nic):
        """Asks for it, as a button beside the slot does; for the end: wait_pulled_out()."""
        self.ask_monitor("device_del", id=nic.device["id"])

    def wait_pulled_out(self, nic, timeout=20):
        def there():
            return nic.device["id"] in {
                entry["name"] for entry in self.ask_monitor("qom-list", path="/machine/peripheral")}

        process.wait_until(lambda: not there(), f"{self.name}: {nic.address} is out", timeout)

    def plug_in(self, nic):
        """Into its slot, again; returns when Linux has found it."""
        self.ask_monitor("device_add", **nic.device)
        process.wait_until(lambda: self.shell(f"[ -e /sys/bus/pci/devices/{nic.address} ]",
                                              check=False).returncode == 0,
                           f"{self.name}: {nic.address} is found")


class GuestNamespace:
    """A network namespace in a machine; as much of net.Namespace as traffic needs."""

    def __init__(self, machine, name):
        self.machine, self.name = machine, name
        machine.shell(f"ip netns add {name} && ip -n {name} link set lo up")

    def run(self, *argv, **kwargs):
        return self.machine.run("ip", "netns", "exec", self.name, *argv, **kwargs)

    def out(self, *argv, **kwargs):
        return self.run(*argv, **kwargs).stdout

    def ip(self, text):
        return self.machine.shell(f"ip -n {self.name} {text}").stdout
