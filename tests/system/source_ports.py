#!/usr/bin/python3
"""source-ports: a tunnel leaves from several UDP ports by inner flow, and is received on all of
them; the far end sees its peer move, and nothing is lost."""
import collections

import time

from lib import gateway, keys, packets, process, scene, tap, traffic

PORTS = 4
FLOWS = 16
ROUNDS = 6
FLOW_BYTES = 100        # of the first flow; each has 16 more than the one before
DATA = b"\4\0\0\0"
DATA_OVERHEAD = 32 + 28     # and UDP and IPv4 within; no padding, for these lengths
UNREACHABLE = (3, 3)
WATCHED_SECONDS = 3
FREE_AFTER_SECONDS, LATE_SECONDS = 15, 10


def near_port(number):
    """Of the first flow with a client, at the host."""
    return 6000 + 100 * number


class Flows:
    """UDP flows between the host behind the gateway and a client's inner address, told apart on
    the wire by the lengths of their packets."""

    def __init__(self, t, s, number):
        self.inner = scene.inner4(number)
        self.far = t.enter(packets.UdpSocket(s.clients[number], self.inner, 7000))
        self.near = [t.enter(packets.UdpSocket(s.host, scene.HOST4, near_port(number) + n))
                     for n in range(FLOWS)]

    def out(self, n):
        """One packet of flow n to the client, that must come; returns who sent it."""
        message = bytes(FLOW_BYTES + 16 * n)
        self.near[n].send(message, (self.inner, 7000))
        got = self.far.receive()
        assert got and got[0] == message, (n, got)
        return got[1]

    def back(self, n, to):
        """One packet of flow n from the client, that must come."""
        message = b"back" * (n + 1)
        self.far.send(message, to)
        got = self.near[n].receive()
        assert got and got[0] == message, (n, got)

    def run(self, both=True):
        for _ in range(ROUNDS):
            for n in range(FLOWS):
                sender = self.out(n)
                if both:
                    self.back(n, sender)


def flow_of(packet):
    """Which flow a data message carries; None: none of them."""
    n, rest = divmod(len(packet.udp) - DATA_OVERHEAD - FLOW_BYTES, 16)
    return n if 0 <= n < FLOWS and rest == 0 else None


def from_gateway(packet):
    return packet.udp is not None and packet.source in (scene.WAN4, scene.WAN6)


def ports_by_flow(capture):
    """{flow: {source port: packets}} of data messages so far."""
    seen = collections.defaultdict(collections.Counter)
    for packet in capture.packets(lambda p: from_gateway(p) and p.udp[:4] == DATA):
        if flow_of(packet) is not None:
            seen[flow_of(packet)][packet.ports[0]] += 1
    return seen


def check_spread(capture, n_ports):
    """Each flow leaves from one port of the range; all together from more than half of what there
    can be."""
    seen = ports_by_flow(capture)
    assert len(seen) == FLOWS, seen
    assert all(len(ports) == 1 for ports in seen.values()), seen
    used = {port for ports in seen.values() for port in ports}
    assert used <= set(range(scene.PORT, scene.PORT + n_ports)), used
    assert len(used) > min(n_ports, FLOWS) // 2, used
    return sorted(used)


def guarded(s):
    """The UDP ports around the listen port that sockets of the gateway's host hold."""
    text = s.gw.out("ss", "-Huln")
    ports = {int(line.split()[3].rsplit(":", 1)[1]) for line in text.splitlines()}
    return sorted(port for port in ports if scene.PORT <= port < scene.PORT + 200)


def spread(t, s, gw, flows, first):
    client = s.clients[1]
    capture = s.capture(client, "eth0", outgoing=True)
    with t.case("each flow has one source port, all together have several"):
        flows[1].run()
        t.comment(f"ports {check_spread(capture, PORTS)}")
    with t.case("the far end answers to several of them"):
        to = {p.ports[1] for p in capture.packets(
            lambda p: p.source == scene.outer4(1) and p.udp and p.udp[:4] == DATA)}
        assert len(to) > 1 and to <= set(range(scene.PORT, scene.PORT + PORTS)), to
    with t.case("handshake messages leave from the listen port"):
        others = first.packets(lambda p: from_gateway(p) and p.udp[:4] != DATA)
        assert {p.udp[0] for p in others} & {1, 2}, others
        assert {p.ports[0] for p in others} == {scene.PORT}, others
    with t.case("a peer over IPv6 with fewer source ports uses those only"):
        capture = s.capture(s.clients[2], "eth0")
        flows[2].run()
        used = {p.ports[0] for p in capture.packets(from_gateway)}
        assert used == {scene.PORT, scene.PORT + 1}, used
    with t.case("a peer without them uses the listen port only"):
        capture = s.capture(s.clients[3], "eth0")
        flows[3].run()
        used = {p.ports[0] for p in capture.packets(from_gateway)}
        assert used == {scene.PORT}, used
    with t.case("wgdp-cli shows them where there are any"):
        shown = [gw.peer(s.client_keys[n].text).get("source_ports") for n in (1, 2, 3)]
        assert shown == [PORTS, 2, None], shown
        assert f"source ports          {PORTS}" in gw.cli("counters", "peer", "client1")


