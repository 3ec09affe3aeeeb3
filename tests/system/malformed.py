#!/usr/bin/python3
"""Every message type at every length from 0 to 200, and each byte of good messages broken in turn:
nothing moves but counters, nothing is answered, and what was up stays up."""
import os
import struct

from lib import noise, packets, process, scene, tap, wggo, wgpeer

LENGTHS = range(0, 201)
CHUNK = 32
# The first four bytes: the types, what is beside them, and reserved bytes that are not zero.
HEADS = [b"\0\0\0\0", b"\1\0\0\0", b"\2\0\0\0", b"\3\0\0\0", b"\4\0\0\0", b"\5\0\0\0",
         b"\xff\0\0\0", b"\1\1\0\0", b"\2\0\1\0", b"\3\0\0\1", b"\4\0\0\x80", b"\4\1\0\0",
         b"\xff\xff\xff\xff"]
# Not covered by anything that is checked: the sender's index, and mac2 while there is no load.
INITIATION_FREE = set(range(4, 8)) | set(range(132, 148))
RESPONSE_FREE = set(range(4, 8)) | set(range(76, 92))


def ended(gw):
    """Packets that ended in a way that somebody could have sent them in: all drops, all refused
    handshake messages (consumed), and what was left to Linux."""
    total = gw.counters()["totals"]
    return sum(total["drops"].values()) + total["consumed"] + total["punt"]


def send_all(gw, peer, messages):
    """Sends bad messages, not so many at once that the gateway would think itself under load, and
    waits until all have ended."""
    for start in range(0, len(messages), CHUNK):
        chunk = messages[start:start + CHUNK]
        had = ended(gw)
        for message in chunk:
            peer.send(message)
        process.wait_until(lambda: ended(gw) >= had + len(chunk),
                           lambda: f"{len(chunk)} more endings: {ended(gw) - had}")


def expect_unmoved(gw, peer, messages):
    """After these, all peers are as before, and nothing was answered."""
    def state():
        return {key: scene.quiet_state(one) for key, one in gw.peers().items()}

    before = state()
    send_all(gw, peer, messages)
    after = state()
    if after != before:
        raise process.Failed(f"something moved: {before} {after}")
    answer = peer.receive(timeout=0)
    if answer:
        raise process.Failed(f"answered with {len(answer)} bytes: {answer[:8].hex()}")
    gw.expect_conserved()


def garbage(t, gw, peer, sender):
    for head in HEADS:
        with t.case(f"garbage that begins with {head.hex()}, every length"):
            expect_unmoved(gw, sender, [(head + os.urandom(200))[:n] for n in LENGTHS])
            still_up(peer)


def still_up(peer):
    peer.ping(scene.inner4(1), scene.HOST4)


def variants(message, free, handshake=None, body=0):
    """Each byte with one bit flipped, but those that nothing protects; with handshake, mac1 is made
    anew for what is broken before it."""
    for offset in range(len(message)):
        bad = wgpeer.broken(message, offset, offset % 8)
        if handshake and offset < body:
            bad = wgpeer.remac(handshake, bad[:body])
        if offset not in free:
            yield bad


def initiations(t, gw, peer):
    with t.case("initiations with each byte broken, mac1 as it was"):
        expect_unmoved(gw, peer, list(variants(peer.initiation(), set(range(132, 148)))))
    with t.case("initiations with each byte broken, mac1 right"):
        expect_unmoved(gw, peer, list(variants(peer.initiation(), INITIATION_FREE, peer.handshake,
                                               116)))
    with t.case("initiations one byte short and one long"):
        message = peer.initiation()
        expect_unmoved(gw, peer, [message[:-1], message + b"\0"])


def data(t, gw, peer):
    message = peer.session.seal(packets.echo(scene.inner4(1), scene.HOST4))
    with t.case("data with each byte broken"):
        expect_unmoved(gw, peer, list(variants(message, set())))
    with t.case("data cut short at every length"):
        expect_unmoved(gw, peer, [message[:length] for length in range(len(message))])
    with t.case("messages of other types under the index of a session"):
        index = struct.pack("<I", peer.session.remote)
        expect_unmoved(gw, peer, [b"\2\0\0\0" + index + index + os.urandom(80),
                                  b"\3\0\0\0" + index + os.urandom(56)])
    with t.case("the message itself is still good"):
        peer.send(message)
        got = packets.Packet(peer.receive_packet())
        assert got.icmp == (0, 0), got


def responses(t, s, gw, peer):
    """The gateway initiates to this peer; what answers it is broken."""
    s.host.run("ping", "-c", "1", "-W", "1", scene.inner4(2), check=False)
    first = peer.await_initiation()
    good, session = peer.handshake.response(noise.clamp(os.urandom(32)), wgpeer.new_index())
    cookie = peer.handshake.cookie_reply(first, os.urandom(24), os.urandom(16))
    drain(peer)
    cases = [("responses with each byte broken, mac1 as it was",
              list(variants(good, set(range(76, 92))))),
             ("responses with each byte broken, mac1 right",
              list(variants(good, RESPONSE_FREE, peer.handshake, 60))),
             ("cookie replies with each byte broken", list(variants(cookie, set()))),
             ("responses and cookie replies of wrong lengths",
              [good[:-1], good + b"\0", cookie[:-1], cookie + b"\0"])]
    for label, bad in cases:
        with t.case(label):
            before = gw.peer(s.client_keys[2].text)
            send_all(gw, peer, bad)
            after = gw.peer(s.client_keys[2].text)
            # The gateway goes on trying, so what it sends moves; what it received must not.
            for field in ("session", "latest_handshake", "rx_bytes", "rx_packets", "endpoint"):
                assert before[field] == after[field], (field, before, after)
    with t.case("a right response is still good"):
        # The gateway may have tried again meanwhile: the answer is to its latest initiation.
        latest = first
        while True:
            message = peer.receive(noise.INITIATION, timeout=0.1)
            if message is None:
                break
            latest = message
        if latest is not first:
            peer.handshake.read_initiation(latest)
            good, session = peer.handshake.response(noise.clamp(os.urandom(32)),
                                                    wgpeer.new_index())
        peer.send(good)
        peer.session = session
        gw.wait_session(s.client_keys[2].text)
        peer.ping(scene.inner4(2), scene.HOST4)


def drain(peer):
    while peer.receive(timeout=0):
        pass


def test(t):
    s = scene.Scene(t, clients=2)
    gw = s.start(s.config([
        s.peer_config(1), s.peer_config(2, endpoint=wggo.bracket(scene.outer4(2), scene.PORT))]))
    peer, second = s.hand_peer(1), s.hand_peer(2, port=scene.PORT)
    sender = s.hand_peer(1)
    peer.initiate()
    still_up(peer)
    garbage(t, gw, peer, sender)
    initiations(t, gw, peer)
    data(t, gw, peer)
    responses(t, s, gw, second)
    with t.case("the first session is still up, and every packet ended once"):
        still_up(peer)
        gw.expect_conserved()


tap.main(test)
