#!/usr/bin/python3
"""Linux as the control plane: its routes, neighbours and addresses are followed, the gateway's own
traffic goes through the tunnels, and Linux does not answer for the WireGuard port."""
from lib import net, packets, process, scene, tap, traffic

FAR = "203.0.113.5"


def own_traffic(t, s):
    client = s.clients[1]
    with t.case("TCP between a client and the gateway itself, both directions, both families"):
        for address in (scene.TUNNEL4, scene.TUNNEL6):
            end = traffic.iperf3(s.gw, client, address, 2)
            t.comment(f"to the gateway: {traffic.tcp_mbps(end):.0f} Mb/s")
            end = traffic.iperf3(s.gw, client, address, 2, extra=["-R"])
            t.comment(f"from the gateway: {traffic.tcp_mbps(end):.0f} Mb/s")
    with t.case("Linux behind the gateway is reached from the client by the LAN's own address"):
        traffic.ping(client, scene.LAN4)
        traffic.ping(client, scene.LAN6)
    with t.case("hosts of the two sides reach the gateway without a tunnel"):
        traffic.ping(s.host, scene.LAN4)
        traffic.ping(s.host, scene.LAN6)
        traffic.ping(client, scene.WAN4)
        traffic.ping(client, scene.WAN6)


def no_unreachables(t, s):
    client = s.clients[2]
    for address, source, code in ((scene.WAN4, scene.outer4(2), (3, 3)),
                                  (scene.WAN6, scene.outer6(2), (1, 4))):
        with t.case(f"no port unreachable for the WireGuard port of {address}"):
            capture = s.capture(client, "eth0")
            with packets.UdpSocket(client, source) as sender:
                for length in (0, 1, 31, 32, 92, 148, 1400):
                    sender.send(b"\1\0\0\0".ljust(length, b"x")[:length], (address, scene.PORT))
                # Another port answers: so an answer would have come.
                sender.send(b"x", (address, scene.PORT + 1))
            capture.wait(lambda p: p.icmp == code, "port unreachable for another port")
            wrong = [p for p in capture.packets(lambda p: p.icmp == code)
                     if p.payload[8:].find(scene.PORT.to_bytes(2, "big")) >= 0]
            assert not wrong, wrong


def frames_to(capture, mac):
    wanted = bytes.fromhex(mac.replace(":", ""))
    return [frame for frame, _ in capture.frames() if frame[:6] == wanted]


def mtus(t, s):
    """What was allowed before, is not while the MTU is small, and is again afterwards."""
    client = s.clients[1]
    for device, origin, to in (("lan", client, scene.HOST4), ("wg0", s.host, scene.inner4(1))):
        def fits():
            return origin.run("ping", "-c", "1", "-W", "1", "-M", "do", "-s", "1350", to,
                              check=False).returncode == 0

        with t.case(f"the MTU of {device} is followed"):
            before = s.gw.out("cat", f"/sys/class/net/{device}/mtu").strip()
            process.wait_until(fits, "large packets pass")
            s.gw.ip(f"link set {device} mtu 1300")
            process.wait_until(lambda: not fits(), "large packets are refused")
            s.gw.ip(f"link set {device} mtu {before}")
            origin.ip("route flush cache")
            process.wait_until(fits, "large packets pass again")


def neighbours(t, s):
    client = s.clients[1]
    for label, namespace, device, mac, gateway4, gateway6 in (
            ("a client", client, "eth0", "02:00:00:00:aa:01", scene.WAN4, scene.WAN6),
            ("the host behind the gateway", s.host, "eth0", "02:00:00:00:aa:02", scene.LAN4,
             scene.LAN6)):
        with t.case(f"{label} changes its MAC"):
            namespace.ip(f"link set {device} address {mac}")
            # It asks for the gateway's MAC, so Linux there learns the new one.
            traffic.wait_reachable(namespace, gateway4, 20)
            traffic.wait_reachable(namespace, gateway6, 20)
            traffic.wait_reachable(client, scene.HOST4, 20)
            traffic.wait_reachable(s.host, scene.inner6(1), 20)
            capture = s.capture(namespace, device)
            traffic.ping(client, scene.HOST4)
            assert frames_to(capture, mac), "frames to the new MAC"


