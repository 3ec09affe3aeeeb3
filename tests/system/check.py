#!/usr/bin/python3
"""--check, and a start, against the machine: CPUs, memory, ports. Each error names its line and
says the same in both; nothing in Linux is changed; a gateway that runs is left alone."""
import glob
import json
import os
import re
import signal
import subprocess
import time

from lib import gateway, hugepages, keys, net, process, tap

CPUS = sorted(os.sched_getaffinity(0))
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
SOON_SECONDS = 60       # DPDK starts in one, a driver that hangs is given up after 15


class Machine:
    """A namespace with interfaces wan and lan, and configurations for it, one at a time."""

    def __init__(self, t):
        self.t = t
        self.gw = t.enter(net.Namespace("gateway"))
        self.peer = t.enter(net.Namespace("peer"))
        for name in ("wan", "lan"):
            net.link(self.gw, name, self.peer, f"{name}-peer")
        self.path = t.path("gw.yaml")
        self.socket = t.path("wgdp.sock")

    def write(self, text, rest=""):
        """Writes the file: text from its first line on."""
        with open(self.path, "w") as f:
            f.write(text.strip("\n") + "\n")
            for key, value in (("socket", self.socket), ("hugepages", "never")):
                if not re.search(f"^{key}:", text, re.MULTILINE):
                    f.write(f"{key}: {value}\n")
        os.chmod(self.path, 0o644)

    def run(self, *argv, prefix=()):
        return self.gw.run(*prefix, os.environ["WGDP"], *argv, "-c", self.path, check=False,
                           timeout=SOON_SECONDS)

    def check(self, **kwargs):
        return self.run("--check", **kwargs)

    def linux(self):
        """All that must be as before. Carrier comes and goes by itself after a change."""
        state = []
        for link in json.loads(self.gw.out("ip", "-d", "-j", "link")):
            flags = set(link["flags"]) - {"LOWER_UP", "NO-CARRIER"}
            state += [link["ifname"], link["mtu"], sorted(flags), link["promiscuity"],
                      link["allmulti"], link.get("address")]
        for name in ("wan", "lan"):
            state.append(self.gw.out("ethtool", "-k", name))
        state.append(self.gw.out("sh", "-c", "ls /run/wireguard /run/wgdp 2>&1 || true"))
        return state + sorted(os.listdir(self.t.scratch))


def errors_of(result):
    """Lines that are errors, without what a start adds to say that it is one, and without how much
    memory there was just then."""
    return [re.sub(r"\d+ MiB are available", "", line[len("wgdp: error: "):])
            for line in result.stderr.splitlines()
            if line.startswith("wgdp: error: ") and "not started" not in line]


def refused(t, m, label, text, line, *words, start=True):
    with t.case(f"{label}: an error of line {line}{', the same at start' if start else ''}"):
        m.write(text)
        before = m.linux()
        result = m.check()
        errors = errors_of(result)
        assert result.returncode == 1, result
        assert any(error.startswith(f"{m.path}:{line}: ") and all(word in error for word in words)
                   for error in errors), result
        assert "ok," not in result.stdout, result
        if start:
            started = m.run()
            assert started.returncode == 1, started
            assert errors_of(started)[:1] == errors[:1], (errors, started)
        assert m.linux() == before, (before, m.linux())


def ports(*devices):
    return "ports:\n" + "".join(f"  p{k}:\n    device: \"{device}\"\n"
                                for k, device in enumerate(devices))


def cpus(t, m):
    missing = max(CPUS) + 512
    last = max(CPUS)
    refused(t, m, "control on a CPU that does not exist", f"control: {missing}\n" + ports("wan"), 1,
            f"there is no CPU {missing}")
    refused(t, m, "a worker on a CPU that does not exist",
            f"workers: [{last}, {missing}]\n" + ports("wan"), 1, f"there is no CPU {missing}")
    refused(t, m, "more workers than CPUs", "workers: 127\n" + ports("wan"), 1, "127 are asked for",
            "or fewer")
    if len(CPUS) < 2:
        t.skip("a CPU for two", "needs two CPUs")
        return
    refused(t, m, "a worker on control's CPU",
            f"control: {last}\nworkers: [{last}]\nidle: poll\n" + ports("wan"), 2,
            "(line 1)", "idle: backoff")
    refused(t, m, "workers on all CPUs that poll",
            f"idle: poll\nworkers: {CPUS}\n" + ports("wan"), 2, "no CPU is left for the control")
    with t.case("a CPU that this process may not use"):
        m.write(f"workers: [{last}]\n" + ports("wan"))
        result = m.check(prefix=("taskset", "-c", str(CPUS[0])))
        assert result.returncode == 1, result
        assert f"{m.path}:1: workers: this process may not use CPU {last}" in result.stderr, result
    with t.case("workers by their number"):
        m.write(f"workers: {len(CPUS) - 1}\n" + ports("wan"))
        result = m.check()
        assert result.returncode == 0, result


