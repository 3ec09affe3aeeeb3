#!/usr/bin/python3
"""Keepalives: the configured ones, the passive one, and the one that confirms a session."""
import time

from lib import noise, packets, scene, tap, wggo

KEEPALIVE_SECONDS = 10      # whitepaper 6.5
# Early is wrong; a machine that is short of CPUs may make it late.
EARLY_SECONDS, LATE_SECONDS = 1.5, 5


def test(t):
    s = scene.Scene(t, clients=2)
    persistent = s.hand_peer(1, port=scene.PORT)
    passive = s.hand_peer(2)
    gw = s.start(s.config([
        s.peer_config(1, endpoint=wggo.bracket(scene.outer4(1), scene.PORT),
                      **{"persistent-keepalive": 1}), s.peer_config(2)]))
    with t.case("a persistent keepalive makes the gateway initiate without traffic"):
        persistent.respond()
    with t.case("the gateway confirms the session at once"):
        started = time.monotonic()
        assert persistent.receive_packet(keepalives=True) == b""
        assert time.monotonic() - started < 2
    with t.case("persistent keepalives come every second"):
        started = time.monotonic()
        for _ in range(4):
            assert persistent.receive_packet(timeout=5, keepalives=True) == b""
        assert 2 < time.monotonic() - started < 4 + LATE_SECONDS
    with t.case("wg set turns them off"):
        gw.wg("set", "wg0", "peer", s.client_keys[1].text, "persistent-keepalive", "off")
        while persistent.receive(noise.DATA, timeout=0.1):
            pass
        assert persistent.receive(noise.DATA, timeout=3) is None
    with t.case("data without an answer is followed by one passive keepalive after 10 s"):
        passive.initiate()
        # Nobody answers an echo reply.
        passive.send_packet(packets.echo(scene.inner4(2), scene.HOST4, reply=True))
        started = time.monotonic()
        assert passive.receive_packet(KEEPALIVE_SECONDS + LATE_SECONDS, keepalives=True) == b""
        waited = time.monotonic() - started
        assert -EARLY_SECONDS < waited - KEEPALIVE_SECONDS < LATE_SECONDS, waited
        assert passive.receive_packet(timeout=2, keepalives=True) is None
    with t.case("data that is answered is followed by none"):
        passive.ping(scene.inner4(2), scene.HOST4)
        assert passive.receive_packet(KEEPALIVE_SECONDS + 2, keepalives=True) is None
    with t.case("every packet ended once"):
        gw.expect_conserved()


tap.main(test)
