#!/usr/bin/python3
"""wgdp on PCI NICs that DPDK drives: in a small machine under QEMU, with emulated NICs of two
makers, between wireguard-go outside and a host behind it."""
from lib import packets, process, scene, tap, traffic, trunk, vm, vm_gateway, wggo

NO_DEVICE = "0000:00:1e.0"
ADDRESSES = {"outside": [f"{scene.WAN4}/24", f"{scene.WAN6}/64"],
             "inside": [f"{scene.LAN4}/24", f"{scene.LAN6}/64"]}
VLANS = {"outside": 100, "inside": 200}
VIRTIO = "iommu_platform=on,disable-legacy=on"
FULL_MTU_4, FULL_MTU_6 = 1420 - 28, 1420 - 48
TCP_SECONDS = 2
STREAMS = 4
FLOWS = 32
UDP_DISCARD = 9
START_SECONDS = 20
DRIVERS = {"e1000e": "net_e1000_em", "virtio": "net_virtio"}
CPUS = 3
# (side, make): the cable, the slot, and how the NIC is made
NICS = {("outside", "e1000e"): ("wan", 4, {"model": "e1000e"}),
        ("outside", "virtio"): ("wan", 5, {"options": VIRTIO, "queues": 2}),
        ("inside", "virtio"): ("lan", 6, {"options": VIRTIO, "queues": 2}),
        ("inside", "e1000e"): ("lan", 7, {"model": "e1000e"})}


def make_nics(s):
    """In the gateway's namespace there is no gateway: only bridges, which join the cables to the
    machine's NICs."""
    for cable in ("wan", "lan"):
        s.gw.ip(f"addr flush dev {cable}")
        s.gw.ip(f"link add br-{cable} type bridge forward_delay 0 mcast_snooping 0")
        s.gw.ip(f"link set br-{cable} up")
        s.gw.ip(f"link set {cable} master br-{cable}")
    return {key: vm.Nic(s.gw, f"tap{slot}", slot, **options)
            for key, (_, slot, options) in NICS.items()}


def plug(s, makes):
    """Only the NICs that are in use: to others frames would come as soon as they are."""
    for (side, make), (cable, slot, _) in NICS.items():
        used = f"master br-{cable}" if makes[side] == make else "nomaster"
        s.gw.ip(f"link set tap{slot} {used}")


def plug_trunk(s, make):
    """Both cables end in one NIC outside, each in its VLAN."""
    plug(s, {"outside": None, "inside": None})
    tap_name = f"tap{NICS['outside', make][1]}"
    s.gw.sysctl(f"net.ipv6.conf.{tap_name}.disable_ipv6", 1)
    for cable in ("wan", "lan"):
        s.gw.ip(f"link set {cable} nomaster")
        s.gw.sysctl(f"net.ipv6.conf.{cable}.disable_ipv6", 1)
        s.gw.run("ethtool", "-K", cable, "gro", "off")
    trunk.start(s.gw, tap_name, {VLANS["outside"]: "wan", VLANS["inside"]: "lan"})


def gateway(t, s, machine, nics, workers=(1,), vlans=False, **more):
    """The usual gateway on these NICs, not started."""
    config = s.config([s.peer_config(1), s.peer_config(2, endpoint=wggo.bracket(
        scene.outer6(2), scene.PORT))])
    config["ports"] = {name: {"device": nic if isinstance(nic, str) else nic.address,
                              "addresses": ADDRESSES[name]} for name, nic in nics.items()}
    for name in nics if vlans else ():
        config["ports"][name]["vlan"] = VLANS[name]
    config.update({"workers": list(workers), "packet-buffers": 8192, **more})
    t.diagnostics.clear()       # of those before
    gw = vm_gateway.MachineGateway(t, machine, config)
    t.on_failure(machine.describe)
    t.on_failure(gw.describe)
    return gw


def check(machine, gw):
    return machine.run("wgdp", "--check", "-c", gw.config_path, check=False)