def memory(t, m):
    refused(t, m, "packet buffers for which there is no memory",
            "packet-buffers: 4194304\n" + ports("wan") +
            "interfaces: {wg0: {mtu: 60000}}\n", 1, "packet-buffers: 4194304", "MiB",
            "ask for fewer")
    with t.case("too few hugepages: a warning that says how many, and they are enough"):
        m.write("hugepages: auto\n" + ports("wan"))
        with hugepages.Hugepages(0) as pages:
            result = m.check()
            if pages.free == 0:
                wanted = re.search(r"echo (\d+) >/proc/sys/vm/nr_hugepages", result.stderr)
                assert result.returncode == 0 and wanted, result
        if pages.free == 0:
            with hugepages.Hugepages(int(wanted.group(1))) as pages:
                if pages.free >= int(wanted.group(1)):
                    result = m.check()
                    assert result.returncode == 0 and "warning" not in result.stderr, result
                    assert hugepages.read("free_hugepages") == pages.free


def devices(t, m):
    refused(t, m, "an interface that does not exist", ports("wan", "nowhere0"), 5,
            "port p1: there is no network interface nowhere0")
    refused(t, m, "an interface that two ports use", ports("lan", "net_pcap0,iface=lan"), 5,
            "interface lan is port p0 already (line 3)")
    refused(t, m, "an interface of a vdev that does not exist",
            ports("net_af_xdp0,iface=nowhere0"), 3, "no network interface nowhere0")
    kinds = [kind for kind in ("vlan id 7", "macvlan", "ipvlan")
             if m.gw.run("ip", *f"link add link wan name small type {kind}".split(),
                         check=False).returncode == 0][:1]
    if kinds:
        refused(t, m, "an MTU that an interface does not take",
                "ports:\n  p0:\n    device: small\n    mtu: 9000\n", 4,
                "interface small does not take an MTU of 9000", "to 1500")
        m.gw.ip("link del small")
    else:
        t.skip("an MTU that an interface does not take",
               "this kernel has no VLANs, and veth takes all")
    refused(t, m, "an MTU that a DPDK device does not take",
            "ports:\n  p0: {device: net_memif0, mtu: 9000}\n", 2, "MTU of 9000", "at most 1500")
    refused(t, m, "a driver that is not there", ports("net_nonesuch0"), 3, "net_nonesuch0")
    refused(t, m, "arguments that a driver does not take", ports("net_memif0,role=nonsense"), 3,
            "net_memif0")
    refused(t, m, "a file of packets that is not there: DPDK would end the program",
            ports("net_pcap0,rx_pcap=/nowhere.pcap"), 3, "/nowhere.pcap",
            "No such file or directory")
    refused(t, m, "a file of packets that is none", ports(f"net_pcap0,rx_pcap={m.path}"), 3,
            "port p0")
    refused(t, m, "a PCI device that is not there", ports("0000:ff:1f.7"), 3,
            "there is no PCI device 0000:ff:1f.7")
    bound = [os.path.basename(path) for path in glob.glob("/sys/bus/pci/devices/*")
             if os.path.exists(f"{path}/driver") and
             os.path.basename(os.readlink(f"{path}/driver")) not in ("vfio-pci", "igb_uio",
                                                                     "uio_pci_generic")]
    if bound:
        driver = os.path.basename(os.readlink(f"/sys/bus/pci/devices/{bound[0]}/driver"))
        refused(t, m, "a PCI device that Linux has", ports(bound[0]), 3, driver,
                f"dpdk-devbind.py --bind=vfio-pci {bound[0]}")
    else:
        t.skip("a PCI device that Linux has", "this machine has no PCI device with a driver")


