#!/usr/bin/python3
"""VLANs of a Linux interface as ports, in a small machine whose kernel has VLANs: all of the
network is in there, wgdp in its first namespace, a client with Linux's WireGuard behind a trunk,
a host behind the gateway.

    client: wg1, trunk.100 -- trunk [gateway] lan -- eth0 host
"""
from lib import keys, process, scene, tap, traffic, vm_gateway, wggo

MODULES = ["veth", "8021q", "wireguard"]
PROGRAMS = ["wg", "ethtool"]
OUTSIDE, UNTAGGED4, CLIENT_UNTAGGED4 = 100, "10.9.0.1", "10.9.0.2"
TCP_SECONDS = 2
FULL_MTU_4, FULL_MTU_6 = 1420 - 28, 1420 - 48
NETWORK = f"""
set -e
for n in client host; do ip netns add $n; ip -n $n link set lo up; done
ip link add trunk type veth peer name trunk netns client
ip link add lan type veth peer name eth0 netns host
ip netns exec client ethtool -K trunk tx off >/dev/null
ip netns exec host ethtool -K eth0 tx off >/dev/null
for i in trunk lan; do ip link set $i up; done
ip -n client link set trunk up
ip -n client link add link trunk name trunk.100 type vlan id {OUTSIDE}
ip -n client link set trunk.100 up
ip -n client addr add {CLIENT_UNTAGGED4}/24 dev trunk
ip -n client addr add {scene.outer4(1)}/24 dev trunk.100
ip -n client addr add {scene.outer6(1)}/64 dev trunk.100 nodad
ip -n host link set eth0 up
ip -n host addr add {scene.HOST4}/24 dev eth0
ip -n host addr add {scene.HOST6}/64 dev eth0 nodad
ip -n host route add default via {scene.LAN4}
ip -n host -6 route add default via {scene.LAN6}
for i in /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding; do echo 1 >$i; done
"""


class Inside:
    """A namespace of the machine that NETWORK has made."""

    def __init__(self, machine, name):
        self.machine, self.name = machine, name

    def run(self, *argv, **kwargs):
        return self.machine.run("ip", "netns", "exec", self.name, *argv, **kwargs)


def start_client(s, machine):
    machine.write("/run/client.key", s.client_keys[1].secret_text)
    machine.shell(
        "set -e; ip -n client link add wg1 type wireguard\n"
        "ip netns exec client wg set wg1 private-key /run/client.key "
        f"peer {s.key.text} endpoint {wggo.bracket(scene.WAN4, scene.PORT)} "
        f"allowed-ips {','.join(scene.INNER_NETWORKS)}\n"
        f"ip -n client addr add {scene.inner4(1)}/24 dev wg1\n"
        f"ip -n client addr add {scene.inner6(1)}/64 dev wg1 nodad\n"
        "ip -n client link set wg1 mtu 1420 up\n"
        "ip -n client route add 10.1.0.0/24 dev wg1\n"
        "ip -n client -6 route add fd01::/64 dev wg1\n")


def transfer(machine, extra):
    """TCP between client and host, both of which are in the machine; iperf3's sum."""
    machine.shell("ip netns exec host iperf3 -s -1 --forceflush >/run/iperf3 2>&1 &")
    process.wait_until(lambda: "listening" in machine.shell("cat /run/iperf3", check=False).stdout,
                       "iperf3 listens")
    result = machine.shell(f"rm /run/iperf3; ip netns exec client iperf3 -c {scene.HOST4} "
                           f"-t {TCP_SECONDS} -f m {extra}")
    return result.stdout.splitlines()[-3]


def traffic_cases(t, s, machine, gw):
    client, host = Inside(machine, "client"), Inside(machine, "host")
    with t.case("the untagged port and the VLAN are apart, and both are Linux's"):
        for to in (scene.WAN4, scene.WAN6, UNTAGGED4):
            traffic.wait_reachable(client, to)
            traffic.ping(client, to)
    with t.case("a tunnel by the VLAN, both ways, both families, up to the MTU"):
        for to in (scene.HOST4, scene.HOST6):
            traffic.wait_reachable(client, to)
        assert gw.wait_session(s.client_keys[1].text)["endpoint"].startswith(scene.outer4(1))
        for size4, size6 in ((56, 56), (FULL_MTU_4, FULL_MTU_6)):
            traffic.ping(client, scene.HOST4, size=size4, extra=["-M", "do"])
            traffic.ping(client, scene.HOST6, size=size6, extra=["-M", "do"])
            traffic.ping(host, scene.inner4(1), size=size4, extra=["-M", "do"])
            traffic.ping(host, scene.inner6(1), size=size6, extra=["-M", "do"])
    for extra, way in (("", "to the host"), ("-R", "from the host")):
        with t.case(f"TCP through the tunnel {way}"):
            t.comment(transfer(machine, extra))
    with t.case("no drop that honest traffic cannot cause, and every packet ended once"):
        gw.expect_healthy()
        gw.expect_conserved()


def stop(gw):
    gw.cli("stop")
    process.wait_until(lambda: gw.child.poll() is not None, "the end", 20)
    assert gw.child.poll() == 0, gw.log()


def test(t):
    reason = vm_gateway.why_not(MODULES, PROGRAMS)
    if reason:
        t.skip("VLANs of Linux interfaces as ports", reason)
        return
    machine = vm_gateway.boot(t, [], 2, MODULES, PROGRAMS)
    machine.shell(NETWORK)
    s = scene.Scene(t, clients=0, forward=False)
    s.client_keys[1] = keys.Key()
    config = s.config([s.peer_config(1)])
    config["ports"] = {
        "wan": {"device": "trunk", "vlan": OUTSIDE,
                "addresses": [f"{scene.WAN4}/24", f"{scene.WAN6}/64"]},
        "untagged": {"device": "trunk", "addresses": [f"{UNTAGGED4}/24"]},
        "lan": {"device": "lan", "addresses": [f"{scene.LAN4}/24", f"{scene.LAN6}/64"]}}
    config.update({"workers": [1], "packet-buffers": 8192})
    gw = vm_gateway.MachineGateway(t, machine, config)
    t.on_failure(machine.describe)
    t.on_failure(gw.describe)
    start_client(s, machine)
    with gw:
        with t.case("a VLAN interface with the port's name is made"):
            assert f"id {OUTSIDE}" in machine.shell("ip -d link show wan").stdout
        traffic_cases(t, s, machine, gw)
        with t.case("it goes with wgdp"):
            stop(gw)
            assert machine.shell("ip link show wan", check=False).returncode != 0
    machine.shell(f"ip link add link trunk name other type vlan id {OUTSIDE}")
    with gw:
        with t.case("one that is there is taken, whatever its name, and stays"):
            ports = {port["name"]: port for port in gw.rpc("show")["ports"]}
            assert ports["wan"]["linux_interface"] == "other", ports
            traffic.wait_reachable(Inside(machine, "client"), scene.WAN4)
            stop(gw)
            machine.shell("ip link show other")


tap.main(test)
