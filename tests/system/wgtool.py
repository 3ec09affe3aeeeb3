#!/usr/bin/python3
"""The wg tool and the UAPI socket behind it, against the running gateway."""
import os
import socket

from lib import keys, process, scene, tap, traffic


class Uapi:
    """A connection to the UAPI socket of an interface."""

    def __init__(self, s, interface="wg0"):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(10)
        self.socket.connect(f"/proc/{s.gw.pid}/root/run/wireguard/{interface}.sock")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.socket.close()

    def send(self, text):
        self.socket.sendall(text.encode())

    def answer(self):
        """Up to the empty line; what came before if the other end hangs up."""
        got = b""
        while not got.endswith(b"\n\n"):
            piece = self.socket.recv(65536)
            if not piece:
                break
            got += piece
        return got.decode()

    def ask(self, text):
        self.send(text)
        return self.answer()


def hexkey(key):
    return key.public.hex()


def show(t, s, gw):
    with t.case("wg show: interface"):
        assert gw.wg("show", "interfaces").split() == ["wg0"]
        assert gw.wg("show", "wg0", "public-key").strip() == s.key.text
        assert gw.wg("show", "wg0", "private-key").strip() == s.key.secret_text
        assert gw.wg("show", "wg0", "listen-port").strip() == str(scene.PORT)
        assert gw.wg("show", "wg0", "fwmark").strip() == "off"
        assert set(gw.wg("show", "wg0", "peers").split()) == \
            {key.text for key in s.client_keys.values()}
    with t.case("wg show: peers with traffic"):
        peer = gw.wg_peer(s.client_keys[1].text)
        assert peer["endpoint"] == f"{scene.outer4(1)}:{scene.PORT}", peer
        assert peer["allowed_ips"] == f"{scene.inner4(1)}/32,{scene.inner6(1)}/128", peer
        assert peer["latest_handshake"] > 0 and peer["rx_bytes"] > 0 and peer["tx_bytes"] > 0, peer
        assert peer["preshared_key"] == "(none)" and peer["keepalive"] == "off", peer
        text = gw.wg("show", "wg0")
        assert "latest handshake:" in text and "(hidden)" in text, text
    with t.case("wg show says what wgdp-cli says"):
        ours, theirs = gw.peers(), {k.text: gw.wg_peer(k.text) for k in s.client_keys.values()}
        for key, peer in theirs.items():
            assert ours[key]["latest_handshake"] == peer["latest_handshake"]
            assert ",".join(ours[key]["allowed_ips"]) == peer["allowed_ips"]


def set_peer(t, s, gw):
    key, psk = keys.Key(), keys.text(keys.new_psk())
    with t.case("wg set: a peer with everything"):
        gw.wg("set", "wg0", "peer", key.text, "preshared-key",
              keys.write_secret(t.path("set.psk"), psk), "endpoint", "[2001:db8:1::99]:1234",
              "persistent-keepalive", "25", "allowed-ips", "10.8.0.77/32,10.30.1.2/16,fd77::/48")
        peer = gw.wg_peer(key.text)
        assert peer["preshared_key"] == psk and peer["endpoint"] == "[2001:db8:1::99]:1234", peer
        assert set(peer["allowed_ips"].split(",")) == \
            {"10.8.0.77/32", "10.30.0.0/16", "fd77::/48"}, peer
        assert peer["keepalive"] == "25", peer
    with t.case("wg set: a prefix is taken from another peer"):
        other = keys.Key()
        gw.wg("set", "wg0", "peer", other.text, "allowed-ips", "10.30.0.0/16")
        assert "10.30.0.0/16" not in gw.wg_peer(key.text)["allowed_ips"]
        assert gw.wg_peer(other.text)["allowed_ips"] == "10.30.0.0/16"
        gw.wg("set", "wg0", "peer", other.text, "remove")
    with t.case("wg set: zero values turn off, remove removes"):
        gw.wg("set", "wg0", "peer", key.text, "preshared-key", "/dev/null",
              "persistent-keepalive", "0", "allowed-ips", "")
        peer = gw.wg_peer(key.text)
        assert peer["preshared_key"] == "(none)" and peer["keepalive"] == "off", peer
        assert peer["allowed_ips"] == "(none)", peer
        gw.wg("set", "wg0", "peer", key.text, "remove")
        gw.wg("set", "wg0", "peer", key.text, "remove")
        assert key.text not in gw.peers()
    with t.case("wg set: our own key is no peer"):
        gw.wg("set", "wg0", "peer", s.key.text, "allowed-ips", "10.66.0.0/16")
        assert s.key.text not in gw.peers()
    with t.case("wg set: fwmark and listen port"):
        gw.wg("set", "wg0", "fwmark", "0x10", "listen-port", "51999")
        assert gw.wg("show", "wg0", "fwmark").strip() == "0x10"
        assert gw.wg("show", "wg0", "listen-port").strip() == "51999"
        gw.wg("set", "wg0", "fwmark", "off", "listen-port", str(scene.PORT))
        assert gw.wg("show", "wg0", "fwmark").strip() == "off"


