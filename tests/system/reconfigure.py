#!/usr/bin/python3
"""Peers come, go and change under traffic; those that do not change lose nothing."""
import os
import signal
import threading

from lib import gateway, keys, process, scene, tap, traffic

MANY_PEERS = 2000
RELOADS = 30


class Readers:
    """Lists peers by both sockets again and again, in threads."""

    def __init__(self, gw):
        self.stop = threading.Event()
        self.failures = []
        self.threads = [threading.Thread(target=self.run, args=(one,)) for one in (
            gw.peers, lambda: gw.wg("showconf", "wg0"), lambda: gw.wg("show", "wg0", "dump"))]

    def run(self, read):
        while not self.stop.is_set():
            try:
                read()
            except Exception as failure:    # of another thread: raised where it is seen
                self.failures.append(failure)
                return

    def __enter__(self):
        for thread in self.threads:
            thread.start()

    def __exit__(self, *exception):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        if self.failures and not exception[0]:
            raise self.failures[0]
        return False


def reload_under_traffic(t, s, gw):
    client1, key1 = s.clients[1], s.client_keys[1].text
    handshake = gw.peer(key1)["latest_handshake"]
    peers = gw.config["interfaces"]["wg0"]["peers"]
    with traffic.PingStream(client1, scene.HOST4, 0.02) as stream, \
            traffic.PingStream(s.host, scene.inner6(1), 0.02) as back:
        with t.case("load adds a peer"):
            assert not traffic.reaches(s.clients[3], scene.HOST4)
            peers.append(s.peer_config(3))
            edits = gw.load()
            assert edits["peers_added"] == 1 and edits["peers_removed"] == 0, edits
            traffic.wait_reachable(s.clients[3], scene.HOST4)
        with t.case("load of the same file edits nothing"):
            assert not any(gw.load().values())
        with t.case("load removes a peer, and its packets end"):
            traffic.ping(s.clients[2], scene.HOST4)
            gone = [p for p in peers if p["name"] == "client2"]
            peers[:] = [p for p in peers if p["name"] != "client2"]
            edits = gw.load()
            assert edits["peers_removed"] == 1 and edits["peers_added"] == 0, edits
            assert s.client_keys[2].text not in gw.peers()
            before = gw.drops()["no_session"]
            assert not traffic.reaches(s.clients[2], scene.HOST4)
            gw.wait_drop("no_session", before)
        with t.case("load brings it back"):
            peers.extend(gone)
            assert gw.load()["peers_added"] == 1
            traffic.wait_reachable(s.clients[2], scene.HOST4, 20)
        with t.case("load changes a peer's prefixes"):
            entry = [p for p in peers if p["name"] == "client3"][0]
            entry["allowed-ips"].append("10.9.0.0/16")
            assert gw.load()["peers_changed"] == 1
            assert "10.9.0.0/16" in gw.peer(s.client_keys[3].text)["allowed_ips"]
        with t.case("a prefix moves from one peer to another"):
            entry["allowed-ips"].remove("10.9.0.0/16")
            peers[0]["allowed-ips"].append("10.9.0.0/16")
            gw.load()
            assert "10.9.0.0/16" in gw.peer(key1)["allowed_ips"]
            assert "10.9.0.0/16" not in gw.peer(s.client_keys[3].text)["allowed_ips"]
        with t.case(f"load adds and removes {MANY_PEERS} peers"):
            extra = [{"public-key": keys.text(os.urandom(31) + b"\1"),
                      "allowed-ips": [f"10.20.{n >> 8}.{n & 255}/32"]} for n in range(MANY_PEERS)]
            peers.extend(extra)
            assert gw.load()["peers_added"] == MANY_PEERS
            assert len(gw.peers()) == MANY_PEERS + 3
            del peers[-MANY_PEERS:]
            assert gw.load()["peers_removed"] == MANY_PEERS
            assert len(gw.peers()) == 3
        with t.case(f"{RELOADS} loads in a row, adding and removing, while others list the peers"):
            entry = peers.pop()
            gw.load()
            with Readers(gw):
                for _ in range(RELOADS):
                    peers.append(entry)
                    assert gw.load()["peers_added"] == 1
                    peers.pop()
                    assert gw.load()["peers_removed"] == 1
            peers.append(entry)
            gw.load()
        with t.case("a file with an error changes nothing"):
            state = gw.peers()
            peers.append({"public-key": "too short"})
            try:
                gw.load()
            except gateway.Refused as refused:
                errors = refused.error["data"]["errors"]
                assert errors and errors[0].startswith(gw.config_path + ":"), errors
            else:
                raise process.Failed("a bad file was loaded")
            peers.pop()
            assert gw.peers().keys() == state.keys()
        for one in (stream, back):
            with t.case(f"the unchanged peer lost nothing: {one.label}"):
                one.expect_no_loss(50)
        with t.case("and kept its session"):
            assert gw.peer(key1)["latest_handshake"] == handshake


