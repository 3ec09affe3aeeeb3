#!/usr/bin/python3
"""ICMP errors: used-up TTL, too big, nobody there; and none about what must not be talked about."""
import struct

from lib import net, packets, scene, tap, traffic

TUNNEL_MTU = 1420
# Hosts behind a second inside port, whose MTU is smaller than the tunnel's.
NARROW, NARROW_MTU = {4: "10.2.0.2", 6: "fd02::2"}, 1400
NOBODY4, NOBODY6 = "10.8.0.250", "fd08::250"
TIME_EXCEEDED = {4: (11, 0), 6: (3, 0)}
TOO_BIG = {4: (3, 4), 6: (2, 0)}
HOST_UNREACHABLE = {4: [(3, 1)], 6: [(1, 0), (1, 3)]}


def mtu_of(packet):
    """What a "too big" names."""
    if packet.version == 4:
        return struct.unpack_from(">H", packet.payload, 6)[0]
    return struct.unpack_from(">I", packet.payload, 4)[0]


def addresses(family, number=1):
    return (scene.inner4(number), scene.HOST4) if family == 4 else \
        (scene.inner6(number), scene.HOST6)


def ttl(t, s, gw, peer, family):
    inner, host = addresses(family)
    with t.case(f"IPv{family}: TTL used up, from the tunnel"):
        drops = gw.drops()["ttl"]
        request = packets.echo(inner, host, ttl=1)
        error = peer.exchange(request, lambda p: p.icmp == TIME_EXCEEDED[family])
        assert request[:40] in error.raw or error.payload[8:8 + 20], error
        gw.wait_drop("ttl", drops)
        assert gw.drops()["ttl"] == drops + 1
    with t.case(f"IPv{family}: TTL used up, into the tunnel"):
        capture = s.capture(s.host, "eth0")
        s.host.run("ping", "-c", "1", "-W", "1", "-t", "1", inner, check=False)
        capture.wait(lambda p: p.icmp == TIME_EXCEEDED[family], "time exceeded")
    with t.case(f"IPv{family}: forwarding takes one off the TTL, each way"):
        capture = s.capture(s.host, "eth0")
        reply = peer.ping(inner, host, ttl=33)
        got = capture.wait(lambda p: p.icmp and p.icmp[0] in (8, 128) and p.source == inner,
                           "the request")
        assert got[0].ttl == 32 and reply.ttl == 63, (got, reply.ttl)


def too_big(t, s, gw, peer, family):
    inner, host = addresses(family)
    with t.case(f"IPv{family}: too big for the tunnel, from behind the gateway"):
        capture = s.capture(s.host, "eth0")
        drops = gw.drops()["too_big"]
        s.host.run("ping", "-c", "1", "-W", "1", "-M", "do", "-s", "1440", inner, check=False)
        error = capture.wait(lambda p: p.icmp == TOO_BIG[family], "too big")[0]
        assert mtu_of(error) == TUNNEL_MTU, error.payload.hex()
        gw.wait_drop("too_big", drops)
    with t.case(f"IPv{family}: too big for the tunnel, from the gateway itself"):
        result = s.gw.run("ping", "-c", "1", "-W", "1", "-M", "do", "-s", "1440", inner,
                          check=False)
        assert str(TUNNEL_MTU) in result.stdout + result.stderr, result
    with t.case(f"IPv{family}: too big for the inside port"):
        request = packets.udp(inner, NARROW[family], 1000, 2000, b"x" * (NARROW_MTU - 20))
        error = peer.exchange(request, lambda p: p.icmp == TOO_BIG[family])
        assert mtu_of(error) == NARROW_MTU, error.payload.hex()


def fragments(t, s, peer):
    client = s.clients[2]
    with t.case("without DF, what is too big is fragmented, both ways"):
        s.wireguard_go(2)
        traffic.wait_reachable(client, scene.HOST4)
        traffic.ping(s.host, scene.inner4(2), size=1472, extra=["-M", "dont"])
        traffic.ping(client, scene.HOST4, size=3000, extra=["-M", "dont"])
        traffic.ping(s.host, scene.inner4(2), size=3000, extra=["-M", "dont"])


def nobody(t, s, peer):
    for family, to in ((4, NOBODY4), (6, NOBODY6)):
        with t.case(f"IPv{family}: no peer has the destination: host unreachable"):
            capture = s.capture(s.host, "eth0")
            s.host.run("ping", "-c", "1", "-W", "1", to, check=False)
            capture.wait(lambda p: p.icmp in HOST_UNREACHABLE[family], "unreachable")
        with t.case(f"IPv{family}: no peer, from the tunnel: host unreachable"):
            inner, _ = addresses(family)
            peer.exchange(packets.echo(inner, to), lambda p: p.icmp in HOST_UNREACHABLE[family])
        with t.case(f"IPv{family}: the peer has no endpoint: unreachable"):
            capture = s.capture(s.host, "eth0")
            s.host.run("ping", "-c", "1", "-W", "1", addresses(family, 3)[0], check=False)
            capture.wait(lambda p: p.icmp and p.icmp[0] == (3 if family == 4 else 1),
                         "unreachable")


def silence(t, s, gw, peer):
    inner, host = addresses(4)
    with t.case("no error about an error, a fragment that is not the first, or a wrong source"):
        error = packets.ip(inner, NOBODY4, packets.ICMP, b"\3\1\0\0" + bytes(28), ttl=64)
        peer.send_packet(error)
        peer.send_packet(packets.ip(inner, host, packets.ICMP, b"\x0b\0\0\0" + bytes(28), ttl=1))
        later = bytearray(packets.echo(inner, NOBODY4))
        later[6:8] = b"\0\x10"
        later[10:12] = b"\0\0"
        later[10:12] = packets.checksum(bytes(later[:20])).to_bytes(2, "big")
        peer.send_packet(bytes(later))
        peer.send_packet(packets.echo("10.8.0.99", host, ttl=1))
        assert peer.receive_packet(timeout=1) is None
    with t.case("no error about what is not authentic"):
        capture = s.capture(s.clients[1], "eth0")
        message = bytearray(peer.session.seal(packets.echo(inner, host, ttl=1)))
        message[-1] ^= 1
        drops = gw.drops()["bad_tag"]
        peer.send(bytes(message))
        gw.wait_drop("bad_tag", drops)
        assert not capture.packets(lambda p: p.source == scene.WAN4 and p.icmp)


def test(t):
    s = scene.Scene(t, clients=3)
    narrow = t.enter(net.Namespace("narrow"))
    net.link(s.gw, "dmz", narrow, "eth0", NARROW_MTU)
    s.gw.address("dmz", "10.2.0.1/24", "fd02::1/64")
    narrow.address("eth0", f"{NARROW[4]}/24", f"{NARROW[6]}/64")
    config = s.config()
    config["ports"]["dmz"] = {"device": "dmz"}
    gw = s.start(config)
    peer = s.hand_peer(1)
    peer.initiate()
    for family in (4, 6):
        ttl(t, s, gw, peer, family)
        too_big(t, s, gw, peer, family)
    fragments(t, s, peer)
    nobody(t, s, peer)
    silence(t, s, gw, peer)
    with t.case("every packet ended once"):
        gw.expect_conserved()


tap.main(test)