def files(t, s, gw):
    client = s.client_keys[1].text
    with t.case("wg showconf, setconf: what is shown can be set"):
        before = gw.wg("showconf", "wg0")
        assert f"PrivateKey = {s.key.secret_text}" in before, before
        path = keys.write_secret(t.path("shown.conf"), before)
        gw.wg("setconf", "wg0", path)
        after = gw.wg("showconf", "wg0")
        assert sorted(after.splitlines()) == sorted(before.splitlines()), (before, after)
        traffic.wait_reachable(s.clients[1], scene.HOST4, 20)
    with t.case("wg syncconf: the unchanged keep their sessions, others come and go"):
        handshake = gw.peer(client)["latest_handshake"]
        assert handshake
        text = gw.wg("showconf", "wg0")
        new = keys.Key()
        parts = text.split("[Peer]")
        kept = [part for part in parts if s.client_keys[2].text not in part]
        kept.append(f"\nPublicKey = {new.text}\nAllowedIPs = 10.8.0.200/32\n")
        with traffic.PingStream(s.clients[1], scene.HOST4, 0.02) as stream:
            gw.wg("syncconf", "wg0", keys.write_secret(t.path("sync.conf"), "[Peer]".join(kept)))
            found = gw.peers()
            assert new.text in found and s.client_keys[2].text not in found, found.keys()
            assert found[client]["latest_handshake"] == handshake
            traffic.ping(s.clients[1], scene.HOST4)
            stream.expect_no_loss()
    with t.case("wg addconf adds"):
        more = keys.Key()
        gw.wg("addconf", "wg0", keys.write_secret(
            t.path("add.conf"), f"[Peer]\nPublicKey = {more.text}\nAllowedIPs = 10.8.0.201/32\n"))
        assert {more.text, new.text, client} <= gw.peers().keys()


def errors(t, s, gw):
    key = hexkey(s.client_keys[1])
    refused = [("an unknown key", "set=1\nfoo=1\n\n", -22),
               ("a bad number", "set=1\nlisten_port=65536\n\n", -22),
               ("a hexadecimal mark", "set=1\nfwmark=0x10\n\n", -22),
               ("a short key", "set=1\nprivate_key=00\n\n", -22),
               ("a line without =", "set=1\nlisten_port\n\n", -71),
               ("a peer's key before a peer", "set=1\nendpoint=1.2.3.4:5\n\n", -22),
               ("a device's key after a peer", f"set=1\npublic_key={key}\nlisten_port=1\n\n", -22),
               ("a name as endpoint", f"set=1\npublic_key={key}\nendpoint=example.net:1\n\n", -22),
               ("a prefix without length",
                f"set=1\npublic_key={key}\nallowed_ip=10.0.0.1\n\n", -22),
               ("remove=false", f"set=1\npublic_key={key}\nremove=false\n\n", -22),
               ("an unknown protocol version",
                f"set=1\npublic_key={key}\nprotocol_version=2\n\n", -22)]
    for label, request, errno in refused:
        with t.case(f"UAPI: {label} is {errno}"), Uapi(s) as uapi:
            answer = uapi.ask(request)
            assert answer == f"errno={errno}\n\n", answer
            assert "errno=0\n\n" in uapi.ask("get=1\n\n")
    with t.case("UAPI: the port of another is in use"), Uapi(s) as uapi:
        with s.gw.inside():
            taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        taken.bind(("0.0.0.0", 51998))
        answer = uapi.ask("set=1\nlisten_port=51998\n\n")
        taken.close()
        assert answer == "errno=-98\n\n", answer
        assert gw.wg("show", "wg0", "listen-port").strip() == str(scene.PORT)
    with t.case("UAPI: an unknown first line ends the connection"), Uapi(s) as uapi:
        assert uapi.ask("foo=1\n\n") == ""