def wg_set_under_traffic(t, s, gw):
    with traffic.PingStream(s.clients[1], scene.HOST6, 0.02) as stream:
        with t.case("wg set removes a peer and adds it again"):
            key = s.client_keys[3].text
            traffic.wait_reachable(s.clients[3], scene.HOST4, 20)
            for _ in range(3):
                gw.wg("set", "wg0", "peer", key, "remove")
                assert key not in gw.peers()
                gw.wg("set", "wg0", "peer", key, "allowed-ips",
                      f"{scene.inner4(3)}/32,{scene.inner6(3)}/128")
                assert key in gw.peers()
            traffic.wait_reachable(s.clients[3], scene.HOST4, 20)
        with t.case("the unchanged peer lost nothing"):
            stream.expect_no_loss(20)
    with t.case("load makes what wg changed as the file says"):
        gw.wg("set", "wg0", "peer", s.client_keys[3].text, "remove")
        assert gw.load()["peers_added"] == 1
    with t.case("a file that leaves CPUs open keeps those chosen at start"):
        chosen = {key: gw.config.pop(key) for key in ("control", "workers")}
        assert set(gw.load().values()) == {0}
        gw.config.update(chosen)
        assert set(gw.load().values()) == {0}
    with t.case("SIGHUP loads the file again"):
        gw.wg("set", "wg0", "peer", s.client_keys[3].text, "remove")
        gw.child.send_signal(signal.SIGHUP)
        process.wait_until(lambda: s.client_keys[3].text in gw.peers(), "the peer is back")


def interfaces(t, s, gw):
    with t.case("load adds a second interface and removes it, the first keeps running"):
        with traffic.PingStream(s.clients[1], scene.HOST4, 0.05) as stream:
            gw.config["interfaces"]["wg1"] = {"private-key-file": keys.Key().file(
                t.path("wg1.key")), "listen-port": 51999, "addresses": ["10.99.0.1/24"],
                "peers": []}
            assert gw.load()["interfaces_added"] == 1
            assert "10.99.0.1" in s.gw.ip("addr show dev wg1")
            gw.wg("show", "wg1")
            del gw.config["interfaces"]["wg1"]
            assert gw.load()["interfaces_removed"] == 1
            assert s.gw.run("ip", "link", "show", "wg1", check=False).returncode
            stream.expect_no_loss()
    with t.case("a new listen port is used at once"):
        gw.config["interfaces"]["wg0"]["listen-port"] = 51999
        gw.load()
        assert gw.wg("show", "wg0", "listen-port").strip() == "51999"
        gw.config["interfaces"]["wg0"]["listen-port"] = scene.PORT
        gw.load()
        traffic.wait_reachable(s.clients[1], scene.HOST4, 20)


def test(t):
    s = scene.Scene(t, clients=3)
    gw = s.start(s.config([s.peer_config(1), s.peer_config(2)]))
    for number in s.clients:
        s.wireguard_go(number)
    traffic.wait_reachable(s.clients[1], scene.HOST4)
    traffic.ping(s.host, scene.inner6(1))
    reload_under_traffic(t, s, gw)
    wg_set_under_traffic(t, s, gw)
    interfaces(t, s, gw)
    with t.case("no drop that honest traffic cannot cause"):
        gw.expect_healthy()
    with t.case("every packet ended once"):
        gw.expect_conserved()


tap.main(test)