def several(t, m):
    with t.case("each port's error is told, and the good ones are described all the same"):
        m.write(ports("net_memif0,role=nonsense", "wan", "net_nonesuch1"))
        result = m.check()
        assert result.returncode == 1, result
        assert f"{m.path}:3: port p0" in result.stderr, result
        assert f"{m.path}:7: port p2" in result.stderr, result
        assert "port p1: wan" in result.stdout, result


def child_of(pid):
    """The process that a check has made, once there is one."""
    def look():
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            found = f.read().split()
        return int(found[0]) if found else None
    return process.wait_until(look, "the check's child", 20)


def bad_drivers(t, m):
    """net_pcap waits for a writer if it is to read a FIFO."""
    fifo = t.path("packets")
    os.mkfifo(fifo)
    m.write(ports(f"net_pcap0,rx_pcap={fifo}"))
    before = m.linux()

    def opens():
        """Starts a check that hangs in the driver; returns it and its child."""
        check = m.gw.start(os.environ["WGDP"], "--check", "-c", m.path, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True)
        child = child_of(check.pid)
        process.wait_until(lambda: "fifo" in read_quietly(f"/proc/{child}/wchan") or
                           "wait_for_partner" in read_quietly(f"/proc/{child}/wchan") or
                           "fifo_open" in read_quietly(f"/proc/{child}/stack"),
                           lambda: read_quietly(f"/proc/{child}/stack"), 20)
        return check, child

    with t.case("a driver that ends the program: an error, no crash"):
        check, child = opens()
        os.kill(child, signal.SIGABRT)
        _, text = check.communicate(timeout=20)
        assert check.returncode == 1, (check.returncode, text)
        assert f"{m.path}:3: port p0: " in text and "signal 6" in text, text
    with t.case("a driver that hangs: an error after some seconds, and nothing is left"):
        check, child = opens()
        started = time.monotonic()
        _, text = check.communicate(timeout=SOON_SECONDS)
        assert check.returncode == 1, (check.returncode, text)
        assert f"{m.path}:3: port p0: " in text and "did not come back" in text, text
        assert not os.path.exists(f"/proc/{child}"), "the child is still there"
        t.comment(f"given up after {time.monotonic() - started:.0f} s")
    assert m.linux() == before
    os.unlink(fifo)


def read_quietly(path):
    try:
        with open(path) as f:
            return f.read()
    except OSError:
        return ""


def good(t, m):
    m.gw.ip("link set wan mtu 1400 promisc on")
    m.gw.ip("link set lan down")
    m.write("ports:\n  p0: {device: wan, mtu: 1450}\n  p1: {device: lan}\n"
            "  p2: {device: net_null0}\n  p3: {device: net_tap0}\n"
            f"  p4: {{device: \"net_pcap0,rx_pcap=/dev/null,tx_pcap={t.path('sent')}\"}}\n")
    before = m.linux()
    with t.case("a good file: each port with its device, driver, node, queues, link, MTU, MAC"):
        result = m.check()
        assert result.returncode == 0, result
        assert "ok, 5 ports" in result.stdout, result
        line = next(line for line in result.stdout.splitlines() if line.startswith("port p0: "))
        for word in ("wan", "net_af_packet", "node", "queue", "link", "MTU 1450", m.gw.mac("wan")):
            assert word in line, (word, line)
    with t.case("what it lacks, and what that costs here"):
        lacks = re.findall(r"^port p0: lacks (\w+): (.*)$", result.stdout, re.MULTILINE)
        assert {"tx_udp_cksum", "tx_ipv4_cksum", "link_interrupt"} <= {name for name, _ in lacks}
        cycles = re.search(r": (\d+) TSC cycles for a packet of 1420 bytes$",
                           dict(lacks)["tx_udp_cksum"])
        assert cycles and 20 <= int(cycles.group(1)) <= 20000, lacks
    with t.case("what would make an interface or write a file is not opened, and that is told"):
        assert "port p3: net_tap0 was not opened" in result.stdout, result
        assert re.search("port p4: .*was not opened: it would overwrite", result.stdout), result
    with t.case("Linux is as before: MTU, state, promiscuous mode, offloads, files, hugepages"):
        assert m.linux() == before, (before, m.linux())
    m.gw.ip("link set wan mtu 1500 promisc off")
    m.gw.ip("link set lan up")


