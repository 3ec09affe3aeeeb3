#!/usr/bin/python3
"""wgdp-cli against a server with fixed answers: output, errors, exit codes.

Usage: cli.py WGDP_CLI SERVE_RPC. Prints TAP.
"""
import json
import os
import re
import socket
import subprocess
import sys
import tempfile

CLI, SERVER = (os.path.abspath(path) for path in sys.argv[1:3])
directory = tempfile.TemporaryDirectory()
os.chdir(directory.name)
SOCKET = os.path.join(directory.name, "wgdp.sock")


def cli(*args, path=SOCKET, code=0):
    done = subprocess.run([CLI, "-s", path, *args], capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode == code, (args, done)
    return done


def lines(*args):
    done = cli(*args)
    assert done.stderr == "", done
    return done.stdout.splitlines()


def key(number):
    import base64
    return base64.b64encode(bytes([number >> 8, number & 255]) + bytes(30)).decode()


def test_show():
    out = lines("show")
    assert out[0] == "wgdp 9.8.7, up 1 h 2 min, configured by /etc/wgdp/gw.yaml", out
    assert out[1] == "control on CPU 0, workers on CPU 1 (backoff), packets in pages", out
    assert out[3].split() == ("PORT DEVICE DRIVER LINK CHANGES MAC MTU LINUX RX PACKETS "
                              "TX PACKETS"
                              ).split(), out
    assert out[4].split() == ("wan eth1 net_af_packet up 10000 Mb/s 4 02:00:00:00:00:01 1500 "
                              "eth1 123456789012 5"
                              ).split(), out
    assert out[7].split() == ["wg0", "51820", "0x10", "1420", "2500", "7", "10.8.0.1/16,",
                              "fd00::1/64", "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="], out
    assert out[8].split() == ["wg1", "0", "-", "1420", "0", "0", "-", "-"], out
    # Columns stand under each other: numbers end, texts start where their header does.
    assert out[6].index("PEERS") + 5 == out[7].index("2500") + 4, out
    assert out[6].index("PUBLIC KEY") == out[7].index("xTIB"), out


def test_show_interface():
    out = lines("show", "wg0")
    assert out[0].startswith("INTERFACE") and out[1].startswith("wg0"), out[:3]
    assert out[3].startswith("INTERFACE") and len(out) == 4 + 2500, len(out)
    done = cli("show", "wg7", code=1)
    assert done.stderr == "wgdp-cli: no interface wg7\n" and done.stdout == "", done


def test_show_ports():
    out = [re.split(r"  +", line) for line in lines("show", "ports")]
    assert out[0][:3] == ["PORT", "DEVICE", "DRIVER"] and out[1][:2] == ["wan", "eth1"], out
    assert out[3:5] == [["PORT", "NODE", "RX QUEUES", "TX QUEUES"], ["wan", "1", "2", "4"]], out
    assert out[6:] == [["PORT", "LACKS", "MEANING"], ["wan", "rss", "all to one queue"]], out
    assert json.loads(cli("--json", "show", "ports").stdout)[0]["lacks"] == {
        "rss": "all to one queue"}
    cli("show", "ports", "wan", code=2)


def test_show_peers():
    for args in (("show", "peers"), ("show", "peers", "wg0")):
        out = lines(*args)
        assert len(out) == 1 + 2500, len(out)
        assert re.split(r"  +", out[0]) == ["INTERFACE", "PEER", "ENDPOINT", "LATEST HANDSHAKE",
                                            "RX", "TX", "DROPS", "ALLOWED IPS"], out[0]
        assert re.split(r"  +", out[1]) == ["wg0", "branch-0", "-", "never", "1.50 KiB",
                                            "3.00 GiB", "0", "10.8.0.0/24, 2001:db8::/48"], out[1]
        row = re.split(r"  +", out[2])
        assert row[1:3] == ["AAEAAAAA...", "198.51.100.7:51820"] and row[6] == "7", row
        assert re.fullmatch(r"\d+ d \d+ h ago", row[3]), row
    assert lines("show", "peers", "wg1") == ["no peers"]


def test_json():
    assert json.loads(cli("--json", "show").stdout)["uptime_s"] == 3723
    assert json.loads(cli("show", "wg0", "--json").stdout)["interfaces"][0]["name"] == "wg0"
    peers = json.loads(cli("--json", "show", "peers").stdout)
    assert len(peers["peers"]) == 2500 and peers["more"] is False
    assert [p["public_key"] for p in peers["peers"]] == [key(i) for i in range(2500)]
    assert json.loads(cli("--json", "show", "peers", "wg1").stdout) == {"peers": [], "more": False}
    assert json.loads(cli("counters", "--json").stdout)["totals"]["drops"]["replay"] == 3
    assert json.loads(cli("--json", "version").stdout)["dpdk"] == "22.11.11"
    assert json.loads(cli("--json", "load", "good.yaml").stdout)["edits"]["peers_removed"] == 2


def test_counters():
    out = [re.split(r"  +", line.strip()) for line in lines("counters")]
    assert out == [
        ["WHERE", "COUNTER", "VALUE", "MEANING"], ["total", "rx", "10"], ["total", "tx", "7"],
        ["total", "drop replay", "3", "nonce seen before or too old"],
        ["worker 0", "rx", "10"], ["worker 0", "tx", "7"],
        ["worker 0", "drop replay", "3", "nonce seen before or too old"], ["control", "made", "2"],
        ["port wan", "rx", "10"], ["device eth1", "rx_packets", "12"],
        ["device eth1", "rx_missed", "2", "workers too slow"],
        ["interface wg0", "tx", "7"], ["handshakes", "accepted", "1"], [""],
        ["PORT", "WORKER", "RX", "TX"], ["wan", "0", "4", "1"], ["wan", "1", "6", "0"], [""],
        ["DEVICE", "QUEUE", "RX PACKETS", "RX BYTES", "RX ERRORS", "TX PACKETS", "TX BYTES"],
        ["eth1", "0", "5", "0", "0", "0", "600"], ["eth1", "1", "7", "0", "0", "0", "0"],
    ], out
    every = [re.split(r"  +", line.strip()) for line in lines("counters", "--all")]
    assert [row for row in every if row not in out] == [
        ["total", "drop bad_tag", "0"], ["total", "staged", "0"],
        ["worker 0", "drop bad_tag", "0"], ["device eth1", "rx_errors", "0"],
        ["handshakes", "refused", "0"]], every


def test_counters_peer():
    out = lines("counters", "peer", key(1), "wg0")
    assert out[0] == "peer - on wg0" and out[1].split() == ["public", "key", key(1)], out
    assert "  received              12 packets, 1.50 KiB" in out, out
    assert "  source ports          8" in out, out
    assert "  persistent keepalive  every 25 s" in out, out
    assert "  dropped               3 replay" in out, out
    # On the last page.
    assert lines("counters", "peer", "branch-2498")[0] == "peer branch-2498 on wg0"
    done = cli("counters", "peer", "branch-2499", code=1)
    assert done.stderr == "wgdp-cli: no peer has the name or public key branch-2499\n", done


def test_load():
    assert lines("load", "good.yaml") == ["loaded: 1 peer added, 2 removed, 0 changed"]
    assert lines("load", "good.yaml.other") == [
        "loaded: 1 peer added, 2 removed, 0 changed; 2 other edits"]
    done = cli("load", "gw.yaml", code=1)
    assert done.stdout == "" and done.stderr == (
        f"{os.getcwd()}/gw.yaml:3: first\ngw.yaml:4: second\n"), done


def test_version():
    out = lines("version")
    assert out[0].startswith("wgdp-cli ") and out[1] == "wgdp 9.8.7 (DPDK 22.11.11, ipsec-mb)", out
    assert lines("--version") == out[:1]


def test_usage():
    for args in ((), ("nonsense",), ("show", "a", "b"), ("load",), ("load", "a", "b"),
                 ("stop", "now"), ("--nonsense",), ("counters", "x"), ("counters", "peer"),
                 ("-s",), ("version", "x"), ("show", "peers", "a", "b")):
        done = cli(*args, code=2)
        assert "usage: wgdp-cli" in done.stderr and done.stdout == "", done
    out = "\n".join(lines("--help"))
    for word in ("show", "show peers", "counters", "counters peer", "load", "stop", "version"):
        assert f"\n  {word} " in out, out


def test_unreachable():
    gone = os.path.join(directory.name, "gone.sock")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(gone)
    done = cli("show", path=gone, code=3)
    assert done.stderr == (f"wgdp-cli: cannot connect to {gone}: Connection refused: "
                           "is wgdp running?\n"), done
    done = cli("stop", path="/nonexistent.sock", code=3)
    assert done.stderr == ("wgdp-cli: cannot connect to /nonexistent.sock: No such file or "
                           "directory: is wgdp running?\n"), done
    done = cli("show", path="/" + "x" * 200, code=3)
    assert "File name too long" in done.stderr, done


def test_full_disk():
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([CLI, "-s", SOCKET, "show"], stdout=full, stderr=subprocess.PIPE,
                              text=True, check=False)
    assert done.returncode == 1 and "No space left" in done.stderr, done


def test_stop():
    assert lines("stop") == []


def run(name, test):
    try:
        test()
        print(f"ok - cli_{name}")
    except (AssertionError, LookupError, ValueError, subprocess.SubprocessError) as why:
        print(f"not ok - cli_{name}\n# " + repr(why).replace("\n", "\n# "))


def main():
    server = subprocess.Popen([SERVER, SOCKET], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True)
    tests = {name[5:]: test for name, test in globals().items() if name.startswith("test_")}
    print(f"1..{len(tests) + 1}")
    try:
        if server.stdout.readline() != "ready\n":
            print("Bail out! the server did not start")
            return 1
        for name, test in tests.items():
            run(name, test)
        # `stop` was the last test: the server ends by itself.
        code = server.wait(30)
    finally:
        server.stdin.close()
        server.wait(30)
    print(("ok" if code == 0 else "not ok") + " - cli_server_stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
