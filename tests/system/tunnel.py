#!/usr/bin/python3
"""Handshake and data both ways with wireguard-go: who initiates, both families outside and inside,
with and without a preshared key."""
from lib import process, scene, tap, traffic, wggo

# client, family outside, who initiates, with a preshared key
COMBINATIONS = [(1, 4, "the client", False), (2, 4, "the gateway", True),
                (3, 6, "the client", True), (4, 6, "the gateway", False)]
FULL_MTU_4, FULL_MTU_6 = 1420 - 28, 1420 - 48


def outer(number, family):
    return scene.outer4(number) if family == 4 else scene.outer6(number)


def both_ways(t, s, number, label):
    client = s.clients[number]
    ways = [("client to host", client, scene.HOST4, scene.HOST6),
            ("host to client", s.host, scene.inner4(number), scene.inner6(number)),
            ("client to gateway", client, scene.TUNNEL4, scene.TUNNEL6),
            ("gateway to client", s.gw, scene.inner4(number), scene.inner6(number))]
    for way, origin, to4, to6 in ways:
        with t.case(f"{label}: IPv4 inside, {way}"):
            traffic.ping(origin, to4)
            traffic.ping(origin, to4, size=FULL_MTU_4, extra=["-M", "do"])
        with t.case(f"{label}: IPv6 inside, {way}"):
            traffic.ping(origin, to6)
            traffic.ping(origin, to6, size=FULL_MTU_6, extra=["-M", "do"])


def check_bytes(gw, s, client, number):
    """What one end counts as sent, the other counts as received."""
    def agree():
        ours, theirs = gw.peer(s.client_keys[number].text), client.peer(s.key.text)
        return (ours["rx_bytes"], ours["tx_bytes"]) == (theirs["tx_bytes"], theirs["rx_bytes"])

    process.wait_until(agree, lambda: f"bytes agree: {gw.peer(s.client_keys[number].text)} "
                                      f"{client.peer(s.key.text)}")


def test(t):
    s = scene.Scene(t, clients=4)
    gw = s.start(s.config([
        s.peer_config(n, psk=psk, endpoint=None if who == "the client" else
                      wggo.bracket(outer(n, family), scene.PORT))
        for n, family, who, psk in COMBINATIONS]))
    for number, family, who, psk in COMBINATIONS:
        key = s.client_keys[number].text
        label = f"{who} initiates over IPv{family}{', psk' if psk else ''}"
        client = s.wireguard_go(number, family, endpoint=who == "the client")
        with t.case(f"{label}: the first packets wait for the session"):
            if who == "the client":
                traffic.ping(s.clients[number], scene.HOST4)
            else:
                traffic.ping(s.host, scene.inner4(number))
            peer = gw.wait_session(key)
            assert peer["latest_handshake"] > 0, peer
            assert peer["endpoint"] == wggo.bracket(outer(number, family), scene.PORT), peer
            assert peer["preshared_key"] == psk, peer
        both_ways(t, s, number, label)
        with t.case(f"{label}: both ends count the same bytes"):
            check_bytes(gw, s, client, number)
    with t.case("client to client through the gateway"):
        traffic.ping(s.clients[1], scene.inner4(3))
        traffic.ping(s.clients[4], scene.inner6(2))
    with t.case("no drop that honest traffic cannot cause"):
        gw.expect_healthy()
    with t.case("every packet ended once"):
        gw.expect_conserved()


tap.main(test)
