"""wgdp inside a small machine (vm.py), on its emulated NICs: the same program, with the plugins of
DPDK that it needs there, and the same face to a test as a gateway on this one."""
import glob
import json
import os
import shlex
import subprocess

from lib import gateway, process, vm

# DPDK loads every plugin there is; these are enough.
PLUGINS = ["bus_pci", "bus_vdev", "mempool_ring", "mempool_stack", "net_e1000", "net_virtio",
           "net_af_packet"]
PLUGIN_PATTERN = "/usr/lib/*/dpdk/pmds-*/librte_{}.so.*.*"
MODULES = ["virtio_net", "vfio-pci", "vfio_iommu_type1", "uio_pci_generic", "tun"]
PROGRAMS = ["ip", "ping", "iperf3"]
# An IOMMU, so that vfio-pci works; pt: what uio_pci_generic drives does without it.
MACHINE = ["-machine", "q35,kernel-irqchip=split",
           "-device", "intel-iommu,intremap=on,device-iotlb=on"]
APPEND = "intel_iommu=on iommu=pt"
HUGEPAGES = 192
METHODS = {"show": ["show"], "peers": ["show", "peers"], "counters": ["counters"]}


def why_not(modules=(), programs=()):
    reason = vm.why_not(MODULES + list(modules), PROGRAMS + list(programs))
    if reason:
        return reason
    missing = [name for name in PLUGINS if not glob.glob(PLUGIN_PATTERN.format(name))]
    if missing:
        return f"no DPDK plugins {', '.join(missing)} in {PLUGIN_PATTERN.format('*')}"
    if vm.has_sanitizers():
        return "under emulation a build with sanitizers is too slow"
    return None


def boot(t, nics, cpus, modules=(), programs=()):
    copies = [(os.environ["WGDP"], "/usr/bin/wgdp"), (os.environ["WGDP_CLI"], "/usr/bin/wgdp-cli")]
    for name in PLUGINS:
        copies += [(path, None) for path in glob.glob(PLUGIN_PATTERN.format(name))]
    machine = vm.Machine(t, MODULES + list(modules), PROGRAMS + list(programs), copies, nics,
                         memory_mb=768, cpus=cpus, arguments=MACHINE,
                         append=f"{APPEND} hugepages={HUGEPAGES}")
    t.enter(machine)
    # IPv6 addresses of its ports work at once.
    machine.shell("for i in all default; do echo 0 >/proc/sys/net/ipv6/conf/$i/accept_dad; done")
    return machine


def bind(machine, nic, driver):
    """Has a NIC driven by this driver of Linux; DPDK needs vfio-pci or uio_pci_generic. If the NIC
    is new another driver may come first."""
    device = f"/sys/bus/pci/devices/{nic.address}"
    machine.shell(
        f"until [ $(basename $(readlink {device}/driver) none) = {driver} ]; do\n"
        f"if [ -e {device}/driver ]; then echo {nic.address} >{device}/driver/unbind; fi\n"
        f"echo {driver} >{device}/driver_override\n"
        f"echo {nic.address} >/sys/bus/pci/drivers_probe; done", timeout=20)


class Child:
    """A program in the machine's background, as process.end() wants it."""

    def __init__(self, machine, argv, directory, log):
        self.machine, self.returncode = machine, None
        self.pid_path, self.status_path = f"{directory}/pid", f"{directory}/status"
        machine.shell(
            f"cd {directory}; rm -f status\n"
            f"(dash -c 'echo $$ >pid; exec \"$@\"' - {shlex.join(argv)}; echo $? >status.new\n"
            f"mv status.new status) >>{log} 2>&1 &\n"
            f"until [ -s pid ]; do sleep 0.02; done")

    def poll(self):
        if self.returncode is None:
            text = self.machine.shell(f"cat {self.status_path}", check=False)
            if text.returncode == 0:
                self.returncode = int(text.stdout)
        return self.returncode

    def wait(self, timeout=60):
        try:
            process.wait_until(lambda: self.poll() is not None, "its end", timeout)
        except process.Failed:
            raise subprocess.TimeoutExpired("wgdp", timeout) from None

    def send_signal(self, number):
        self.machine.shell(f"kill -{int(number)} $(cat {self.pid_path})")

    def kill(self):
        self.send_signal(9)


class MachineGateway(gateway.Gateway):
    """Its files have the same names here and there; secrets beside them are copied, too."""

    def __init__(self, t, machine, config, name="gateway"):
        self.machine = machine
        machine.shell(f"rm -rf {t.path(name)}; mkdir -p {t.path(name)}")
        super().__init__(t, machine, config, name)

    def write(self, path=None):
        path = super().write(path)
        secrets = [os.path.join(self.t.scratch, entry) for entry in os.listdir(self.t.scratch)
                   if entry.endswith((".key", ".psk"))]
        for file in [path] + secrets:
            with open(file) as f:
                self.machine.write(file, f.read())
        return path

    def spawn(self):
        self.child = Child(self.machine, ["wgdp", "-c", self.config_path], self.directory,
                           self.log_path)

    def log(self):
        return self.machine.run("cat", self.log_path, check=False).stdout

    def describe(self):
        return super().describe() + "--- ip\n" + self.machine.shell(
            "ip addr; ip neigh; ip -6 neigh; ip route; ip -6 route", check=False).stdout

    def run_cli(self, *argv):
        return self.machine.run("wgdp-cli", "-s", self.socket_path, *argv, check=False)

    def rpc(self, method, **params):
        """What wgdp-cli asks for, as there is no other way to the socket."""
        return {"more": False, **json.loads(self.cli("--json", *METHODS[method]))}
