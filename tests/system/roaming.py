#!/usr/bin/python3
"""Where a peer is: what moves its endpoint, what must not, and where answers leave from."""
import subprocess

from lib import packets, process, scene, tap, traffic, wggo, wgpeer

ELSEWHERE4, ELSEWHERE6 = "198.51.100.77", "2001:db8:1::77"
SECOND_WAN4 = "198.51.100.2"
WIREGUARD_GO_SECONDS = 60


def by_hand(t, s, gw):
    peer = s.hand_peer(1)
    key = s.client_keys[1].text
    inner = scene.inner4(1)
    s.clients[1].address("eth0", f"{ELSEWHERE4}/24", f"{ELSEWHERE6}/64")
    s.gw.address("wan", f"{SECOND_WAN4}/24")
    peer.initiate()
    peer.ping(inner, scene.HOST4)

    with t.case("an authentic packet from another address moves the endpoint"):
        peer.move(ELSEWHERE4)
        peer.ping(inner, scene.HOST4)
        scene.wait_endpoint(gw, key, peer.endpoint)
    with t.case("from IPv4 to IPv6"):
        peer.move(ELSEWHERE6, (scene.WAN6, scene.PORT))
        peer.ping(inner, scene.HOST4)
        scene.wait_endpoint(gw, key, peer.endpoint)
    with t.case("a keepalive moves it too, from IPv6 to IPv4"):
        peer.move(scene.outer4(1), (scene.WAN4, scene.PORT))
        peer.send(peer.session.seal(b""))
        scene.wait_endpoint(gw, key, peer.endpoint)
        traffic_to_peer(s, peer, inner)
    with t.case("an initiation moves it, before its session is confirmed"):
        peer.move(ELSEWHERE4)
        peer.send(peer.initiation())
        assert peer.receive(2), "no response"
        scene.wait_endpoint(gw, key, peer.endpoint)
        peer.initiate()
    with t.case("a wrong inner source is dropped, but moves it"):
        before = gw.drops()["source_not_allowed"]
        peer.move(ELSEWHERE6, (scene.WAN6, scene.PORT))
        peer.send_packet(packets.echo("10.8.0.99", scene.HOST4))
        gw.wait_drop("source_not_allowed", before)
        scene.wait_endpoint(gw, key, peer.endpoint)

    stray = t.enter(wgpeer.Peer(s.clients[1], scene.outer4(1), (scene.WAN4, scene.PORT),
                                s.key.public, key=s.client_keys[1]))
    old = peer.send_packet(packets.echo(inner, scene.HOST4))
    peer.receive_packet()
    forgeries = [("a replay", old, "replay"),
                 ("a wrong tag", wgpeer.broken(peer.session.seal(b"x" * 16), 40), "bad_tag"),
                 ("an unknown index", b"\4\0\0\0" + b"\xff" * 60, "no_session")]
    for label, message, reason in forgeries:
        with t.case(f"{label} from elsewhere moves nothing but a counter"):
            state = scene.quiet_state(gw.peer(key))
            before = gw.drops()[reason]
            stray.send(message)
            gw.wait_drop(reason, before)
            assert scene.quiet_state(gw.peer(key)) == state, (state, gw.peer(key))

    with t.case("answers leave from the address that was addressed"):
        capture = s.capture(s.clients[1], "eth0")
        peer.move(scene.outer4(1), (SECOND_WAN4, scene.PORT))
        peer.ping(inner, scene.HOST4)
        got = capture.wait(lambda p: p.ports == (scene.PORT, peer.socket.port), "the answer")
        assert got[0].source == SECOND_WAN4, got
    with t.case("a local address that vanishes is given up"):
        s.gw.ip(f"addr del {SECOND_WAN4}/24 dev wan")
        capture = s.capture(s.clients[1], "eth0")
        process.wait_until(lambda: s.host.run("ping", "-c", "1", "-W", "1", inner, check=False) and
                           capture.packets(lambda p: p.ports == (scene.PORT, peer.socket.port) and
                                           p.source == scene.WAN4),
                           lambda: f"packets from {scene.WAN4}: {capture.packets()}")


def traffic_to_peer(s, peer, inner):
    """A packet from the host reaches the peer where it is now."""
    s.host.start("ping", "-c", "1", "-W", "1", inner, stdout=subprocess.DEVNULL)
    got = peer.receive_packet()
    assert got and packets.Packet(got).icmp == (8, 0), got


def wireguard_go(t, s, gw):
    """Moves to another port, then to another address in place of the old."""
    peer = s.wireguard_go(2)
    client, key = s.clients[2], s.client_keys[2].text
    traffic.wait_reachable(client, scene.HOST4)
    with t.case("wireguard-go moves to another port"):
        peer.wg("set", "wg0", "listen-port", "51999")
        traffic.wait_reachable(client, scene.HOST4)
        scene.wait_endpoint(gw, key, wggo.bracket(scene.outer4(2), 51999))
        traffic.ping(s.host, scene.inner4(2))
    with t.case("wireguard-go moves to another address"):
        client.ip("addr flush dev eth0 scope global")
        client.address("eth0", "198.51.100.88/24")
        # It holds on to the vanished address until it makes a new handshake.
        traffic.wait_reachable(client, scene.HOST4, WIREGUARD_GO_SECONDS)
        scene.wait_endpoint(gw, key, wggo.bracket("198.51.100.88", 51999))
        traffic.ping(s.host, scene.inner4(2))


def test(t):
    s = scene.Scene(t, clients=2)
    gw = s.start()
    by_hand(t, s, gw)
    wireguard_go(t, s, gw)
    with t.case("every packet ended once"):
        gw.expect_conserved()


tap.main(test)
