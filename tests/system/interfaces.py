#!/usr/bin/python3
"""Two WireGuard interfaces of one gateway: their own ports, keys, peers and counters; traffic from
one to the other; the same client key on both."""
from lib import keys, packets, scene, tap, traffic, wggo, wgpeer

SECOND_PORT = 51821
SECOND_NET = "10.9.0"


def test(t):
    s = scene.Scene(t, clients=2)
    second_key = keys.Key()
    config = s.config([s.peer_config(1)])
    config["interfaces"]["wg1"] = {
        "private-key-file": second_key.file(t.path("second.key")), "listen-port": SECOND_PORT,
        "addresses": [f"{SECOND_NET}.1/24"], "mtu": 1380,
        "peers": [{"name": "client2", "public-key": s.client_keys[2].text,
                   "allowed-ips": [f"{SECOND_NET}.12/32"]},
                  {"name": "client1-again", "public-key": s.client_keys[1].text,
                   "allowed-ips": [f"{SECOND_NET}.11/32"]}]}
    gw = s.start(config)
    s.wireguard_go(1)
    wggo.WireGuardGo(
        t, s.clients[2], name="wg1", key=s.client_keys[2], mtu=1380,
        addresses=[f"{SECOND_NET}.12/24"], routes=["10.1.0.0/24", "10.8.0.0/24"],
        peers=[dict(public_key=second_key.text, endpoint=f"{scene.WAN4}:{SECOND_PORT}",
                    allowed_ips=[f"{SECOND_NET}.0/24", "10.1.0.0/24", "10.8.0.0/24"])])
    s.clients[1].route(f"{SECOND_NET}.0/24", "dev wg0")
    s.clients[1].run("wg", "set", "wg0", "peer", s.key.text, "allowed-ips",
                     ",".join(scene.INNER_NETWORKS + [f"{SECOND_NET}.0/24"]))
    with t.case("each interface serves its own peer"):
        traffic.ping(s.clients[1], scene.HOST4)
        traffic.ping(s.clients[2], scene.HOST4)
        traffic.ping(s.gw, f"{SECOND_NET}.12")
    with t.case("from one interface into the other, both ways"):
        traffic.ping(s.clients[1], f"{SECOND_NET}.12")
        traffic.ping(s.clients[2], scene.inner4(1))
    with t.case("each has its own MTU"):
        traffic.ping(s.host, f"{SECOND_NET}.12", size=1380 - 28, extra=["-M", "do"])
        assert not s.host.run("ping", "-c", "1", "-W", "1", "-M", "do", "-s", str(1381 - 28),
                              f"{SECOND_NET}.12", check=False).returncode == 0
    with t.case("one key is a peer on both, with a session on each"):
        peer = t.enter(wgpeer.Peer(s.clients[1], scene.outer4(1), (scene.WAN4, SECOND_PORT),
                                   second_key.public, key=s.client_keys[1]))
        peer.initiate()
        peer.ping(f"{SECOND_NET}.11", scene.HOST4)
        traffic.ping(s.clients[1], scene.HOST4)
    with t.case("a message for one interface is nothing to the other"):
        before = sum(gw.drops().values())
        state = scene.quiet_state(gw.peers(interface="wg1")[s.client_keys[1].text])
        peer.remote = (scene.WAN4, scene.PORT)
        peer.send_packet(packets.echo(f"{SECOND_NET}.11", scene.HOST4))
        assert peer.receive_packet(timeout=0.5) is None
        assert sum(gw.drops().values()) > before
        assert scene.quiet_state(gw.peers(interface="wg1")[s.client_keys[1].text]) == state
    with t.case("show and counters name both"):
        shown = {one["name"]: one for one in gw.rpc("show")["interfaces"]}
        assert shown["wg0"]["peers"] == 1 and shown["wg1"]["peers"] == 2, shown
        assert shown["wg1"]["public_key"] == second_key.text, shown
        assert shown["wg1"]["listen_port"] == SECOND_PORT, shown
        assert [one["name"] for one in gw.rpc("show", interface="wg1")["interfaces"]] == ["wg1"]
        assert set(gw.counters()["interfaces"]) == {"wg0", "wg1"}
        assert set(gw.wg("show", "interfaces").split()) == {"wg0", "wg1"}
    with t.case("no drop that honest traffic cannot cause, and every packet ended once"):
        gw.expect_healthy()
        gw.expect_conserved()


tap.main(test)
