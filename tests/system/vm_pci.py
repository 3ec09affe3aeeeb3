#!/usr/bin/python3
"""wgdp on PCI NICs that DPDK drives: in a small machine under QEMU, with emulated NICs of two
makers, between wireguard-go outside and a host behind it."""
from lib import net, packets, process, scene, tap, traffic, trunk, vm, vm_gateway, wggo

NO_DEVICE = "0000:00:1e.0"
# Of each port: where its cable ends in the gateway's namespace, and its addresses.
CABLES = {"outside": "wan", "inside": "lan", "spare": "spare"}
SPARE4, HOST_SPARE4 = "10.3.0.1", "10.3.0.2"
ADDRESSES = {"outside": [f"{scene.WAN4}/24", f"{scene.WAN6}/64"],
             "inside": [f"{scene.LAN4}/24", f"{scene.LAN6}/64"],
             "spare": [f"{SPARE4}/24"]}
VLANS = {"outside": 100, "inside": 200, "spare": 300}
VIRTIO = {"iommu_platform": "on", "disable-legacy": "on"}
INNER_MTU, JUMBO_INNER_MTU, JUMBO_MTU = 1420, 8920, 9000
TCP_SECONDS = 2
STREAMS = 4
FLOWS = 32
UDP_DISCARD = 9
START_SECONDS = 20
DRIVERS = {"e1000e": "net_e1000_em", "virtio": "net_virtio"}
CPUS = 3
# (side, make): the slot, and how the NIC is made. Those outside can be pulled out.
NICS = {("outside", "e1000e"): (4, {"model": "e1000e", "bus": 1}),
        ("outside", "virtio"): (5, {"options": VIRTIO, "queues": 2, "bus": 2}),
        ("inside", "virtio"): (6, {"options": VIRTIO, "queues": 2}),
        ("inside", "e1000e"): (7, {"model": "e1000e"})}


def make_nics(s):
    """In the gateway's namespace there is no gateway: only what joins the cables to the machine's
    NICs, bridges or trunks."""
    net.link(s.gw, "spare", s.host, "spare")
    s.host.address("spare", f"{HOST_SPARE4}/24")
    for cable in CABLES.values():
        s.gw.ip(f"addr flush dev {cable}")
        s.gw.ip(f"link add br-{cable} type bridge forward_delay 0 mcast_snooping 0")
        s.gw.ip(f"link set br-{cable} up")
    return {key: vm.Nic(s.gw, f"tap{slot}", slot, **options)
            for key, (slot, options) in NICS.items()}


def unplug(s):
    """To NICs that are not in use frames would come as soon as they are."""
    for slot, _ in NICS.values():
        s.gw.ip(f"link set tap{slot} nomaster")
    for cable in CABLES.values():
        s.gw.ip(f"link set {cable} nomaster")


def plug(s, ports):
    unplug(s)
    for port, key in ports.items():
        for device in (CABLES[port], f"tap{NICS[key][0]}"):
            s.gw.ip(f"link set {device} master br-{CABLES[port]}")


def plug_trunks(s, ports):
    """Cables end in VLANs of the NICs. Returns what does that, to be ended."""
    unplug(s)
    trunks = []
    for key in set(ports.values()):
        access = {VLANS[port]: CABLES[port] for port in ports if ports[port] == key}
        tap_name = f"tap{NICS[key][0]}"
        for device in [tap_name, *access.values()]:
            s.gw.sysctl(f"net.ipv6.conf.{device}.disable_ipv6", 1)
        for cable in access.values():
            s.gw.run("ethtool", "-K", cable, "gro", "off")
        trunks.append(trunk.start(s.gw, tap_name, access))
    return trunks


def make_jumbo(s):
    """All that is between the hosts and the NICs, and the clients' tunnels."""
    devices = [(s.gw, [*CABLES.values(), *(f"tap{slot}" for slot, _ in NICS.values())]),
               (s.host, ["eth0"]), (s.switch, [f"p{n + 1}" for n in range(s.switch.ports)]),
               *((client, ["eth0"]) for client in s.clients.values())]
    for namespace, names in devices:
        for name in names:
            namespace.ip(f"link set {name} mtu {JUMBO_MTU}")
    for client in s.clients.values():
        client.ip(f"link set wg0 mtu {JUMBO_INNER_MTU}")


