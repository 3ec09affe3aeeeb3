#!/usr/bin/python3
"""The real `wg` against the UAPI server: show, set, setconf, syncconf, addconf, showconf, dump.

Usage: wg_tool.py SERVE_UAPI. Prints TAP. `wg` looks in /var/run/wireguard, so this runs in a mount
namespace of its own, where that is an empty tmpfs; skips where it may not make one.
"""
import os
import shutil
import subprocess
import sys
import tempfile

A = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
B = "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="
ZEROS = "A" * 43 + "="
SOCKET = "/var/run/wireguard/wgt0.sock"


def skip(reason):
    print(f"1..0 # SKIP {reason}")
    sys.exit(0)


def enter_namespace():
    """Runs this script again in a namespace where /var/run/wireguard is empty."""
    if not shutil.which("wg"):
        skip("wg is not installed")
    inner = ("mount -t tmpfs tmpfs /run && mkdir -p /run/wireguard && "
             "test -d /var/run/wireguard || exit 77; exec \"$@\"")
    command = ["unshare", "-m", "sh", "-c", inner, "sh", sys.executable, *sys.argv, "--inside"]
    probe = subprocess.run(["unshare", "-m", "sh", "-c", inner, "sh", "true"],
                           capture_output=True, check=False)
    if probe.returncode:
        skip("cannot make a mount namespace")
    os.execvp("unshare", command)


def wg(*args, stdin=None, check=True):
    done = subprocess.run(["wg", *args], input=stdin, capture_output=True, text=True, timeout=30,
                          check=False)
    if check and done.returncode:
        raise AssertionError(f"wg {' '.join(args)}: {done.stderr}")
    return done if not check else done.stdout


def file_with(text):
    """A file that only we can read, gone with the namespace."""
    f = tempfile.NamedTemporaryFile("w", dir="/run", delete=False)
    f.write(text)
    f.close()
    return f.name


def dump():
    return [line.split("\t") for line in wg("show", "wgt0", "dump").splitlines()]


def reset():
    wg("setconf", "wgt0", "/dev/null")
    assert dump() == [["(none)", "(none)", "0", "off"]], dump()


def test_empty():
    assert wg("show", "interfaces") == "wgt0\n"
    assert wg("show", "wgt0") == "interface: wgt0\n", wg("show", "wgt0")
    assert dump() == [["(none)", "(none)", "0", "off"]]


def test_missing():
    done = wg("show", "nosuch", check=False)
    assert done.returncode == 1 and "Unable to access interface" in done.stderr, done


def test_set():
    wg("set", "wgt0", "listen-port", "51820", "fwmark", "0x10")
    wg("set", "wgt0", "peer", A, "endpoint", "198.51.100.7:51820", "persistent-keepalive", "25",
       "allowed-ips", "10.8.17.0/24,2001:db8:17::/48")
    assert dump() == [
        ["(none)", "(none)", "51820", "0x10"],
        [A, "(none)", "198.51.100.7:51820", "10.8.17.0/24,2001:db8:17::/48", "0", "0", "0", "25"]]
    wg("set", "wgt0", "fwmark", "off")
    wg("set", "wgt0", "peer", B, "endpoint", "[2001:db8::7]:5", "allowed-ips", "10.8.17.0/24")
    assert wg("show", "wgt0", "fwmark") == "off\n"
    assert wg("show", "wgt0", "endpoints") == f"{B}\t[2001:db8::7]:5\n{A}\t198.51.100.7:51820\n"
    # The prefix has moved.
    assert wg("show", "wgt0", "allowed-ips") == f"{B}\t10.8.17.0/24\n{A}\t2001:db8:17::/48\n"
    wg("set", "wgt0", "peer", A, "remove", "peer", B, "remove")
    assert wg("show", "wgt0", "peers") == ""


def test_wrong():
    done = wg("set", "wgt0", "peer", A, "allowed-ips", "10.0.0.0/99", check=False)
    assert done.returncode == 1, done


