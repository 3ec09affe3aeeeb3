#!/usr/bin/python3
"""A bond of two DPDK devices as the outside port: active-backup over net_tap, whose kernel
interfaces are joined with the cable. A member that is taken down is a link that is lost: traffic
goes on over the other one, with a loss that is counted and bounded, in both directions; the gateway
needs nothing for it but its configuration."""
import json
import os
import select
import socket
import threading

from lib import process, scene, tap, traffic

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_IGNORE_OUTGOING = 23
MEMBERS = ["bond0tap", "bond1tap"]
BOND = ("net_bonding0,mode=1," +
        ",".join(f"slave=(net_tap{n},iface={name})" for n, name in enumerate(MEMBERS)))
PING_SECONDS = 0.01
# Members are looked at every 20 ms; on a machine that is busy it takes its time.
LOSS_MAX_SECONDS = 3          # on a busy machine control comes round late
# A handshake message may get lost, and is sent again after 5 s.
START_SECONDS = 30


def port(gw, name):
    return {entry["name"]: entry for entry in gw.rpc("show")["ports"]}[name]


def member_packets(s, name):
    """Frames that the member's kernel interface has handed to the switch, and been given by it."""
    counted = json.loads(s.gw.out("ip", "-j", "-s", "link", "show", name))[0]["stats64"]
    return counted["rx"]["packets"], counted["tx"]["packets"]


def expect_member(s, active, spare, client, host):
    """Traffic leaves over one of the members only."""
    before = {name: member_packets(s, name) for name in MEMBERS}
    traffic.ping(client, host, count=20, interval=PING_SECONDS)
    after = {name: member_packets(s, name) for name in MEMBERS}
    assert after[active][0] - before[active][0] >= 20, (active, before, after)
    # Neighbour discovery and the like may wander.
    assert after[spare][0] - before[spare][0] < 5, (spare, before, after)


def bounded(t, streams, what):
    for stream in streams:
        sent, lost, twice = stream.stop()
        t.comment(f"{what}: {stream.label}: {sent} sent, {len(lost)} lost {lost[:1]} to "
                  f"{lost[-1:]}, {twice} twice")
        assert sent >= 100, sent
        assert len(lost) <= LOSS_MAX_SECONDS / PING_SECONDS, f"{len(lost)} of {sent} lost"


def change(t, s, name, state, what):
    """A member changes its state under traffic in both directions."""
    client = s.clients[1]
    streams = [traffic.PingStream(client, scene.HOST4, interval=PING_SECONDS),
               traffic.PingStream(s.host, scene.inner4(1), interval=PING_SECONDS)]
    try:
        for stream in streams:
            process.wait_until(lambda: len(stream.answers) > 50, "traffic")
        s.gw.ip(f"link set {name} {state}")
        for stream in streams:
            so_far = len(stream.answers)
            process.wait_until(lambda: len(stream.answers) > so_far + 50, "traffic goes on")
    finally:
        bounded(t, streams, what)


class Hub:
    """Joins the members' kernel interfaces with the cable, as a switch that learns does. Linux's
    bridge takes frames for the MAC of one of its ports for its own; and these have the bond's."""

    def __init__(self, namespace, devices):
        self.sockets = {}
        with namespace.inside():
            for device in devices:
                s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
                s.bind((device, ETH_P_ALL))
                s.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
                self.sockets[device] = s
        self.behind = {}        # MAC: device
        self.wake, self.waker = os.pipe()
        self.thread = threading.Thread(target=self._run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exception):
        os.close(self.waker)
        self.thread.join()
        os.close(self.wake)
        for s in self.sockets.values():
            s.close()

    def _run(self):
        while True:
            ready = select.select([self.wake, *self.sockets.values()], [], [])[0]
            if self.wake in ready:
                return
            for device, s in self.sockets.items():
                if s in ready:
                    self._take(device, s)

    def _take(self, device, s):
        try:
            frame = s.recv(1 << 16)
        except OSError:     # it went down: what is behind it is to be learned anew
            self.behind = {mac: at for mac, at in self.behind.items() if at != device}
            return
        self.behind[frame[6:12]] = device
        to = self.behind.get(frame[:6])
        for other, out in self.sockets.items():
            if other != device and to in (None, other):
                try:
                    out.send(frame)
                except OSError:
                    pass


def wire(t, s):
    """The members' kernel interfaces and the cable to the switch."""
    for name in MEMBERS:
        s.gw.sysctl(f"net.ipv6.conf.{name}.disable_ipv6", 1)
        s.gw.ip(f"link set {name} up")
    t.enter(Hub(s.gw, MEMBERS + ["cable"]))


def test(t):
    s = scene.Scene(t)
    # The scene's cable is named wan, and so is wgdp's port.
    s.gw.ip("addr flush dev wan")
    s.gw.ip("link set wan down")
    s.gw.ip("link set wan name cable")
    s.gw.sysctl("net.ipv6.conf.cable.disable_ipv6", 1)
    s.gw.ip("link set cable up")
    config = s.config()
    config["ports"]["wan"] = {"device": BOND,
                              "addresses": [f"{scene.WAN4}/24", f"{scene.WAN6}/64"]}
    gw = s.start(config)
    wire(t, s)
    s.wireguard_go(1)
    with t.case("a bond of two devices with arguments of their own is a port like any other"):
        process.wait_until(lambda: port(gw, "wan")["link"] == "up", "the bond has link")
        assert port(gw, "wan")["driver"] == "net_bonding", port(gw, "wan")
        traffic.wait_reachable(s.clients[1], scene.HOST4, START_SECONDS)
        traffic.ping(s.host, scene.inner6(1))
        expect_member(s, MEMBERS[0], MEMBERS[1], s.clients[1], scene.HOST4)
    with t.case("the active member is lost under traffic: the other one takes over"):
        change(t, s, MEMBERS[0], "down", "loss of the active member")
        expect_member(s, MEMBERS[1], MEMBERS[0], s.clients[1], scene.HOST4)
        assert port(gw, "wan")["link"] == "up"
    with t.case("it comes back under traffic"):
        change(t, s, MEMBERS[0], "up", "return of the member")
        traffic.ping(s.host, scene.inner4(1))
    with t.case("the other one is lost"):
        change(t, s, MEMBERS[1], "down", "loss of the other member")
        expect_member(s, MEMBERS[0], MEMBERS[1], s.clients[1], scene.HOST4)
    with t.case("with no member left the port has no link, and comes back with one of them"):
        s.gw.ip(f"link set {MEMBERS[0]} down")
        process.wait_until(lambda: port(gw, "wan")["link"] == "down", "no link", 5)
        s.gw.ip(f"link set {MEMBERS[1]} up")
        process.wait_until(lambda: port(gw, "wan")["link"] == "up", "link", 5)
        traffic.wait_reachable(s.clients[1], scene.HOST4, START_SECONDS)
        traffic.ping(s.host, scene.inner4(1))
    with t.case("TCP over the bond"):
        end = traffic.iperf3(s.host, s.clients[1], scene.HOST4, 2)
        t.comment(f"{traffic.tcp_mbps(end):.0f} Mb/s")
    with t.case("every packet ended once, and after the end nothing of it is left"):
        gw.expect_healthy()
        gw.expect_conserved()
        t.comment(json.dumps({k: n for k, n in gw.drops().items() if n}))
        assert gw.stop() == 0, gw.log()[-2000:]
        for name in MEMBERS + ["wan"]:
            assert s.gw.run("ip", "link", "show", name, check=False).returncode != 0, name


tap.main(test)
