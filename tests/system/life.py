#!/usr/bin/python3
"""Start and stop: what is checked first, what is refused, what is left behind (nothing)."""
import os
import signal
import socket

from lib import gateway, hugepages, keys, process, scene, tap, traffic

HUGEPAGES = 160     # of 2 MiB, enough for the usual packet buffers


def wgdp(s, *argv, **kwargs):
    return s.gw.run(os.environ["WGDP"], *argv, check=False, **kwargs)


def leftovers(s, gw):
    """What of a gateway is still there."""
    found = []
    if s.gw.run("ip", "link", "show", "wg0", check=False).returncode == 0:
        found.append("the TUN")
    found += s.gw.out("sh", "-c", "ls /run/wireguard /run/wgdp 2>/dev/null | grep sock || true"
                      ).split()
    found += [name for name in os.listdir(gw.directory) if "sock" in name or "lock" in name]
    return found + huge_files(s)


def huge_files(s):
    return s.gw.out("sh", "-c", "ls /dev/hugepages 2>/dev/null || true").split()


def without_start(t, s, gw):
    with t.case("--version and --help"):
        result = wgdp(s, "--version")
        assert result.returncode == 0 and result.stdout.startswith("wgdp "), result
        result = wgdp(s, "--help")
        assert result.returncode == 0 and "--check" in result.stdout, result
    with t.case("bad use ends with 2 and a hint"):
        for argv in ((), ("--nonsense",), ("-c",), ("-c", gw.config_path, "more")):
            result = wgdp(s, *argv)
            assert result.returncode == 2 and result.stderr, (argv, result)
    with t.case("--check of a good file"):
        result = wgdp(s, "--check", "-c", gw.config_path)
        assert result.returncode == 0, result
        assert "ok, 2 ports, 1 interface" in result.stdout and "1 peer" in result.stdout, result
    bad = [("an unknown key", "ports:\n  wan: {device: wan, adresses: [10.0.0.1/8]}\n", 2,
            "addresses"),
           ("a bad prefix", "ports:\n  wan:\n    device: wan\n    addresses: [10.0.0.1/33]\n", 4,
            "10.0.0.1/33"),
           ("a missing key file", "ports:\n  wan: {device: wan}\ninterfaces:\n  wg0:\n"
            "    private-key-file: nowhere.key\n", 5, "nowhere.key"),
           ("no port", "interfaces:\n  wg0: {listen-port: 1}\n", None, "port"),
           ("nothing", "", None, "empty"),
           ("a duplicate key", "ports:\n  wan: {device: wan}\nports:\n  lan: {device: lan}\n", 3,
            "ports")]
    for label, text, line, word in bad:
        with t.case(f"--check, and start, of {label}"):
            path = t.path("bad.yaml")
            with open(path, "w") as f:
                f.write(text)
            for argv in (("--check", "-c", path), ("-c", path)):
                result = wgdp(s, *argv, timeout=20)
                assert result.returncode == 1, result
                where = f"{path}:{line}:" if line else path
                assert where in result.stderr and word in result.stderr, result
    with t.case("a file that is not there"):
        result = wgdp(s, "-c", t.path("nowhere.yaml"))
        assert result.returncode == 1 and "nowhere.yaml" in result.stderr, result
    with t.case("nothing is left of all this"):
        assert not leftovers(s, gw), leftovers(s, gw)


def refused_starts(t, s):
    """Each on a configuration of its own, whose error shows at start only."""
    def variant(name, change):
        one = gateway.Gateway(t, s.gw, s.config(), name=name)
        change(one.config)
        one.write()
        return one

    def no_device(config):
        config["ports"]["wan"]["device"] = "nowhere0"

    with t.case("a port whose device does not exist"):
        one = variant("no-device", no_device)
        result = wgdp(s, "-c", one.config_path, timeout=20)
        assert result.returncode == 1 and "nowhere0" in result.stderr, result
        assert not leftovers(s, one), leftovers(s, one)
    with t.case("an interface name that Linux has already"):
        s.gw.ip("link add wg0 type bridge")
        one = variant("taken-name", lambda config: None)
        result = wgdp(s, "-c", one.config_path, timeout=20)
        s.gw.ip("link del wg0")
        assert result.returncode == 1 and "wg0" in result.stderr, result
        assert not leftovers(s, one), leftovers(s, one)
    with t.case("a listen port that another has"):
        with s.gw.inside():
            taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        taken.bind(("0.0.0.0", scene.PORT))
        one = variant("taken-port", lambda config: None)
        result = wgdp(s, "-c", one.config_path, timeout=20)
        taken.close()
        assert result.returncode == 1 and str(scene.PORT) in result.stderr, result
        assert not leftovers(s, one), leftovers(s, one)


