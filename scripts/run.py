#!/usr/bin/python3
"""`make run`: shows wgdp at work in a network made of namespaces, with nothing but this machine.

A client that runs wireguard-go, the gateway, and a host behind it. The gateway's configuration is
docs/examples/quickstart/gateway.yaml. Everything is removed at the end, unless --keep is given;
--stop removes what --keep left.
"""
import argparse
import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EXAMPLE = os.path.join(SOURCE, "docs", "examples", "quickstart", "gateway.yaml")
STATE = "/run/wgdp-quickstart"
CLIENT, GATEWAY, HOST = "wgdp-client", "wgdp-gateway", "wgdp-host"
CLIENT_DEVICE = "wg-client"
START_SECONDS, STOP_SECONDS, IPERF_SECONDS = 20, 10, 3

PICTURE = """
  client                        gateway                        host behind it
  wireguard-go     192.0.2.0/24   wgdp      10.1.0.0/24
  10.8.0.2  ----- eth0      wan [  wg0   ] lan      eth0 ----- 10.1.0.2
  fd08::2        2001:db8::/64    10.8.0.1  fd01::/64          fd01::2

  Three namespaces of this machine: wgdp-client, wgdp-gateway, wgdp-host.
"""

TO_PLAY = """
It stays up. To play with it (as root):

  {cli} -s {state}/wgdp.sock show
  {cli} -s {state}/wgdp.sock show peers
  {cli} -s {state}/wgdp.sock counters
  wg show wg0
  ip netns exec wgdp-client ping 10.1.0.2
  ip netns exec wgdp-client iperf3 -c 10.1.0.2         (first: ip netns exec wgdp-host iperf3 -s)
  ip netns exec wgdp-gateway tcpdump -ni wan udp port 51820
  ip netns exec wgdp-gateway tcpdump -ni wg0
  $EDITOR {state}/gateway.yaml
  {cli} -s {state}/wgdp.sock load {state}/gateway.yaml

The gateway's log is {state}/gateway.log. To end it all: make run-stop
"""


class Failed(Exception):
    """Something did not work; the text is for the user."""


def say(text=""):
    print(text, flush=True)


def step(text):
    say(f"\n==> {text}")


def run(*argv, check=True, stdin=""):
    result = subprocess.run(argv, input=stdin, capture_output=True, text=True)
    if check and result.returncode:
        raise Failed(f"{' '.join(argv)}: {(result.stderr or result.stdout).strip()}")
    return result


def inside(namespace, *argv, **kwargs):
    return run("ip", "netns", "exec", namespace, *argv, **kwargs)


def ip(namespace, text):
    run("ip", "-n", namespace, *text.split())


def wait_until(condition, what, seconds):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise Failed(f"{what}: not within {seconds} s")
        time.sleep(0.05)


def write_secret(name, text):
    path = os.path.join(STATE, name)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write(text)
    return path