def protocol(t, s, gw):
    key = hexkey(s.client_keys[1])
    with t.case("UAPI: several requests on one connection, in order"), Uapi(s) as uapi:
        uapi.send("get=1\n\nset=1\n\nget=1\n\n")
        answers = [uapi.answer()]
        while sum(a.count("errno=") for a in answers) < 3:
            answers.append(uapi.answer())
        text = "".join(answers)
        assert text.count("errno=0\n\n") == 3 and text.count("private_key=") == 2, text
    with t.case("UAPI: in pieces"), Uapi(s) as uapi:
        for letter in "get=1\n\n":
            uapi.send(letter)
        assert f"public_key={key}\n" in uapi.answer()
    with t.case("UAPI: the wg tool's empty connection, and half a request"):
        for text in ("", "get=1\n", "set=1\nlisten_po"):
            with Uapi(s) as uapi:
                uapi.send(text)
        assert gw.wg("show", "wg0")
    with t.case("UAPI: who reads nothing blocks nobody"):
        with Uapi(s) as slow:
            slow.send("get=1\n\n" * 2000)
            traffic.ping(s.clients[1], scene.HOST4)
            assert gw.wg("show", "wg0")
            assert gw.cli("show")
    with t.case("UAPI: prefixes one at a time"), Uapi(s) as uapi:
        def prefixes():
            return set(gw.wg_peer(s.client_keys[1].text)["allowed_ips"].split(","))
        had = prefixes()
        assert uapi.ask(f"set=1\npublic_key={key}\nallowed_ip=10.40.0.9/16\n\n") == "errno=0\n\n"
        assert prefixes() == had | {"10.40.0.0/16"}
        assert uapi.ask(f"set=1\npublic_key={key}\nallowed_ip=-10.40.0.0/16\n"
                        "allowed_ip=-10.41.0.0/16\n\n") == "errno=0\n\n"
        assert prefixes() == had
    with t.case("UAPI: update_only does not make a peer"), Uapi(s) as uapi:
        other = hexkey(keys.Key())
        assert uapi.ask(f"set=1\npublic_key={other}\nupdate_only=true\n"
                        "allowed_ip=10.41.0.0/16\n\n") == "errno=0\n\n"
        assert f"public_key={other}" not in uapi.ask("get=1\n\n")
    with t.case("UAPI: a long answer comes whole"), Uapi(s) as uapi:
        other = hexkey(keys.Key())
        lines = "".join(f"allowed_ip=10.{50 + (n >> 16)}.{n >> 8 & 255}.{n & 255}/32\n"
                        for n in range(20000))
        assert uapi.ask(f"set=1\npublic_key={other}\n{lines}\n") == "errno=0\n\n"
        answer = uapi.ask("get=1\n\n")
        assert answer.count("allowed_ip=10.50.") == 20000, answer.count("allowed_ip=")
        assert uapi.ask(f"set=1\npublic_key={other}\nremove=true\n\n") == "errno=0\n\n"
    with t.case("the socket is the owner's alone"):
        mode = os.stat(f"/proc/{s.gw.pid}/root/run/wireguard/wg0.sock").st_mode & 0o777
        assert mode & 0o077 == 0, oct(mode)


def private_key(t, s, gw):
    with t.case("wg set private-key: peers have to come again under the new key"):
        new = keys.Key()
        gw.wg("set", "wg0", "private-key", new.file(t.path("new.key")))
        assert gw.wg("show", "wg0", "public-key").strip() == new.text
        client = s.client_keys[1].text
        process.wait_until(lambda: gw.peer(client)["session"] == "none", "sessions are gone")
        gw.wg("set", "wg0", "private-key", s.key.file(t.path("gateway.key")))
        traffic.wait_reachable(s.clients[1], scene.HOST4, 30)
    with t.case("wg set private-key: clamped; a peer with our own new key goes"):
        odd = keys.write_secret(t.path("odd.key"), keys.text(b"\xff" * 32))
        gw.wg("set", "wg0", "private-key", odd)
        clamped = keys.Key(b"\xff" * 32)
        assert gw.wg("show", "wg0", "private-key").strip() == clamped.secret_text
        other = keys.Key()
        gw.wg("set", "wg0", "peer", other.text, "allowed-ips", "10.8.0.203/32")
        gw.wg("set", "wg0", "private-key", other.file(t.path("other.key")))
        assert other.text not in gw.peers()
    with t.case("wg set private-key /dev/null: none"):
        gw.wg("set", "wg0", "private-key", "/dev/null")
        assert gw.wg("show", "wg0", "private-key").strip() == "(none)"


def test(t):
    s = scene.Scene(t, clients=2)
    gw = s.start()
    s.wireguard_go(1)
    traffic.wait_reachable(s.clients[1], scene.HOST4)
    for part in (show, set_peer, errors, protocol, files, private_key):
        part(t, s, gw)
    with t.case("every packet ended once"):
        gw.expect_conserved()


tap.main(test)
