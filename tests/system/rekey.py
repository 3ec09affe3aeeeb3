#!/usr/bin/python3
"""130 s of real time: both ends renew their keys as initiators, and no packet is lost."""
import time

from lib import process, scene, tap, traffic, wggo

SECONDS = 130
PINGS_PER_SECOND = 10


def test(t):
    s = scene.Scene(t, clients=2)
    gw = s.start(s.config([
        s.peer_config(1), s.peer_config(2, endpoint=wggo.bracket(scene.outer6(2), scene.PORT))]))
    s.wireguard_go(1)
    s.wireguard_go(2, outer=6, endpoint=False)
    traffic.wait_reachable(s.clients[1], scene.HOST4)
    traffic.wait_reachable(s.host, scene.inner6(2))
    key = {n: s.client_keys[n].text for n in (1, 2)}
    first = {n: gw.peer(key[n])["latest_handshake"] for n in (1, 2)}
    started = time.monotonic()
    streams = [traffic.PingStream(s.clients[1], scene.HOST4, 1 / PINGS_PER_SECOND),
               traffic.PingStream(s.host, scene.inner6(2), 1 / PINGS_PER_SECOND)]

    with t.case("wireguard-go renews the session that it initiated"):
        process.wait_until(lambda: gw.peer(key[1])["latest_handshake"] > first[1],
                           "a second handshake", SECONDS + 10)
        assert time.monotonic() - started > 100
    with t.case("the gateway renews the session that it initiated"):
        process.wait_until(lambda: gw.peer(key[2])["latest_handshake"] > first[2],
                           "a second handshake", SECONDS + 10)
        assert time.monotonic() - started > 100
    process.wait_until(lambda: time.monotonic() - started > SECONDS, "the time", SECONDS + 10)
    for stream in streams:
        with t.case(f"{stream.label}: no loss over {SECONDS} s"):
            stream.expect_no_loss(SECONDS * PINGS_PER_SECOND * 3 // 4)
    with t.case("no drop that honest traffic cannot cause"):
        gw.expect_healthy()
    with t.case("every packet ended once"):
        gw.expect_conserved()


tap.main(test)