def refused(t, s, machine, nics):
    def refuse(outside, wanted):
        gw = gateway(t, s, machine, {"outside": outside, "inside": nics["inside", "virtio"]})
        checked = check(machine, gw)
        gw.spawn()
        process.wait_until(lambda: gw.child.poll() is not None, "the end", 60)
        assert checked.returncode and gw.child.poll(), (checked, gw.log())
        for text in wanted:
            assert text in checked.stdout and text in gw.log(), (checked, gw.log())

    with t.case("a NIC that Linux drives is refused, with what to do"):
        nic = nics["outside", "virtio"]
        refuse(nic, [f"PCI device {nic.address} is driven by Linux's virtio-pci", "vfio-pci"])
    with t.case("so is one without a driver"):
        nic = nics["outside", "e1000e"]     # Debian's cloud kernel has none
        refuse(nic, [f"PCI device {nic.address} is without a driver", "vfio-pci"])
    with t.case("and one that does not exist"):
        refuse(NO_DEVICE, [f"there is no PCI device {NO_DEVICE}", "lspci"])


def pings(t, s, label):
    for number, client in s.clients.items():
        with t.case(f"{label}: client{number}, both ways, both families inside, up to the MTU"):
            # Client 2 can't initiate. IPv6: only after duplicate address detection.
            for inner, host in ((scene.inner4(number), scene.HOST4),
                                (scene.inner6(number), scene.HOST6)):
                origin, to = (client, host) if number == 1 else (s.host, inner)
                traffic.wait_reachable(origin, to, START_SECONDS)
            for size4, size6 in ((56, 56), (FULL_MTU_4, FULL_MTU_6)):
                traffic.ping(client, scene.HOST4, size=size4, extra=["-M", "do"])
                traffic.ping(client, scene.HOST6, size=size6, extra=["-M", "do"])
                traffic.ping(s.host, scene.inner4(number), size=size4, extra=["-M", "do"])
                traffic.ping(s.host, scene.inner6(number), size=size6, extra=["-M", "do"])
            traffic.ping(client, scene.TUNNEL4)


def transfer(t, s, label, streams=1):
    for extra, way in (([], "to the host"), (["-R"], "from the host")):
        with t.case(f"{label}: TCP {way}"):
            end = traffic.iperf3(s.host, s.clients[1], scene.HOST4, TCP_SECONDS,
                                 extra=["-P", str(streams), *extra])
            t.comment(f"{traffic.tcp_mbps(end):.0f} Mb/s")
            assert end["sum_received"]["bytes"] > 1e5, end


def shown(t, gw, label, drivers):
    with t.case(f"{label}: the tools show the ports and what went through them"):
        ports = {port["name"]: port for port in gw.rpc("show")["ports"]}
        assert {name: port["driver"] for name, port in ports.items()} == drivers, ports
        assert all(port["link"] == "up" for port in ports.values()), ports
        assert "outside" in gw.cli("show") and "client1" in gw.cli("show", "peers")
        counters = gw.counters()["ports"]
        for name in drivers:
            assert counters[name]["rx"] > 0 and counters[name]["tx"] > 0, counters


def cable(t, gw, machine, nic, client):
    def link():
        return {port["name"]: port for port in gw.rpc("show")["ports"]}["outside"]["link"]

    with t.case("a cable that is pulled is seen, and traffic goes on when it is back"):
        machine.set_link(nic, False)
        process.wait_until(lambda: link() == "down", "the port is down")
        assert not traffic.reaches(client, scene.HOST4)
        machine.set_link(nic, True)
        process.wait_until(lambda: link() == "up", "the port is up")
        traffic.wait_reachable(client, scene.HOST4, 20)


def wait_shares(s, gw):
    """Each of two workers sends some of many flows."""
    def sent():
        return [worker["tx"] for worker in gw.counters()["workers"]]

    for _ in range(FLOWS):
        with packets.UdpSocket(s.host, scene.HOST4) as sender:
            sender.send(b"x", (scene.inner4(1), UDP_DISCARD))
    process.wait_until(lambda: len(sent()) == 2 and min(sent()) > 0,
                       lambda: f"both send: {sent()}")


def ended(t, gw, label):
    with t.case(f"{label}: no drop that honest traffic cannot cause, every packet ended once"):
        gw.expect_healthy()
        gw.expect_conserved()
    with t.case(f"{label}: wgdp-cli stop ends it"):
        gw.cli("stop")
        process.wait_until(lambda: gw.child.poll() is not None, "the end", 20)
        assert gw.child.poll() == 0, gw.log()