def twice(t, s, gw):
    with t.case("a second start on the same configuration is refused, the first runs on"):
        result = wgdp(s, "-c", gw.config_path, timeout=20)
        assert result.returncode == 1, result
        assert str(gw.child.pid) in result.stderr or "already" in result.stderr, result
        traffic.ping(s.clients[1], scene.HOST4)
        gw.wg("show", "wg0")


def secrets(t, s, gw):
    with t.case("no key in the log, the command line or the environment"):
        with open(f"/proc/{gw.child.pid}/cmdline", "rb") as f:
            seen = f.read().decode()
        with open(f"/proc/{gw.child.pid}/environ", "rb") as f:
            seen += f.read().decode(errors="replace")
        seen += gw.log()
        for secret in (s.key.secret_text, s.key.secret.hex(), keys.text(s.psks[1])):
            assert secret not in seen


def stops(t, s, gw):
    for name in ("SIGTERM", "SIGINT"):
        with t.case(f"{name}, with traffic: ends with 0 and leaves nothing"):
            with traffic.PingStream(s.clients[1], scene.HOST4, 0.02):
                process.wait_until(lambda: gw.peer(s.client_keys[1].text)["rx_packets"] > 20,
                                   "traffic", 20)
                status = process.end(gw.child, getattr(signal, name), gateway.STOP_SECONDS)
            assert status == 0, (status, gw.log()[-2000:])
            assert not leftovers(s, gw), leftovers(s, gw)
        with t.case(f"it starts again after {name}, and the client comes back"):
            gw.start()
            traffic.wait_reachable(s.clients[1], scene.HOST4, 30)
    with t.case("wgdp-cli stop: the same"):
        gw.cli("stop")
        process.wait_until(lambda: gw.child.poll() is not None, "it ends", gateway.STOP_SECONDS)
        assert gw.child.returncode == 0, gw.child.returncode
        assert not leftovers(s, gw), leftovers(s, gw)
    with t.case("SIGKILL: the next start clears what is left"):
        gw.start()
        gw.kill()
        assert leftovers(s, gw), "sockets of the dead were expected"
        gw.start()
        traffic.wait_reachable(s.clients[1], scene.HOST4, 30)


def notify(t, s, gw):
    path = t.path("notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        listener.settimeout(gateway.START_SECONDS)
        gw.stop()
        os.environ["NOTIFY_SOCKET"] = path
        try:
            with t.case("systemd is told READY=1 when it serves, and STOPPING=1"):
                gw.spawn()
                assert "READY=1" in listener.recv(4096).decode().split("\n")
                gw.cli("show")
                gw.stop()
                assert "STOPPING=1" in listener.recv(4096).decode()
        finally:
            del os.environ["NOTIFY_SOCKET"]


def memory(t, s, gw, count):
    gw.config["hugepages"] = "auto"
    gw.write()
    with hugepages.Hugepages(count) as pages:
        used = pages.free >= HUGEPAGES if count else pages.free > 0
        if count and not used:
            t.skip("hugepages are used", f"only {pages.free} can be had")
            return
        at = len(gw.log())
        gw.start()
        if used:
            with t.case("hugepages are used, and no file is left of them"):
                assert gw.rpc("show")["memory"] == "hugepages" or not count
                assert not huge_files(s)
        else:
            with t.case("no hugepages: it says so, and runs"):
                assert "hugepage" in gw.log()[at:].lower(), gw.log()[at:]
                assert gw.rpc("show")["memory"] == "pages"
        traffic.wait_reachable(s.clients[1], scene.HOST4, 30)
        gw.stop()
        with t.case(f"{'with' if used else 'without'} hugepages: nothing is left"):
            assert not leftovers(s, gw), leftovers(s, gw)
            assert hugepages.read("free_hugepages") == pages.free


def test(t):
    s = scene.Scene(t)
    config = s.config([s.peer_config(1, psk=True)])
    gw = gateway.Gateway(t, s.gw, config)
    t.on_failure(gw.describe)
    without_start(t, s, gw)
    refused_starts(t, s)
    t.enter(gw)
    s.wireguard_go(1)
    traffic.wait_reachable(s.clients[1], scene.HOST4)
    twice(t, s, gw)
    secrets(t, s, gw)
    stops(t, s, gw)
    notify(t, s, gw)
    memory(t, s, gw, 0)
    memory(t, s, gw, HUGEPAGES)


tap.main(test)
