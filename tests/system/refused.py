#!/usr/bin/python3
"""What must be refused: wrong keys, replays, wrong sources, malformed inner packets."""
import os
import struct

from lib import keys, noise, packets, process, scene, tap, wggo, wgpeer

WINDOW_PKTS = 8128      # acceptable: from the highest counter less this one


def wrong_psk(t, s, gw):
    key = s.client_keys[1].text
    peer = s.hand_peer(1)
    peer.handshake.psk = keys.new_psk()
    with t.case("wrong psk at the client: no session, no data"):
        peer.send(peer.initiation())
        response = peer.receive(noise.RESPONSE)
        assert response, "the responder cannot know yet, and answers"
        try:
            peer.handshake.read_response(response)
        except noise.Refused as refused:
            assert str(refused) == "tag", refused
        else:
            raise process.Failed("a response with another psk was good")
        state = gw.peer(key)
        assert state["latest_handshake"] == 0, state
        # Keys that we invent are not the gateway's.
        index, = struct.unpack_from("<I", response, 4)
        forged = noise.Session(os.urandom(32), os.urandom(32), 1, index)
        before = gw.drops()["bad_tag"]
        peer.send(forged.seal(packets.echo(scene.inner4(1), scene.HOST4)))
        gw.wait_drop("bad_tag", before)
        assert gw.peer(key)["latest_handshake"] == 0
    with t.case("the right psk works afterwards"):
        peer.handshake.psk = s.psks[1]
        peer.initiate()
        peer.ping(scene.inner4(1), scene.HOST4)


def wrong_psk_at_responder(t, s, gw):
    """Client 2 has an endpoint, so the gateway initiates."""
    key = s.client_keys[2].text
    peer = s.hand_peer(2, port=scene.PORT)
    right = peer.handshake.psk
    with t.case("a response with a wrong psk is refused, and a right one is still good"):
        s.host.start("ping", "-c", "3", "-i", "0.2", scene.inner4(2), stdout=open(os.devnull, "w"))
        peer.await_initiation()
        peer.handshake.psk = keys.new_psk()
        bad, _ = peer.handshake.response(noise.clamp(os.urandom(32)), wgpeer.new_index())
        before = sum(gw.verdicts().values())
        peer.send(bad)
        process.wait_until(lambda: sum(gw.verdicts().values()) > before, "the verdict")
        assert gw.peer(key)["session"] == "none"
        peer.handshake.psk = right
        good, peer.session = peer.handshake.response(noise.clamp(os.urandom(32)),
                                                     wgpeer.new_index())
        peer.send(good)
        got = peer.receive_packet()
        assert packets.Packet(got).icmp == (8, 0), got
    with t.case("a second response to the same initiation is refused"):
        state = gw.peer(key)["latest_handshake"]
        before = sum(gw.verdicts().values())
        peer.send(good)
        process.wait_until(lambda: sum(gw.verdicts().values()) > before, "the verdict")
        assert gw.peer(key)["latest_handshake"] == state
        peer.ping(scene.inner4(2), scene.HOST4)


def strangers(t, s, gw):
    with t.case("an unknown peer gets no answer"):
        stranger = t.enter(wgpeer.Peer(s.clients[3], scene.outer4(3), (scene.WAN4, scene.PORT),
                                       s.key.public))
        before = gw.verdicts()
        stranger.send(stranger.initiation())
        process.wait_until(lambda: gw.verdicts() != before, "the verdict")
        assert stranger.receive(timeout=0.5) is None
    with t.case("an initiation that is not newer than the last gets no answer"):
        peer = s.hand_peer(3)
        message = peer.initiation()
        peer.send(message)
        response = peer.receive(noise.RESPONSE)
        peer.session = peer.handshake.read_response(response)
        peer.send(peer.session.seal(b""))
        process.let_pass(wgpeer.INITIATION_SECONDS, "not to be refused for its haste")
        peer.send(message)
        assert peer.receive(noise.RESPONSE, timeout=0.5) is None
        peer.ping(scene.inner4(3), scene.HOST4)
    with t.case("a message that comes back to its sender is refused"):
        s.host.start("ping", "-c", "1", "-W", "1", scene.inner4(3), stdout=open(os.devnull, "w"))
        message = peer.receive(noise.DATA)
        before = sum(gw.drops().values())
        peer.send(message)
        process.wait_until(lambda: sum(gw.drops().values()) > before, "a drop")


