#!/usr/bin/python3
"""wgdp-cli and the JSON-RPC socket: what they show, what they refuse, how they end."""
import json
import os
import socket

from lib import keys, process, scene, tap, traffic


def cli(*argv):
    return process.run([os.environ["WGDP_CLI"], *argv], check=False)


def use(t, gw):
    with t.case("bad use ends with 2 and a hint"):
        for argv in ((), ("nonsense",), ("show", "wg0", "more"), ("load",), ("--nonsense",),
                     ("show", "peers", "wg0", "more"), ("counters", "peer")):
            result = cli("-s", gw.socket_path, *argv)
            assert result.returncode == 2 and result.stderr, (argv, result)
    with t.case("--help and version"):
        result = cli("--help")
        assert result.returncode == 0 and "counters" in result.stdout, result
        result = cli("-s", gw.socket_path, "version")
        assert result.returncode == 0 and result.stdout.strip(), result
    with t.case("nobody at the socket ends with 3"):
        result = cli("-s", "/nowhere/wgdp.sock", "show")
        assert result.returncode == 3, result
        assert "cannot connect to /nowhere/wgdp.sock" in result.stderr, result
    with t.case("what the daemon refuses ends with 1"):
        for argv in (("show", "wg9"), ("show", "peers", "wg9"), ("counters", "peer", "nobody"),
                     ("load", "/nowhere.yaml")):
            result = cli("-s", gw.socket_path, *argv)
            assert result.returncode == 1 and result.stderr, (argv, result)


def shows(t, s, gw):
    key = s.client_keys[1].text
    with t.case("show"):
        text = gw.cli("show")
        for word in ("wan", "lan", "wg0", str(scene.PORT), s.key.text):
            assert word in text, (word, text)
        shown = gw.cli_json("show")
        assert {port["name"] for port in shown["ports"]} == {"wan", "lan"}, shown
        assert all(port["link"] == "up" for port in shown["ports"]), shown
        assert shown["interfaces"][0]["peers"] == 2 and shown["interfaces"][0]["sessions"] == 1
        assert shown["config"] == gw.config_path and shown["uptime_s"] >= 0, shown
        assert shown["control"] == 0 and shown["workers"][0]["cpu"] == gw.config["workers"][0]
        assert "wg0" in gw.cli("show", "wg0")
    with t.case("show peers"):
        text = gw.cli("show", "peers")
        assert "client1" in text and scene.outer4(1) in text and scene.inner4(1) in text, text
        assert gw.cli("show", "peers", "wg0") == text or "client1" in gw.cli("show", "peers", "wg0")
        peers = gw.cli_json("show", "peers")["peers"]
        assert {peer["name"] for peer in peers} == {"client1", "client2"}, peers
        one = [peer for peer in peers if peer["public_key"] == key][0]
        assert one["session"] == "current" and one["rx_packets"] > 0 and one["tx_bytes"] > 0, one
    with t.case("counters"):
        assert "rx" in gw.cli("counters")
        assert len(gw.cli("counters", "--all")) > len(gw.cli("counters"))
        counters = gw.cli_json("counters")
        for group in ("totals", "workers", "control", "ports", "interfaces", "handshakes"):
            assert group in counters, counters.keys()
        assert counters["ports"].keys() == {"wan", "lan"}
        assert counters["totals"]["rx"] > 0 and counters["totals"]["tx"] > 0
        assert json.loads(gw.cli("counters", "--json")).keys() == counters.keys()
        for name in ("client1", key):
            assert "received" in gw.cli("counters", "peer", name)
    with t.case("counters by worker, and the devices' own by queue"):
        for name in ("wan", "lan"):
            port, device = counters["ports"][name], counters["devices"][name]
            assert sum(worker["rx"] for worker in port["workers"]) == port["rx"] > 0, port
            assert device["rx_packets"] >= port["rx"] and device["rx_missed"] == 0, device
            queues = device["queues"]
            assert sum(queue["rx_packets"] for queue in queues) == device["rx_packets"], device
            assert counters["device_texts"].keys() <= device.keys(), device
        assert "device wan" in gw.cli("counters"), gw.cli("counters")
    with t.case("no answer holds a private or preshared key"):
        text = "".join(gw.cli(*argv) for argv in (
            ["--json", "show"], ["--json", "show", "peers"], ["show"], ["show", "peers"],
            ["--json", "counters"], ["counters", "peer", "client1"]))
        for secret in (s.key.secret, s.psks[1]):
            assert keys.text(secret) not in text and secret.hex() not in text