def gateway(t, s, machine, ports, inner_mtu=INNER_MTU, workers=(1,), **more):
    """The usual gateway, not started. ports: what the YAML says of them, but the addresses."""
    config = s.config([s.peer_config(1), s.peer_config(2, endpoint=wggo.bracket(
        scene.outer6(2), scene.PORT))], mtu=inner_mtu)
    config["ports"] = {name: {**port, "addresses": ADDRESSES[name]} for name, port in ports.items()}
    config.update({"workers": list(workers), "packet-buffers": 10240, **more})
    t.diagnostics.clear()       # of those before
    gw = vm_gateway.MachineGateway(t, machine, config)
    t.on_failure(machine.describe)
    t.on_failure(gw.describe)
    return gw


def check(machine, gw):
    return machine.run("wgdp", "--check", "-c", gw.config_path, check=False)


def refused(t, s, machine, nics):
    """Nothing of them is worth a start of the daemon of its own: --check does the same."""
    for label, nic, wanted in (
            ("that Linux drives", nics["outside", "virtio"].address,
             ["is driven by Linux's virtio-pci", "vfio-pci"]),
            # Debian's cloud kernel has none.
            ("without a driver", nics["outside", "e1000e"].address,
             ["is without a driver", "vfio-pci"]),
            ("that does not exist", NO_DEVICE, ["there is no PCI device", "lspci"])):
        with t.case(f"a NIC {label} is refused, with what to do"):
            gw = gateway(t, s, machine, {"outside": {"device": nic}})
            checked = check(machine, gw)
            assert checked.returncode, checked
            for text in [nic, *wanted]:
                assert text in checked.stdout, checked
    with t.case("so is a start"):
        gw.spawn()
        process.wait_until(lambda: gw.child.poll() is not None, "the end", 60)
        assert gw.child.poll() and "there is no PCI device" in gw.log(), gw.log()


def pings(t, s, label, inner_mtu):
    for number, client in s.clients.items():
        with t.case(f"{label}: client{number}, both ways, both families, {inner_mtu} bytes inside"):
            # Client 2 can't initiate.
            for inner, host in ((scene.inner4(number), scene.HOST4),
                                (scene.inner6(number), scene.HOST6)):
                origin, to = (client, host) if number == 1 else (s.host, inner)
                traffic.wait_reachable(origin, to, START_SECONDS)
                size = inner_mtu - (48 if ":" in host else 28)
                traffic.ping(client, host, size=size, extra=["-M", "do"])
                traffic.ping(s.host, inner, size=size, extra=["-M", "do"])
                traffic.ping(client, host)
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


def wait_outside(gw, link):
    def now():
        return {port["name"]: port for port in gw.rpc("show")["ports"]}["outside"]["link"]

    process.wait_until(lambda: now() == link, lambda: f"outside is {link}: {now()}", 20)


def cable(t, gw, machine, nic, client):
    with t.case("a cable that is pulled is seen, and traffic goes on when it is back"):
        machine.set_link(nic, False)
        wait_outside(gw, "down")
        assert not traffic.reaches(client, scene.HOST4)
        machine.set_link(nic, True)
        wait_outside(gw, "up")
        traffic.wait_reachable(client, scene.HOST4, 20)