class Demonstration:
    def __init__(self, build):
        self.wgdp = os.path.join(os.path.abspath(build), "wgdp")
        self.cli_program = os.path.join(os.path.abspath(build), "cli", "wgdp-cli")
        for program in (self.wgdp, self.cli_program):
            if not os.access(program, os.X_OK):
                raise Failed(f"{program} is not there: make builds it")

    # ---- the network

    def network(self):
        step("Three namespaces, two cables")
        for namespace in (CLIENT, GATEWAY, HOST):
            run("ip", "netns", "add", namespace)
            ip(namespace, "link set lo up")
            self.sysctl(namespace, "net/ipv6/conf/default/accept_dad", 0)
        self.cable(CLIENT, "wan")
        self.cable(HOST, "lan")
        ip(CLIENT, "addr add 192.0.2.2/24 dev eth0")
        ip(CLIENT, "addr add 2001:db8::2/64 dev eth0 nodad")
        ip(HOST, "addr add 10.1.0.2/24 dev eth0")
        ip(HOST, "addr add fd01::2/64 dev eth0 nodad")
        ip(HOST, "route add default via 10.1.0.1")
        ip(HOST, "-6 route add default via fd01::1 dev eth0")
        # As on any router; what wgdp leaves to Linux is forwarded too.
        self.sysctl(GATEWAY, "net/ipv4/ip_forward", 1)
        self.sysctl(GATEWAY, "net/ipv6/conf/all/forwarding", 1)
        say(PICTURE.strip("\n"))

    def cable(self, namespace, port):
        run("ip", "link", "add", "eth0", "netns", namespace, "type", "veth",
            "peer", "name", port, "netns", GATEWAY)
        # Linux leaves checksums unfilled on virtual cables; a real one has a NIC to fill them.
        inside(namespace, "ethtool", "-K", "eth0", "tx", "off")
        ip(namespace, "link set eth0 up")
        ip(GATEWAY, f"link set {port} up")

    @staticmethod
    def sysctl(namespace, name, value):
        inside(namespace, "sh", "-c", f"echo {value} >/proc/sys/{name}")

    # ---- the two ends

    def keys(self):
        step(f"Keys and the configuration, in {STATE}")
        secret = {end: run("wg", "genkey").stdout for end in ("gateway", "client")}
        self.public = {end: run("wg", "pubkey", stdin=text).stdout.strip()
                       for end, text in secret.items()}
        for end, text in secret.items():
            write_secret(f"{end}.key", text)
        write_secret("client.psk", base64.b64encode(os.urandom(32)).decode() + "\n")
        with open(EXAMPLE) as f:
            text = f.read()
        text = re.sub(r"public-key: \S+", f"public-key: {self.public['client']}", text)
        text = re.sub(r"socket: \S+", f"socket: {STATE}/wgdp.sock", text)
        with open(os.path.join(STATE, "gateway.yaml"), "w") as f:
            f.write(text)
        shown = [line for line in text.splitlines() if not line.startswith("#")]
        say("    " + "\n    ".join(shown).strip())

    def spawn(self, name, namespace, *argv, env=None):
        """A child that outlives this process if it is to be kept."""
        with open(os.path.join(STATE, f"{name}.log"), "w") as log:
            child = subprocess.Popen(["ip", "netns", "exec", namespace, *argv], stdout=log,
                                     stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                                     env={**os.environ, **(env or {})})
        with open(os.path.join(STATE, f"{name}.pid"), "w") as f:
            f.write(str(child.pid))
        return child

    def log(self, name):
        try:
            with open(os.path.join(STATE, f"{name}.log")) as f:
                return f.read().strip()
        except FileNotFoundError:
            return ""

    def gateway(self):
        step(f"The gateway: wgdp -c {STATE}/gateway.yaml")
        child = self.spawn("gateway", GATEWAY, self.wgdp, "-c", f"{STATE}/gateway.yaml")

        def up():
            if child.poll() is not None:
                raise Failed("wgdp has ended")
            return self.cli("version", check=False).returncode == 0
        wait_until(up, "wgdp answers", START_SECONDS)
        say("\n".join("    " + line for line in self.log("gateway").splitlines()))

    def client(self):
        step("The client: wireguard-go, configured with wg")
        child = self.spawn("client", CLIENT, "wireguard-go", "-f", CLIENT_DEVICE,
                           env={"WG_PROCESS_FOREGROUND": "1"})

        def up():
            if child.poll() is not None:
                raise Failed(f"wireguard-go has ended: {self.log('client')}")
            return run("wg", "show", CLIENT_DEVICE, check=False).returncode == 0
        wait_until(up, "wireguard-go answers", START_SECONDS)
        run("wg", "set", CLIENT_DEVICE, "private-key", f"{STATE}/client.key",
            "peer", self.public["gateway"], "preshared-key", f"{STATE}/client.psk",
            "endpoint", "192.0.2.1:51820",
            "allowed-ips", "10.8.0.0/24,10.1.0.0/24,fd08::/64,fd01::/64")
        ip(CLIENT, f"addr add 10.8.0.2/24 dev {CLIENT_DEVICE}")
        ip(CLIENT, f"addr add fd08::2/64 dev {CLIENT_DEVICE} nodad")
        ip(CLIENT, f"link set {CLIENT_DEVICE} up")
        ip(CLIENT, f"route add 10.1.0.0/24 dev {CLIENT_DEVICE}")
        ip(CLIENT, f"-6 route add fd01::/64 dev {CLIENT_DEVICE}")

    # ---- what there is to see

    def traffic(self):
        step("Pings through the tunnel, both ways")
        # Cables have been plugged in a moment ago: the first handshake may have to be repeated.
        wait_until(lambda: inside(CLIENT, "ping", "-n", "-q", "-c", "1", "-W", "1", "10.1.0.2",
                                  check=False).returncode == 0, "the host answers", 20)
        for namespace, who, to in ((CLIENT, "client to host   ", "10.1.0.2"),
                                   (CLIENT, "client to host   ", "fd01::2"),
                                   (HOST, "host to client   ", "10.8.0.2"),
                                   (HOST, "host to client   ", "fd08::2"),
                                   (CLIENT, "client to gateway", "10.8.0.1"),
                                   (GATEWAY, "gateway to client", "fd08::2")):
            result = inside(namespace, "ping", "-n", "-q", "-c", "5", "-i", "0.1", "-W", "2", to,
                            check=False)
            found = re.search(r"(\d+) received.*?rtt min/avg\S* = [\d.]+/([\d.]+)/", result.stdout,
                              re.DOTALL)
            if not found or found.group(1) != "5":
                raise Failed(f"{who.strip()}, {to}:\n{result.stdout}{result.stderr}")
            say(f"    {who}  {to:10} 5 of 5, {found.group(2)} ms")
        step(f"iperf3 through the tunnel, {IPERF_SECONDS} s each way")
        for label, address, extra in (("client to host, IPv4", "10.1.0.2", []),
                                      ("host to client, IPv6", "fd01::2", ["-R"])):
            say(f"    {label}: {self.iperf3(address, extra):.0f} Mb/s")

    @staticmethod
    def iperf3(address, extra):
        server = subprocess.Popen(
            ["ip", "netns", "exec", HOST, "iperf3", "-s", "-1", "--forceflush", "-B", address],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            for line in server.stdout:
                if "Server listening" in line:
                    break
            text = inside(CLIENT, "iperf3", "-c", address, "-J", "-t", str(IPERF_SECONDS), *extra,
                          check=False).stdout
            report = json.loads(text)
            if "error" in report:
                raise Failed(f"iperf3: {report['error']}")
            return report["end"]["sum_received"]["bits_per_second"] / 1e6
        finally:
            server.terminate()
            server.wait()

    def cli(self, *argv, check=True):
        return run(self.cli_program, "-s", f"{STATE}/wgdp.sock", *argv, check=check)

    def look(self):
        for argv in (["show"], ["show", "peers"], ["counters"]):
            step(f"wgdp-cli {' '.join(argv)}")
            say("\n".join("    " + line for line in self.cli(*argv).stdout.splitlines()))

    # ---- all of it

    def show(self):
        os.makedirs(STATE, mode=0o755)
        self.network()
        self.keys()
        self.gateway()
        self.client()
        self.traffic()
        self.look()


def end_process(name):
    """Ends what spawn() started, if it is still that."""
    try:
        with open(os.path.join(STATE, f"{name}.pid")) as f:
            pid = int(f.read())
        with open(f"/proc/{pid}/cmdline") as f:
            command = f.read()
        if not any(program in command for program in ("wgdp", "wireguard-go")):
            return
        os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + STOP_SECONDS
        while running(pid):
            if time.monotonic() > until:
                os.kill(pid, signal.SIGKILL)
                break
            time.sleep(0.05)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        pass


def running(pid):
    """Whether a process is there and no zombie of ours."""
    try:
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return False
    except ChildProcessError:
        pass
    return os.path.exists(f"/proc/{pid}")


def clean_up():
    for name in ("client", "gateway"):
        end_process(name)
    there = run("ip", "netns", "list", check=False).stdout.split()
    for namespace in (CLIENT, GATEWAY, HOST):
        if namespace in there:
            run("ip", "netns", "del", namespace, check=False)
    shutil.rmtree(STATE, ignore_errors=True)


def why_not():
    if os.path.exists(STATE):
        return f"it is up already ({STATE} exists): make run-stop ends it"
    for name in ("wg0", CLIENT_DEVICE):
        if os.path.exists(f"/run/wireguard/{name}.sock"):
            return f"/run/wireguard/{name}.sock exists: another program serves an interface {name}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=os.path.join(SOURCE, "build"))
    parser.add_argument("--keep", action="store_true", help="leave it up to play with")
    parser.add_argument("--stop", action="store_true", help="end what --keep left")
    args = parser.parse_args()
    if os.geteuid() != 0:
        os.execvp("sudo", ["sudo", sys.executable, *sys.argv])
    os.environ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
    if args.stop:
        clean_up()
        return 0
    reason = why_not()
    if reason:
        say(f"make run: {reason}")
        return 1

    def stop(number, frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    keep = False
    try:
        demonstration = Demonstration(args.build)
        demonstration.show()
        keep = args.keep
        if keep:
            say(TO_PLAY.format(cli=demonstration.cli_program, state=STATE))
        return 0
    except Failed as failure:
        say(f"\nmake run: {failure}")
        if os.path.exists(STATE):
            say(f"\nThe gateway's log:\n{demonstration.log('gateway')}")
        return 1
    except KeyboardInterrupt:
        say("\nmake run: interrupted")
        return 130
    finally:
        if not keep:
            step("Cleaning up")
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            clean_up()


if __name__ == "__main__":
    sys.exit(main())