def routes(t, s, gw):
    """The second client sits at an address that is reached over one router, then another: both are
    addresses of its own, on two cables."""
    client = s.clients[2]
    s.switch.plug(client, "eth1")
    client.address("lo", f"{FAR}/32")
    client.address("eth1", "198.51.100.61/24")
    # Each address is answered for by its own cable only.
    client.sysctl("net.ipv4.conf.all.arp_ignore", 1)
    client.sysctl("net.ipv4.conf.all.arp_announce", 2)
    s.gw.route(f"{FAR}/32", f"via {scene.outer4(2)}")
    peer = s.hand_peer(2)
    peer.move(FAR)
    peer.initiate()
    first, second = s.capture(client, "eth0"), s.capture(client, "eth1")

    def over(capture):
        return capture.packets(lambda p: p.destination == FAR and p.ports)

    with t.case("the next hop of a peer is what Linux's route says"):
        peer.ping(scene.inner4(2), scene.HOST4)
        assert over(first)
    with t.case("the route changes, and packets follow"):
        s.gw.route(f"{FAR}/32", "via 198.51.100.61")

        def moved():
            peer.ping(scene.inner4(2), scene.HOST4)
            return len(over(second)) > 0
        process.wait_until(moved, "packets over the second router")
        had = len(over(first))
        peer.ping(scene.inner4(2), scene.HOST4)
        assert len(over(first)) == had, over(first)
    with t.case("the route goes: packets end with a reason; it comes back"):
        s.gw.ip(f"route del {FAR}/32")

        def unreachable():
            peer.send_packet(packets.echo(scene.inner4(2), scene.HOST4))
            return peer.receive_packet(timeout=0.2) is None
        process.wait_until(unreachable, "no answer")
        gw.expect_conserved()
        s.gw.route(f"{FAR}/32", f"via {scene.outer4(2)}")

        def back():
            peer.send_packet(packets.echo(scene.inner4(2), scene.HOST4))
            return peer.receive_packet(timeout=0.2)
        process.wait_until(back, "answers again")
    with t.case("a prefix behind a peer that becomes an inside route leaves there"):
        s.host.address("lo", "10.77.0.1/32")
        s.gw.route("10.77.0.0/24", f"via {scene.HOST4}")
        process.wait_until(lambda: traffic.reaches(s.gw, "10.77.0.1"), "Linux reaches it")
        peer.ping(scene.inner4(2), "10.77.0.1")


def configured(t, s, gw):
    """Addresses and routes that the file names."""
    wan = gw.config["ports"]["wan"]
    with t.case("load sets an address and a route of a port in Linux"):
        wan["addresses"] = ["198.51.100.200/24", "2001:db8:1::200/64"]
        wan["routes"] = [{"to": "203.0.113.128/25", "via": scene.outer4(1)}]
        gw.load()
        shown = s.gw.ip("addr show dev wan")
        assert "198.51.100.200/24" in shown and "2001:db8:1::200/64" in shown, shown
        assert f"{scene.WAN4}/24" in shown, "Linux's own stay"
        assert scene.outer4(1) in s.gw.ip("route show 203.0.113.128/25")
    with t.case("load takes them back, and leaves Linux's own"):
        del wan["addresses"], wan["routes"]
        gw.load()
        shown = s.gw.ip("addr show dev wan")
        assert "198.51.100.200/24" not in shown and "2001:db8:1::200" not in shown, shown
        assert f"{scene.WAN4}/24" in shown and scene.WAN6 in shown, shown
        assert "203.0.113.128" not in s.gw.ip("route show")
    with t.case("a peer's prefix outside of the interface's networks is a route"):
        gw.config["interfaces"]["wg0"]["peers"][0]["allowed-ips"].append("10.55.0.0/16")
        gw.load()
        assert "dev wg0" in s.gw.ip("route show 10.55.0.0/16")
        gw.config["interfaces"]["wg0"]["peers"][0]["allowed-ips"].remove("10.55.0.0/16")
        gw.load()
        assert not s.gw.ip("route show 10.55.0.0/16")
    with t.case("the interfaces are up with their addresses and MTU"):
        shown = s.gw.ip("addr show dev wg0")
        assert "mtu 1420" in shown and f"{scene.TUNNEL4}/24" in shown, shown
        assert scene.TUNNEL6 in shown and "LOWER_UP" in shown, shown


def vanishing(t, s, gw):
    with t.case("somebody takes the TUN away: the gateway runs on"):
        s.gw.run("ip", "link", "del", "wg0", check=False)
        assert gw.cli("show")
        assert gw.child.poll() is None


def control_seconds(gw):
    """CPU time of control's thread, which is the process's first."""
    with open(f"/proc/{gw.child.pid}/task/{gw.child.pid}/schedstat") as f:
        return int(f.read().split()[0]) / 1e9


def put_off(t, s, gw):
    """That a peer needs a neighbour comes from its handshake: there is no news from Linux."""
    with t.case("a neighbour that is stale when a peer needs it: control does not spin for it"):
        s.gw.ip(f"neigh replace {scene.outer4(2)} lladdr {s.clients[2].mac('eth0')} dev wan "
                "nud stale")
        s.hand_peer(2).initiate()
        before = control_seconds(gw)
        process.let_pass(1, "what control does when nothing comes")
        took = control_seconds(gw) - before
        assert took < 0.5, f"{took:.2f} s of CPU time in a second"


def test(t):
    s = scene.Scene(t, clients=2)
    gw = s.start()
    put_off(t, s, gw)
    s.wireguard_go(1)
    traffic.wait_reachable(s.clients[1], scene.HOST4)
    own_traffic(t, s)
    no_unreachables(t, s)
    mtus(t, s)
    neighbours(t, s)
    routes(t, s, gw)
    configured(t, s, gw)
    with t.case("every packet ended once"):
        gw.expect_conserved()
    vanishing(t, s, gw)


if not net.has_ipv6():
    print("1..0 # SKIP the kernel has no IPv6")
else:
    tap.main(test)