def load(t, s, gw):
    with t.case("load says what it did"):
        gw.config["interfaces"]["wg0"]["peers"].append(
            {"public-key": keys.Key().text, "allowed-ips": ["10.8.0.99/32"]})
        text = gw.cli("load", gw.write())
        assert "1 peer added" in text, text
    with t.case("load names each error with its line, and ends with 1"):
        path = t.path("bad.yaml")
        with open(path, "w") as f:
            f.write("ports:\n  wan: {device: wan}\ninterfaces:\n  wg0:\n    listen-prt: 1\n")
        result = gw.run_cli("load", path)
        assert result.returncode == 1, result
        assert f"{path}:5:" in result.stderr and "listen-port" in result.stderr, result
        assert len(gw.peers()) == 3


def raw(t, gw):
    def ask(line, count=1):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
            one.settimeout(10)
            one.connect(gw.socket_path)
            one.sendall(line)
            got = b""
            while got.count(b"\n") < count:
                piece = one.recv(65536)
                if not piece:
                    break
                got += piece
            return [json.loads(text) for text in got.splitlines()]

    def request(method, number=1, **more):
        return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, **more}).encode() + \
            b"\n"

    for label, line, code in (
            ("no JSON", b"hello\n", -32700), ("an array", b"[]\n", -32600),
            ("no method", b'{"jsonrpc": "2.0", "id": 1}\n', -32600),
            ("an unknown method", request("nonsense"), -32601),
            ("params that are a number", request("show", params=1), (-32600, -32602)),
            ("a parameter of a wrong type", request("show", params={"interface": 1}), -32602),
            ("load without a path", request("load"), -32602),
            ("load of a relative path", request("load", params={"path": "a.yaml"}), -32602)):
        with t.case(f"JSON-RPC: {label}"):
            codes = code if isinstance(code, tuple) else (code,)
            answer = ask(line)[0]
            assert answer["error"]["code"] in codes and answer["error"]["message"], answer
    with t.case("JSON-RPC: several requests at once are answered in order"):
        answers = ask(b"".join(request("version", n) for n in range(20)), 20)
        assert [answer["id"] for answer in answers] == list(range(20)), answers
    with t.case("JSON-RPC: peers in pages"):
        first = gw.rpc("peers", limit=1)
        assert len(first["peers"]) == 1 and first["more"], first
        last = first["peers"][0]
        second = gw.rpc("peers", limit=1, after=last["public_key"])
        assert second["peers"][0]["public_key"] != last["public_key"]
    with t.case("JSON-RPC: who reads nothing, and who sends without end, blocks nobody"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
            one.connect(gw.socket_path)
            one.setblocking(False)
            try:
                for _ in range(1000):
                    one.send(request("counters") * 10)
            except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                pass
            assert gw.cli("show")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
            one.settimeout(10)
            one.connect(gw.socket_path)
            try:
                for _ in range(80):
                    one.sendall(b"x" * (1 << 16))
            except (BrokenPipeError, ConnectionResetError, TimeoutError):
                pass
            assert gw.cli("show")
    with t.case("the socket is the owner's alone"):
        assert os.stat(gw.socket_path).st_mode & 0o077 == 0


def test(t):
    s = scene.Scene(t, clients=2)
    gw = s.start(s.config([s.peer_config(1, psk=True), s.peer_config(2)]))
    s.wireguard_go(1)
    traffic.wait_reachable(s.clients[1], scene.HOST4)
    use(t, gw)
    shows(t, s, gw)
    load(t, s, gw)
    raw(t, gw)
    with t.case("all of it disturbed nobody"):
        traffic.ping(s.clients[1], scene.HOST4)
        gw.expect_healthy()


tap.main(test)