def test_keys():
    private = wg("genkey").strip()
    public = wg("pubkey", stdin=private).strip()
    wg("set", "wgt0", "private-key", file_with(private))
    assert wg("show", "wgt0", "private-key").strip() == private
    assert wg("show", "wgt0", "public-key").strip() == public
    # The interface is no peer of itself.
    wg("set", "wgt0", "peer", public, "allowed-ips", "10.0.0.0/8")
    assert wg("show", "wgt0", "peers") == ""
    psk = wg("genpsk").strip()
    wg("set", "wgt0", "peer", A, "preshared-key", file_with(psk))
    assert wg("show", "wgt0", "preshared-keys") == f"{A}\t{psk}\n"
    assert "(hidden)" in wg("show", "wgt0")
    wg("set", "wgt0", "peer", A, "preshared-key", "/dev/null")
    wg("set", "wgt0", "private-key", "/dev/null")
    assert wg("show", "wgt0", "preshared-keys") == f"{A}\t(none)\n"
    assert wg("show", "wgt0", "private-key") == "(none)\n"
    # A peer that becomes the interface's own is removed.
    wg("set", "wgt0", "peer", public)
    wg("set", "wgt0", "private-key", file_with(private))
    assert wg("show", "wgt0", "peers") == f"{A}\n"


def test_clamped():
    wg("set", "wgt0", "private-key", file_with("/" * 42 + "8="))
    assert wg("show", "wgt0", "private-key") == "+P" + "/" * 39 + "38=\n", \
        wg("show", "wgt0", "private-key")


CONFIG = f"""[Interface]
PrivateKey = {{private}}
ListenPort = 12345
FwMark = 0x20

[Peer]
PublicKey = {A}
PresharedKey = {B}
AllowedIPs = 10.1.0.0/16, 2001:db8::/32
Endpoint = 192.0.2.1:1000
PersistentKeepalive = 20

[Peer]
PublicKey = {B}
AllowedIPs = 0.0.0.0/0
"""


def test_conf():
    private = wg("genkey").strip()
    config = file_with(CONFIG.format(private=private))
    wg("setconf", "wgt0", config)
    there = dump()
    assert there[0][0] == private and there[0][2:] == ["12345", "0x20"], there
    assert there[1:] == [
        [B, "(none)", "(none)", "0.0.0.0/0", "0", "0", "0", "off"],
        [A, B, "192.0.2.1:1000", "10.1.0.0/16,2001:db8::/32", "0", "0", "0", "20"]], there
    shown = wg("showconf", "wgt0")
    assert "ListenPort = 12345\nFwMark = 0x20\n" in shown and f"PresharedKey = {B}" in shown, shown
    # What showconf says is what is there.
    reset()
    wg("setconf", "wgt0", file_with(shown))
    assert dump() == there
    wg("syncconf", "wgt0", file_with(shown))
    assert dump() == there
    wg("syncconf", "wgt0", file_with(f"[Interface]\nPrivateKey={private}\n[Peer]\nPublicKey={A}\n"
                                     "AllowedIPs=10.2.0.0/16\n"))
    # Peers that are not named go; of those that are, what is not named stays, but for prefixes.
    assert dump()[0][2:] == ["0", "off"], dump()
    assert dump()[1:] == [[A, B, "192.0.2.1:1000", "10.2.0.0/16", "0", "0", "0", "20"]], dump()
    wg("addconf", "wgt0", file_with(f"[Peer]\nPublicKey={B}\nAllowedIPs=::/0\n"))
    assert wg("show", "wgt0", "allowed-ips") == f"{B}\t::/0\n{A}\t10.2.0.0/16\n"


def test_many():
    """A long request and a long answer: two prefixes each for 255 peers' worth, one peer."""
    lines = [f"AllowedIPs = 10.{i}.{j}.0/32, 2001:db8:{i:x}:{j:x}::/64" for i in range(50)
             for j in range(256)]
    wg("setconf", "wgt0", file_with(f"[Peer]\nPublicKey = {A}\n" + "\n".join(lines) + "\n"))
    words = wg("show", "wgt0", "allowed-ips").split()
    assert words[0] == A and len(words) == 1 + 2 * len(lines) and len(set(words)) == len(words)


def run(name, test):
    try:
        reset()
        test()
        print(f"ok - wg_{name}")
    except (AssertionError, subprocess.SubprocessError) as why:
        print(f"not ok - wg_{name}\n# " + str(why).replace("\n", "\n# "))


def main():
    if "--inside" not in sys.argv:
        enter_namespace()
    server = subprocess.Popen([sys.argv[1], SOCKET], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True)
    tests = {name[5:]: test for name, test in globals().items() if name.startswith("test_")}
    print(f"1..{len(tests) + 1}")
    try:
        if server.stdout.readline() != "ready\n":
            print("Bail out! the server did not start")
            return 1
        for name, test in tests.items():
            run(name, test)
    finally:
        server.stdin.close()
        code = server.wait(30)
    gone = code == 0 and not os.path.exists(SOCKET)
    print(("ok" if gone else "not ok") + " - wg_server_ends_and_leaves_no_socket")
    return 0


if __name__ == "__main__":
    sys.exit(main())
