#!/usr/bin/python3
"""Packets that wait for a session or a next hop: at most 128 a peer, the oldest goes first, and
each ends with a name when there is nothing to wait for any more. The peers are silent."""
import time

from lib import packets, process, scene, tap, wggo

STAGED_MAX = 128
NOBODY = "198.51.100.99"    # on the link, but no one's
GIVES_UP_SECONDS = 120      # 20 initiations, 5 s and some apart


def send(namespace, to, count):
    """One-way datagrams, so that nothing but their number counts."""
    with packets.UdpSocket(namespace, scene.HOST4) as sender:
        for _ in range(count):
            sender.send(b"x" * 100, (to, 9))
            time.sleep(0.001)   # paced: a burst could be more than a veth takes


def staged(gw):
    return gw.counters()["staged"]


def test(t):
    s = scene.Scene(t, clients=3)
    gw = s.start(s.config([
        s.peer_config(1, endpoint=wggo.bracket(scene.outer4(1), scene.PORT)),
        s.peer_config(2, endpoint=wggo.bracket(NOBODY, scene.PORT)), s.peer_config(3)]))
    with t.case("128 wait, and for each more the oldest is dropped"):
        started = time.monotonic()
        send(s.host, scene.inner4(1), STAGED_MAX + 40)
        gw.wait_drop("staged_full", 39)
        process.wait_until(lambda: staged(gw) == STAGED_MAX, lambda: f"{staged(gw)} staged")
        assert gw.peer(s.client_keys[1].text)["drops"] == {"staged_full": 40}
        gw.expect_conserved()
    with t.case("a next hop that does not answer"):
        send(s.host, scene.inner4(2), 3)
        gw.wait_drop("staged_unresolved", 2)
        assert staged(gw) == STAGED_MAX
    with t.case("a peer without an endpoint"):
        send(s.host, scene.inner4(3), 3)
        gw.wait_drop("no_endpoint", 2)
    with t.case("a handshake message of a stranger"):
        stranger = s.hand_peer(2)
        stranger.send(b"\1\0\0\0" + bytes(144))
        gw.wait_drop("handshake_refused", 0)
        assert gw.verdicts()["bad_mac1"] == 1
    with t.case("the handshake is given up: what waits is dropped"):
        process.wait_until(lambda: gw.drops()["staged_purged"] >= STAGED_MAX,
                           lambda: f"{gw.drops()['staged_purged']} dropped", GIVES_UP_SECONDS)
        assert 95 < time.monotonic() - started, "too early"
        assert staged(gw) == 0
    with t.case("a peer that is removed takes along what waits for it"):
        send(s.host, scene.inner4(1), 5)
        process.wait_until(lambda: staged(gw) == 5, lambda: f"{staged(gw)} staged")
        gw.wg("set", "wg0", "peer", s.client_keys[1].text, "remove")
        gw.wait_drop("peer_gone", 4)
        assert staged(gw) == 0
    with t.case("every packet ended once"):
        gw.expect_conserved()


tap.main(test)