def replays(t, s, gw):
    key = s.client_keys[3].text
    peer = s.hand_peer(3)
    peer.initiate()
    inner = packets.echo(scene.inner4(3), scene.HOST4, identifier=7, reply=True)
    capture = s.capture(s.host, "eth0")

    def sent(counter):
        """The number of packets that one message makes arrive at the host."""
        had = len(capture.packets(lambda p: p.icmp == (0, 0)))
        dropped = gw.drops()["replay"]
        peer.send_packet(inner, counter)
        process.wait_until(lambda: len(capture.packets(lambda p: p.icmp == (0, 0))) > had or
                           gw.drops()["replay"] > dropped, f"counter {counter} ended")
        return len(capture.packets(lambda p: p.icmp == (0, 0))) - had

    steps = [(1, 1), (1, 0), (0, 0), (20000, 1), (20000, 0), (20000 - WINDOW_PKTS, 1),
             (20000 - WINDOW_PKTS - 1, 0), (20000 - WINDOW_PKTS, 0), (19999, 1), (2**32 + 5, 1),
             (20001, 0), (2**32 + 4, 1), (2**64 - 8131, 1), (2**64 - 8130, 0), (2**64 - 1, 0)]
    with t.case("counters are accepted once, within the window, and below the limit"):
        drops = gw.peer(key)["drops"].get("replay", 0)
        for counter, expected in steps:
            got = sent(counter)
            assert got == expected, f"counter {counter}: {got} delivered, not {expected}"
        refused = len([1 for _, expected in steps if not expected])
        assert gw.peer(key)["drops"]["replay"] - drops == refused, gw.peer(key)


def inner_packets(t, s, gw):
    peer = s.hand_peer(3)
    key = s.client_keys[3].text
    peer.initiate()
    good = packets.echo(scene.inner4(3), scene.HOST4)
    good6 = packets.echo(scene.inner6(3), scene.HOST6)
    malformed = [(f"{n} bytes", good[:n]) for n in (1, 15, 19)] + [
        ("16 zero bytes, which are no keepalive", bytes(16)),
        ("version 5", b"\x55" + good[1:]), ("version 0", b"\x05" + good[1:]),
        ("39 bytes of IPv6", good6[:39]),
        ("IPv4 total length 0", good[:2] + b"\0\0" + good[4:]),
        ("IPv4 total length 19", good[:2] + b"\0\x13" + good[4:]),
        ("IPv4 longer than the plaintext", good[:2] + b"\x05\xdc" + good[4:]),
        ("IPv4 header length 4", b"\x41" + good[1:]),
        ("IPv4 header longer than the packet", b"\x4f" + good[1:4] + b"\0" * 20),
        ("IPv6 longer than the plaintext", good6[:4] + b"\xff\xff" + good6[6:])]
    for label, plain in malformed:
        with t.case(f"malformed inside: {label}"):
            before = gw.peer(key)["drops"].get("inner_malformed", 0)
            peer.send(peer.session.seal_exactly(plain))
            process.wait_until(
                lambda: gw.peer(key)["drops"].get("inner_malformed", 0) == before + 1,
                lambda: f"inner_malformed moves: {gw.peer(key)}", 3)
    with t.case("what follows the inner packet is cut off, whatever it is"):
        capture = s.capture(s.host, "eth0")
        peer.send(peer.session.seal_exactly(good + os.urandom(77)))
        got = capture.wait(lambda p: p.icmp == (8, 0), "the echo request")
        assert got[0].raw[:len(good)][-32:] == good[-32:] and len(got[0].payload) == len(good) - 20
    with t.case("an inner source that is another's is dropped, and counted at the peer"):
        before = gw.peer(key)["drops"].get("source_not_allowed", 0)
        for source, to in ((scene.inner4(1), scene.HOST4), (scene.inner6(1), scene.HOST6),
                           ("0.0.0.0", scene.HOST4), ("::", scene.HOST6)):
            peer.send_packet(packets.echo(source, to, identifier=99))
        process.wait_until(
            lambda: gw.peer(key)["drops"].get("source_not_allowed", 0) == before + 4,
            lambda: f"source_not_allowed: {gw.peer(key)}")
        assert not capture.packets(lambda p: p.icmp and p.payload[4:6] == b"\0\x63")


def test(t):
    s = scene.Scene(t, clients=3)
    gw = s.start(s.config([
        s.peer_config(1, psk=True),
        s.peer_config(2, psk=True, endpoint=wggo.bracket(scene.outer4(2), scene.PORT)),
        s.peer_config(3)]))
    for part in (wrong_psk, wrong_psk_at_responder, strangers, replays, inner_packets):
        part(t, s, gw)
    with t.case("every packet ended once"):
        gw.expect_conserved()


tap.main(test)
