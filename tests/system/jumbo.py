#!/usr/bin/python3
"""Jumbo frames: 8920 bytes inside, which over IPv6 are exactly 9000 outside. What fits goes in one
piece, one byte more is refused or fragmented as Linux does it."""
import json

from lib import scene, tap, traffic

INNER_MTU, PORT_MTU = 8920, 9000
# IP and ICMP headers around the data of a ping.
ROOM = {4: INNER_MTU - 28, 6: INNER_MTU - 48}
# Outer IP, UDP, WireGuard; the inner packet is padded to 16 bytes, but not over the MTU.
OUTER_BYTES = {4: INNER_MTU + 20 + 40, 6: PORT_MTU}
TOO_BIG = {4: (3, 4), 6: (2, 0)}
# client, family outside
CLIENTS = [(1, 4), (2, 6)]


def widen(s):
    """All cables of the scene take jumbo frames."""
    for namespace, devices in [(s.gw, ["wan", "lan"]), (s.host, ["eth0"]),
                               *((client, ["eth0"]) for client in s.clients.values()),
                               (s.switch, [f"p{n + 1}" for n in range(s.switch.ports)] + ["br0"])]:
        for device in devices:
            namespace.ip(f"link set {device} mtu {PORT_MTU}")


def config(s):
    wanted = s.config(mtu=INNER_MTU)
    for port in wanted["ports"].values():
        port["mtu"] = PORT_MTU
    return wanted


def inside(number, family):
    """(of the client, of the host)"""
    return (scene.inner4(number), scene.HOST4) if family == 4 else \
        (scene.inner6(number), scene.HOST6)


def exact(t, s, number, outer):
    client = s.clients[number]
    with t.case(f"IPv{outer} outside: {INNER_MTU} bytes inside, with DF, both ways"):
        traffic.wait_reachable(client, scene.HOST4)
        wire = s.capture(client, "eth0", outgoing=True)
        for family in (4, 6):
            here, there = inside(number, family)
            traffic.ping(client, there, size=ROOM[family], extra=["-M", "do"])
            traffic.ping(s.host, here, size=ROOM[family], extra=["-M", "do"])
        sizes = [len(packet.raw) for packet in wire.packets()]
        assert max(sizes) == OUTER_BYTES[outer], sorted(set(sizes))
        # 5 of each: request and answer, two families, two directions; in one piece each.
        assert sizes.count(OUTER_BYTES[outer]) >= 40, sizes
    with t.case(f"IPv{outer} outside: TCP, both ways"):
        for way, extra in (("to the host", []), ("to the client", ["-R"])):
            end = traffic.iperf3(s.host, client, scene.HOST4, 2, extra=extra)
            t.comment(f"{way}: {traffic.tcp_mbps(end):.0f} Mb/s")


def one_more(t, s, gw, number, outer):
    client = s.clients[number]
    for family in (4, 6):
        here, there = inside(number, family)
        with t.case(f"IPv{outer} outside, IPv{family} inside: one byte more is refused with DF"):
            drops = gw.drops()["too_big"]
            wire = s.capture(s.host, "eth0")
            result = s.host.run("ping", "-n", "-c", "1", "-W", "1", "-M", "do", "-s",
                                str(ROOM[family] + 1), here, check=False)
            assert result.returncode, result.stdout
            wire.wait(lambda p: p.icmp == TOO_BIG[family], "too big")
            gw.wait_drop("too_big", drops)
            assert gw.drops()["too_big"] == drops + 1, gw.drops()
            # Linux of the client knows it already.
            assert client.run("ping", "-n", "-c", "1", "-W", "1", "-M", "do", "-s",
                              str(ROOM[family] + 1), there, check=False).returncode
    with t.case(f"IPv{outer} outside: one byte more is fragmented without DF"):
        here, there = inside(number, 4)
        traffic.ping(s.host, here, size=ROOM[4] + 1, extra=["-M", "dont"])
        traffic.ping(client, there, size=ROOM[4] + 1, extra=["-M", "dont"])


def test(t):
    s = scene.Scene(t, clients=len(CLIENTS))
    widen(s)
    gw = s.start(config(s))
    with t.case("the ports and the interface have the MTUs of the file"):
        shown = gw.rpc("show")
        assert {port["mtu"] for port in shown["ports"]} == {PORT_MTU}, shown
        assert shown["interfaces"][0]["mtu"] == INNER_MTU, shown
    for number, outer in CLIENTS:
        s.wireguard_go(number, outer, mtu=INNER_MTU)
        exact(t, s, number, outer)
        one_more(t, s, gw, number, outer)
    with t.case("no drop that honest traffic cannot cause, and every packet ended once"):
        gw.expect_healthy()
        gw.expect_conserved()
        t.comment(json.dumps({k: n for k, n in gw.drops().items() if n}))


tap.main(test)
