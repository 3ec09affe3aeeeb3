#!/usr/bin/python3
"""VLANs: one device of DPDK's own that is the outside port by one VLAN and the inside port by
another, as with a gateway on one cable to a switch. The device is net_tap; a program of this test
is the switch, so that no VLANs of the kernel are needed. Then a Linux interface with `vlan`, whose
face is the kernel's VLAN interface where the kernel has such, and else a clear error."""
from lib import gateway, process, scene, tap, traffic, trunk

OUTSIDE, INSIDE, NOBODYS = 100, 200, 300
TRUNK = "trunk0"
PORTS = {"outside": (OUTSIDE, "wan", scene.WAN4, scene.WAN6),
         "inside": (INSIDE, "lan", scene.LAN4, scene.LAN6)}
ARP = bytes.fromhex("ffffffffffff" "020909090909" "0806" "0001080006040001" "020909090909"
                    "0a010002" "000000000000" "0a010001")


def config_of(s):
    config = s.config()
    config["ports"] = {name: {"device": f"net_tap0,iface={TRUNK}", "vlan": vlan,
                              "addresses": [f"{address4}/24", f"{address6}/64"]}
                       for name, (vlan, _, address4, address6) in PORTS.items()}
    return config


def start_trunk(s):
    """The untagged cables of the scene become VLANs of the trunk."""
    for _, device, _, _ in PORTS.values():
        s.gw.ip(f"addr flush dev {device}")
        s.gw.sysctl(f"net.ipv6.conf.{device}.disable_ipv6", 1)
        s.gw.run("ethtool", "-K", device, "gro", "off", check=False)
    s.gw.sysctl(f"net.ipv6.conf.{TRUNK}.disable_ipv6", 1)
    s.gw.ip(f"link set {TRUNK} up")
    trunk.start(s.gw, TRUNK, {vlan: device for vlan, device, _, _ in PORTS.values()})


def one_device(t):
    s = scene.Scene(t, clients=2)
    gw = s.start(config_of(s))
    start_trunk(s)
    with t.case("both ports are the one device, and each has a face of its own in Linux"):
        ports = {port["name"]: port for port in gw.rpc("show")["ports"]}
        assert {p["device"] for p in ports.values()} == {f"net_tap0,iface={TRUNK}"}, ports
        assert {n: p["vlan"] for n, p in ports.items()} == {"outside": OUTSIDE, "inside": INSIDE}
        assert {n: p["linux_interface"] for n, p in ports.items()} == {n: n for n in PORTS}, ports
    with t.case("ARP, neighbour discovery and ICMP are Linux's, in their VLAN"):
        traffic.wait_reachable(s.clients[1], scene.WAN4)
        traffic.wait_reachable(s.clients[1], scene.WAN6)
        traffic.wait_reachable(s.host, scene.LAN4)
        traffic.ping(s.gw, scene.outer4(1))
        traffic.ping(s.gw, scene.HOST6)
    s.wireguard_go(1)
    s.wireguard_go(2, outer=6)
    with t.case("tunnels, in both directions, over both families"):
        traffic.wait_reachable(s.clients[1], scene.HOST4)
        traffic.wait_reachable(s.clients[2], scene.HOST6)
        for number, client in s.clients.items():
            traffic.ping(client, scene.HOST4)
            traffic.ping(client, scene.HOST6)
            traffic.ping(s.host, scene.inner4(number))
            traffic.ping(client, scene.TUNNEL4)
        traffic.ping(s.clients[1], scene.inner4(2))
    with t.case("packets greater than the tunnel's MTU, and those that fragment outside"):
        traffic.ping(s.host, scene.inner4(1), count=2, size=3000, extra=["-M", "dont"])
        traffic.ping(s.clients[1], scene.HOST4, count=2, size=3000, extra=["-M", "dont"])
    with t.case("TCP through the tunnel"):
        end = traffic.iperf3(s.host, s.clients[1], scene.HOST4, 2)
        t.comment(f"{traffic.tcp_mbps(end):.0f} Mb/s")
    with t.case("frames of a VLAN that is nobody's, and without a tag, are dropped and counted"):
        before = gw.drops()["other_vlan"]
        with s.gw.inside():
            by_hand = trunk.raw_socket(TRUNK)
        by_hand.send(trunk.tagged(ARP, NOBODYS))
        by_hand.send(ARP)
        gw.wait_drop("other_vlan", before + 1)
        by_hand.close()
    with t.case("each port counts its own packets"):
        ports = gw.counters()["ports"]
        assert all(ports[name][way] > 50 for name in PORTS for way in ("rx", "tx")), ports
    with t.case("no drop that honest traffic cannot cause, and every packet ended once"):
        gw.expect_healthy()
        gw.expect_conserved()
    with t.case("after the end nothing of it is left in Linux"):
        assert gw.stop() == 0, gw.log()[-2000:]
        for name in (*PORTS, TRUNK):
            assert s.gw.run("ip", "link", "show", name, check=False).returncode != 0, name


def shared_device(t):
    """One Linux interface with two ports: itself, and a VLAN of it."""
    s = scene.Scene(t, clients=1)
    config = s.config()
    config["ports"]["dmz"] = {"device": "lan", "vlan": 42, "addresses": ["10.42.0.1/24"]}
    probe = s.gw.run("ip", "link", "add", "link", "lan", "name", "probe", "type", "vlan", "id",
                     "7", check=False)
    if probe.returncode:
        with t.case("Linux without VLANs: an error that says what to do"):
            refused = gateway.Gateway(t, s.gw, config, "refused")
            try:
                refused.start()
            except process.Failed as failed:
                assert "port dmz" in str(failed) and "modprobe 8021q" in str(failed), failed
            else:
                refused.stop()
                raise AssertionError("it has started")
        t.skip("a VLAN interface of Linux as a port", f"no VLANs here: {probe.stderr.strip()}")
        return
    s.gw.ip("link del probe")
    gw = s.start(config)
    with t.case("a VLAN interface with the port's name is made, and goes with wgdp"):
        assert "id 42" in s.gw.ip("-d link show dmz")
        traffic.wait_reachable(s.host, scene.LAN4)
        assert gw.stop() == 0
        assert s.gw.run("ip", "link", "show", "dmz", check=False).returncode != 0
    s.gw.ip("link add link lan name other type vlan id 42")
    gw.start()
    with t.case("one that is there is taken, whatever its name, and stays"):
        ports = {port["name"]: port for port in gw.rpc("show")["ports"]}
        assert ports["dmz"]["linux_interface"] == "other", ports
        assert gw.stop() == 0
        s.gw.ip("link show other")


def test(t):
    one_device(t)
    shared_device(t)


tap.main(test)