def given_back(t, machine, nic):
    with t.case("afterwards Linux can drive the NIC"):
        vm_gateway.bind(machine, nic, "virtio-pci")
        device = machine.shell(f"ls /sys/bus/pci/devices/{nic.address}/virtio*/net").stdout.strip()
        machine.shell(f"ip link set {device} up")
        process.wait_until(lambda: "LOWER_UP" in machine.run("ip", "link", "show", device).stdout,
                           "its link is up")
        machine.shell(f"ip link set {device} down")


class Setting:
    """A gateway on two of the NICs, one outside and one inside, or on one with VLANs."""

    def __init__(self, outside, inside, driver, vlans=False, **more):
        self.makes = {"outside": outside, "inside": inside}
        self.driver, self.vlans, self.more = driver, vlans, more
        self.label = f"{outside} with VLANs, {driver}" if vlans else \
            f"{outside} outside, {inside} inside, {driver}"

    def start(self, t, s, machine, nics, peers):
        """Returns it, to be entered. What the others know of the gateway before is out of date:
        its MACs, and their sessions."""
        own = {name: nics["outside" if self.vlans else name, make]
               for name, make in self.makes.items()}
        for nic in own.values():
            vm_gateway.bind(machine, nic, self.driver)
        if self.vlans:
            plug_trunk(s, self.makes["outside"])
        else:
            plug(s, self.makes)
        for namespace in [s.host, *s.clients.values()]:
            namespace.ip("neigh flush all")
        for number, peer in peers.items():
            peer.remove_peer(s.key.text)
            peer.set_peer(s.key.text, allowed_ips=scene.INNER_NETWORKS,
                          endpoint=wggo.bracket(scene.WAN4, scene.PORT) if number == 1 else None)
        self.others = {nic.address for nic in nics.values()} - {nic.address for nic in own.values()}
        return gateway(t, s, machine, own, vlans=self.vlans, **self.more)

    def traffic(self, t, s, gw, streams=1):
        pings(t, s, self.label)
        transfer(t, s, self.label, streams)
        shown(t, gw, self.label, {name: DRIVERS[make] for name, make in self.makes.items()})
        with t.case(f"{self.label}: NICs that are no ports are left alone"):
            assert not [address for address in self.others if address in gw.log()], gw.log()


def test(t):
    reason = vm_gateway.why_not()
    if reason:
        t.skip("ports that are PCI devices", reason)
        return
    s = scene.Scene(t, clients=2, forward=False)
    nics = make_nics(s)
    machine = vm_gateway.boot(t, nics.values(), CPUS)
    refused(t, s, machine, nics)
    peers = {1: s.wireguard_go(1), 2: s.wireguard_go(2, outer=6, endpoint=False)}

    setting = Setting("e1000e", "virtio", "vfio-pci")
    gw = setting.start(t, s, machine, nics, peers)
    with t.case("--check says what the NICs lack"):
        checked = check(machine, gw)
        t.comment(checked.stdout)
        assert checked.returncode == 0, checked
    with gw:
        setting.traffic(t, s, gw)
        cable(t, gw, machine, nics["outside", "e1000e"], s.clients[1])
        ended(t, gw, setting.label)
    given_back(t, machine, nics["inside", "virtio"])

    setting = Setting("virtio", "e1000e", "uio_pci_generic", hugepages="auto", workers=[1, 2])
    with setting.start(t, s, machine, nics, peers) as gw:
        setting.traffic(t, s, gw, STREAMS)
        with t.case("two workers share the one queue that an e1000e has"):
            wait_shares(s, gw)
            t.comment(gw.cli("show"))
        with t.case("with hugepages"):
            assert gw.rpc("show")["memory"] == "hugepages", gw.rpc("show")
        ended(t, gw, setting.label)

    setting = Setting("e1000e", "e1000e", "vfio-pci", vlans=True)
    with setting.start(t, s, machine, nics, peers) as gw:
        setting.traffic(t, s, gw)
        ended(t, gw, setting.label)


tap.main(test)