def bonds(t, m):
    with t.case("a bond of devices that need nothing is opened, one that makes interfaces is not"):
        m.write("ports:\n  p0: {device: \"net_bonding0,mode=1,slave=net_null0,slave=net_null1\"}\n"
                "  p1: {device: \"net_bonding1,mode=1,slave=(net_tap0,iface=x)\"}\n")
        result = m.check()
        assert result.returncode == 0, result
        assert re.search(r"^port p0: .*\(net_bonding\), .*link up", result.stdout, re.MULTILINE), \
            result
        assert re.search("port p1: .*was not opened: it would make an interface", result.stdout)
    with t.case("what is wrong with a bond or its members"):
        m.write("ports:\n  p0: {device: \"net_bonding0,mode=4,slave=net_null0\"}\n"
                "  p1: {device: \"net_bonding1,mode=1,slave=0000:ff:1f.7\"}\n")
        result = m.check()
        assert result.returncode == 1, result
        assert f"{m.path}:2: port p0: mode=4 (LACP)" in result.stderr, result
        assert f"{m.path}:3: port p1: there is no PCI device 0000:ff:1f.7" in result.stderr, result


def few_queues(t, m):
    if len(CPUS) < 2:
        t.skip("fewer queues than workers", "needs two CPUs")
        return
    with t.case("fewer queues than workers: who receives"):
        m.write(f"workers: {CPUS[:2]}\n" + ports("net_pcap0,iface=wan"))
        result = m.check()
        assert result.returncode == 0, result
        lack = re.search("^port p0: lacks rx_queues: .*$", result.stdout, re.MULTILINE)
        assert lack and re.search(r"\(CPU \d+ receives\)$", lack.group(0)), result
        assert "port p0: lacks tx_queues: " in result.stdout, result


def ordinary_user(t, m):
    m.write(ports("wan", "net_null0"))
    os.chmod(t.scratch, 0o755)
    if m.gw.run(*NOBODY, os.environ["WGDP"], "--version", check=False).returncode:
        t.skip("as an ordinary user", "the program cannot be run by another user where it lies")
        return
    with t.case("as an ordinary user: what can be is checked, what was not is told, exit status 0"):
        result = m.check(prefix=NOBODY)
        assert result.returncode == 0, result
        assert "not opened" in result.stdout and "root" in result.stdout, result
        assert "ok, 2 ports" in result.stdout, result
    with t.case("as an ordinary user: errors are errors"):
        m.write(ports("nowhere0"))
        result = m.check(prefix=NOBODY)
        assert result.returncode == 1 and f"{m.path}:3: port p0" in result.stderr, result


def beside_a_gateway(t, m):
    config = {"ports": {"wan": {"device": "wan"}, "lan": {"device": "lan"}},
              "interfaces": {"wg0": {"private-key-file": keys.Key().file(t.path("wg0.key"))}}}
    gw = t.enter(gateway.Gateway(t, m.gw, config))
    t.on_failure(gw.describe)
    before = m.linux()
    with t.case("beside the gateway that runs on it: its ports are left alone, and that is told"):
        result = m.gw.run(os.environ["WGDP"], "--check", "-c", gw.config_path, check=False)
        assert result.returncode == 0, result
        assert str(gw.child.pid) in result.stdout and "not opened" in result.stdout, result
        assert "ok, 2 ports" in result.stdout, result
    with t.case("beside it: what else is wrong is told"):
        gw.config["workers"] = [max(CPUS) + 512]
        gw.write()
        result = m.gw.run(os.environ["WGDP"], "--check", "-c", gw.config_path, check=False)
        assert result.returncode == 1 and "there is no CPU" in result.stderr, result
    with t.case("the gateway runs on"):
        assert m.linux() == before, (before, m.linux())
        shown = gw.rpc("show")["ports"][0]
        assert shown["link"] == "up"
    with t.case("it knows what its ports lack, too: in the log and in show ports"):
        assert "tx_udp_cksum" in shown["lacks"] and shown["rx_queues"] == \
            len(gateway.cpus_for_workers()), shown
        assert re.search("port wan: device wan lacks tx_udp_cksum", gw.log()), gw.log()
        assert re.search("^wan +tx_udp_cksum +", gw.cli("show", "ports"), re.MULTILINE)
        assert gw.child.poll() is None


def test(t):
    m = Machine(t)
    good(t, m)
    cpus(t, m)
    memory(t, m)
    devices(t, m)
    several(t, m)
    bad_drivers(t, m)
    bonds(t, m)
    few_queues(t, m)
    ordinary_user(t, m)
    beside_a_gateway(t, m)


tap.main(test)