def silence(t, s):
    """On none of the ports does Linux answer; on the next one it does."""
    client = s.clients[3]
    with t.case("Linux answers on none of the ports"):
        assert guarded(s) == list(range(scene.PORT, scene.PORT + PORTS)), guarded(s)
        capture = s.capture(client, "eth0")
        with packets.UdpSocket(client, scene.outer4(3)) as sender:
            for port in range(scene.PORT, scene.PORT + PORTS + 1):
                sender.send(b"hello", (scene.WAN4, port))
        got = capture.wait(lambda p: p.icmp == UNREACHABLE, "port unreachable for the next port")
        about = [int.from_bytes(p.payload[30:32], "big") for p in got]
        assert about == [scene.PORT + PORTS], about


def wait_free(s, n):
    """Ports that are not needed are held for some time."""
    process.wait_until(lambda: len(guarded(s)) == n, lambda: f"ports are free: {guarded(s)}",
                       FREE_AFTER_SECONDS + LATE_SECONDS)
    assert guarded(s) == list(range(scene.PORT, scene.PORT + n)), guarded(s)


def load_with(gw, entry, n):
    """Loads with another number of source ports for one peer, and nothing else."""
    entry["source-ports"] = n
    edits = gw.load()
    assert edits == {**dict.fromkeys(edits, 0), "peers_changed": 1}, edits


def reload(t, s, gw, flows):
    key = s.client_keys[1].text
    entry = gw.config["interfaces"]["wg0"]["peers"][0]
    handshake = gw.peer(key)["latest_handshake"]
    with traffic.PingStream(s.clients[1], scene.HOST4, 0.02) as stream, \
            traffic.PingStream(s.host, scene.inner6(1), 0.02) as back:
        for n in (8, 32, PORTS):
            with t.case(f"load with {n} source ports"):
                load_with(gw, entry, n)
                capture = s.capture(s.clients[1], "eth0")
                flows[1].run()
                t.comment(f"ports {check_spread(capture, n)}")
                assert set(guarded(s)) >= set(range(scene.PORT, scene.PORT + n)), guarded(s)
        for one in (stream, back):
            with t.case(f"nothing was lost: {one.label}"):
                one.expect_no_loss(20)
    with t.case("turned off while the far end talks to another port: it hears of it"):
        talk_to_another(s, flows[1])
        load_with(gw, entry, 1)
        wait_free(s, 2)
        # Only the client has something to send.
        process.wait_until(lambda: arrives(flows[1]), "the far end reaches us")
        capture = s.capture(s.clients[1], "eth0")
        flows[1].run()
        used = {port for ports in ports_by_flow(capture).values() for port in ports}
        assert used == {scene.PORT}, used
    with t.case("a port that is in use: refused, and all stays as it was"):
        with packets.UdpSocket(s.gw, scene.WAN4, scene.PORT + 5):
            entry["source-ports"] = 8
            try:
                gw.load()
            except gateway.Refused as refused:
                errors = refused.error["data"]["errors"]
                assert "source-ports 8" in errors[0] and "in use" in errors[0], errors
            else:
                raise process.Failed("a port in use was taken")
            assert "source_ports" not in gw.peer(key)
            assert f"UDP port {scene.PORT + 5}" in gw.log()
            assert guarded(s) == [scene.PORT, scene.PORT + 1, scene.PORT + 5], guarded(s)
        load_with(gw, entry, 8)
        flows[1].run()
    with t.case("the session is the same all the time"):
        assert gw.peer(key)["latest_handshake"] == handshake


def talk_to_another(s, flows):
    """The last that the far end hears is not from the listen port."""
    capture = s.capture(s.clients[1], "eth0")
    for n in range(FLOWS):
        flows.out(n)
        last = capture.packets(lambda p: from_gateway(p) and p.udp[:4] == DATA)[-1].ports[0]
        if last > scene.PORT + 1:
            return
    raise process.Failed("every flow leaves from the first two ports")