def pulled_out(t, s, gw, machine, nic, setting):
    """The NIC outside, out of its slot and in again; then the operator binds it, as at first."""
    host, client = s.host, s.clients[1]
    with traffic.PingStream(client, scene.HOST4, interval=0.02), \
            traffic.PingStream(host, scene.inner4(1), interval=0.02):
        with t.case(f"{setting.label}: the NIC outside is pulled out, the port inside works"):
            # Without this Linux forgets the neighbour, as it always does with the link.
            machine.shell(f"ip neigh change {scene.outer4(1)} dev outside nud permanent")
            before = gw.drops()["link_down"]
            machine.pull_out(nic)
            wait_outside(gw, "gone")
            machine.wait_pulled_out(nic)
            gw.wait_drop("link_down", before + 10)
            traffic.ping(host, scene.LAN4)
            assert f"port outside: device {nic.address} has gone" in gw.log(), gw.log()
        with t.case(f"{setting.label}: it is plugged in and bound again, and works"):
            machine.plug_in(nic)
            vm_gateway.bind(machine, nic, setting.driver)
            wait_outside(gw, "up")
            for origin, to in ((client, scene.HOST4), (host, scene.inner4(1))):
                traffic.wait_reachable(origin, to, START_SECONDS)
                traffic.ping(origin, to)


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
    """A gateway whose ports are these NICs: {port: (side, make)}."""

    def __init__(self, label, driver, ports, vlans=False, mtu=None, **more):
        self.label, self.driver, self.ports = label, driver, ports
        self.vlans, self.mtu, self.more = vlans, mtu, more
        self.trunks = []

    def config(self, nics):
        ports = {port: {"device": nics[key].address} for port, key in self.ports.items()}
        for name, port in ports.items():
            if self.vlans:
                port["vlan"] = VLANS[name]
            if self.mtu:
                port["mtu"] = self.mtu
        return ports

    def prepare(self, t, s, machine, nics, peers):
        """Returns the gateway, to be entered. What the others know of the one before is out of
        date: its MACs, and their sessions."""
        for key in set(self.ports.values()):
            vm_gateway.bind(machine, nics[key], self.driver)
        if self.vlans:
            self.trunks = plug_trunks(s, self.ports)
        else:
            plug(s, self.ports)
        for namespace in [s.host, *s.clients.values()]:
            namespace.ip("neigh flush all")
        for number, peer in peers.items():
            peer.remove_peer(s.key.text)
            peer.set_peer(s.key.text, allowed_ips=scene.INNER_NETWORKS,
                          endpoint=wggo.bracket(scene.WAN4, scene.PORT) if number == 1 else None)
        self.others = {nics[key].address for key in nics if key not in self.ports.values()}
        return gateway(t, s, machine, self.config(nics), **self.more)

    def shown(self, t, gw):
        shown(t, gw, self.label, {port: DRIVERS[make] for port, (_, make) in self.ports.items()})
        with t.case(f"{self.label}: NICs that are no ports are left alone"):
            assert not [address for address in self.others if address in gw.log()], gw.log()

    def end(self, t, gw):
        ended(t, gw, self.label)
        for child in self.trunks:
            process.end(child)


def e1000e_and_virtio(t, s, machine, nics, peers):
    setting = Setting("e1000e outside, virtio inside, vfio-pci", "vfio-pci",
                      {"outside": ("outside", "e1000e"), "inside": ("inside", "virtio")})
    gw = setting.prepare(t, s, machine, nics, peers)
    with t.case("--check says what the NICs lack"):
        checked = check(machine, gw)
        t.comment(checked.stdout)
        assert checked.returncode == 0, checked
        assert "port inside: lacks tx_udp_cksum" in checked.stdout, checked
    with gw:
        pings(t, s, setting.label, INNER_MTU)
        transfer(t, s, setting.label)
        setting.shown(t, gw)
        cable(t, gw, machine, nics["outside", "e1000e"], s.clients[1])
        pulled_out(t, s, gw, machine, nics["outside", "e1000e"], setting)
        setting.end(t, gw)
    given_back(t, machine, nics["inside", "virtio"])


def vlans(t, s, machine, nics, peers):
    """virtio's: QEMU drops frames of VLANs that it has not been told of."""
    trunk_nic, other = ("outside", "e1000e"), ("outside", "virtio")
    setting = Setting("VLANs, two on an e1000e, one on virtio", "vfio-pci",
                      {"outside": trunk_nic, "inside": trunk_nic, "spare": other}, vlans=True)
    with setting.prepare(t, s, machine, nics, peers) as gw:
        pings(t, s, setting.label, INNER_MTU)
        with t.case(f"{setting.label}: the one on virtio"):
            traffic.wait_reachable(s.host, SPARE4)
            traffic.ping(s.host, SPARE4)
        setting.shown(t, gw)
        setting.end(t, gw)


def virtio_and_e1000e(t, s, machine, nics, peers):
    make_jumbo(s)
    setting = Setting("virtio outside, e1000e inside, uio_pci_generic, two workers",
                      "uio_pci_generic",
                      {"outside": ("outside", "virtio"), "inside": ("inside", "e1000e")},
                      mtu=JUMBO_MTU, inner_mtu=JUMBO_INNER_MTU, hugepages="auto", workers=[1, 2])
    with setting.prepare(t, s, machine, nics, peers) as gw:
        pings(t, s, setting.label, JUMBO_INNER_MTU)
        transfer(t, s, setting.label, STREAMS)
        setting.shown(t, gw)
        with t.case("two workers share the one queue that an e1000e has"):
            wait_shares(s, gw)
            t.comment(gw.cli("show"))
        with t.case("with hugepages"):
            assert gw.rpc("show")["memory"] == "hugepages", gw.rpc("show")
        pulled_out(t, s, gw, machine, nics["outside", "virtio"], setting)
        setting.end(t, gw)


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
    for part in (e1000e_and_virtio, vlans, virtio_and_e1000e):
        part(t, s, machine, nics, peers)


tap.main(test)