def arrives(flows):
    flows.far.send(b"back", (scene.HOST4, near_port(1)))
    return flows.near[0].receive(0.2)


def by_wg(t, s, gw, flows):
    key = s.client_keys[2].text
    with t.case("wg set and syncconf leave them as they are"):
        gw.wg("set", "wg0", "peer", key, "persistent-keepalive", "25")
        assert gw.peer(key)["source_ports"] == 2
        gw.wg("syncconf", "wg0",
              keys.write_secret(t.path("sync.conf"), gw.wg("showconf", "wg0")))
        assert gw.peer(key)["source_ports"] == 2
    with t.case("wg set moves the listen port, to a range that overlaps"):
        before = guarded(s)
        gw.wg("set", "wg0", "listen-port", str(scene.PORT + 1))
        assert guarded(s) == [port + 1 for port in before], (before, guarded(s))
        flows[2].out(0)
        gw.wg("set", "wg0", "listen-port", str(scene.PORT))
        assert guarded(s) == before
        flows[2].out(0)
    with t.case("a removed peer's ports are free again"):
        gw.wg("set", "wg0", "peer", s.client_keys[1].text, "remove")
        wait_free(s, 2)


def far_gateway(t, s, number):
    """A wgdp at the client's place, with source ports towards the gateway."""
    key = s.client_keys[number].file(t.path("far.key"))
    peer = {"public-key": s.key.text, "endpoint": f"{scene.WAN4}:{scene.PORT}",
            "allowed-ips": ["10.8.0.0/24", "10.1.0.0/24"], "source-ports": PORTS}
    far = gateway.Gateway(t, s.clients[number], {
        "ports": {"eth0": {"device": "eth0"}},
        "interfaces": {"wg0": {"private-key-file": key, "listen-port": scene.PORT,
                               "addresses": [f"{scene.inner4(number)}/24"], "peers": [peer]}},
    }, name="far")
    t.on_failure(far.describe)
    t.enter(far)
    traffic.wait_reachable(s.clients[number], scene.HOST4)
    return far


def each_to_the_other(t, s, gw):
    """Both ends are wgdp, both have source ports."""
    gw.config["interfaces"]["wg0"]["peers"].append(
        s.peer_config(4, **{"source-ports": PORTS}))
    gw.load()
    far = far_gateway(t, s, 4)
    flows = Flows(t, s, 4)
    capture = s.capture(s.clients[4], "eth0")
    to_us = s.capture(s.gw, "wan")
    start = time.monotonic()
    with t.case("wgdp to wgdp, both with source ports: nothing is lost"):
        with traffic.PingStream(s.clients[4], scene.HOST4, 0.02) as stream:
            flows.run()
            process.wait_until(lambda: time.monotonic() > start + WATCHED_SECONDS, "time passes")
            flows.run()
            stream.expect_no_loss(20)
        used = {p.ports[0] for p in to_us.packets(
            lambda p: p.source == scene.outer4(4) and p.udp and p.udp[:4] == DATA)}
        assert len(used) > PORTS // 2, used
    with t.case("the peer's port is not followed with each packet"):
        ports = [p.ports[1] for p in capture.packets(from_gateway)]
        moves = sum(a != b for a, b in zip(ports, ports[1:]))
        t.comment(f"{moves} moves in {len(ports)} messages")
        assert moves <= time.monotonic() - start + 1, moves
    far.expect_healthy()
    far.expect_conserved()


def test(t):
    s = scene.Scene(t, clients=4)
    peers = [s.peer_config(1, **{"source-ports": PORTS}),
             s.peer_config(2, **{"source-ports": 2}), s.peer_config(3)]
    first = s.capture(s.clients[1], "eth0")
    gw = s.start(s.config(peers))
    for number, outer in ((1, 4), (2, 6), (3, 4)):
        s.wireguard_go(number, outer)
        traffic.wait_reachable(s.clients[number], scene.HOST4)
    flows = {n: Flows(t, s, n) for n in (1, 2, 3)}
    spread(t, s, gw, flows, first)
    silence(t, s)
    reload(t, s, gw, flows)
    by_wg(t, s, gw, flows)
    each_to_the_other(t, s, gw)
    with t.case("every packet ended once"):
        gw.expect_healthy(but=["bad_message"])
        gw.expect_conserved()


tap.main(test)
