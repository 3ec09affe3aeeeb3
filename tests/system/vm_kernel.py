#!/usr/bin/python3
"""Linux's own WireGuard, in a small machine under QEMU, as the peers of the gateway: handshakes in
both roles over both families, with and without a preshared key, traffic, a restart, roaming,
renewal of keys after 120 s of real time without loss. All the rest fits into these 120 s."""
import time

from lib import keys, process, scene, tap, traffic, vm, wggo

MODULES = ["virtio_net", "wireguard"]
PROGRAMS = ["ip", "wg", "ping", "iperf3"]
# client, family outside, who initiates, with a preshared key
COMBINATIONS = [(1, 4, "Linux", False), (2, 4, "the gateway", True), (3, 6, "Linux", True),
                (4, 6, "the gateway", False)]
RENEWED = (1, 4)        # these keep their sessions until they are renewed: one of each role
REKEY_SECONDS = 120
TCP_SECONDS = 3
PINGS_PER_SECOND = 2
ELSEWHERE4 = "198.51.100.77"
FULL_MTU_4, FULL_MTU_6 = 1420 - 28, 1420 - 48


def remote(family):
    return wggo.bracket(scene.WAN4 if family == 4 else scene.WAN6, scene.PORT)


def local(number, family):
    return wggo.bracket(scene.outer4(1) if family == 4 else scene.outer6(1), port(number))


def port(number):
    return 51000 + number


class KernelPeer:
    """Client `number`: an interface in a namespace of the machine, whose socket is in the first
    namespace, where the NIC is."""

    def __init__(self, machine, s, number, family, endpoint):
        self.machine, self.s, self.number = machine, s, number
        self.endpoint = remote(family) if endpoint else None
        self.namespace = machine.namespace(f"client{number}")
        self.name = f"wg{number}"
        machine.write(f"/run/{self.name}.key", s.client_keys[number].secret_text)
        if number in s.psks:
            machine.write(f"/run/{self.name}.psk", keys.text(s.psks[number]))
        self.up()

    def up(self):
        name, namespace = self.name, self.namespace.name
        peer = f"peer {self.s.key.text} allowed-ips {','.join(scene.INNER_NETWORKS)}"
        if self.endpoint:
            peer += f" endpoint {self.endpoint}"
        if self.number in self.s.psks:
            peer += f" preshared-key /run/{name}.psk"
        self.machine.shell(
            f"set -e; ip link add {name} type wireguard; ip link set {name} netns {namespace}\n"
            f"ip netns exec {namespace} wg set {name} listen-port {port(self.number)} "
            f"private-key /run/{name}.key {peer}\n"
            f"ip -n {namespace} addr add {scene.inner4(self.number)}/24 dev {name}\n"
            f"ip -n {namespace} addr add {scene.inner6(self.number)}/64 dev {name} nodad\n"
            f"ip -n {namespace} link set {name} mtu 1420 up\n"
            f"ip -n {namespace} route add 10.1.0.0/24 dev {name}\n"
            f"ip -n {namespace} -6 route add fd01::/64 dev {name}\n")

    def down(self):
        self.namespace.ip(f"link del {self.name}")

    def set(self, *argv):
        self.namespace.run("wg", "set", self.name, *argv)

    def peer(self):
        return wggo.dump_peers(self.namespace.out("wg", "show", self.name, "dump"))[self.s.key.text]


def boot(t, s):
    machine = t.enter(vm.Machine(t, MODULES, PROGRAMS, nics=[vm.Nic(s.switch, "guest", 4)]))
    s.switch.ip("link set guest master br0")
    t.on_failure(machine.describe)
    machine.shell(f"set -e; ip addr add {scene.outer4(1)}/24 dev eth0\n"
                  f"ip addr add {scene.outer6(1)}/64 dev eth0 nodad; ip link set eth0 up")
    return machine


def handshake(t, s, gw, peer, family, who, psk):
    number = peer.number
    label = f"{who} initiates over IPv{family}{', psk' if psk else ''}"
    with t.case(f"{label}: the first packets wait for the session"):
        if who == "Linux":
            traffic.ping(peer.namespace, scene.HOST4)
        else:
            traffic.ping(s.host, scene.inner4(number))
        state = gw.wait_session(s.client_keys[number].text)
        assert state["endpoint"] == local(number, family), state
        assert state["preshared_key"] == psk, state
    with t.case(f"{label}: both ways, both families inside, up to the MTU"):
        for size4, size6 in ((56, 56), (FULL_MTU_4, FULL_MTU_6)):
            traffic.ping(peer.namespace, scene.HOST4, size=size4, extra=["-M", "do"])
            traffic.ping(peer.namespace, scene.HOST6, size=size6, extra=["-M", "do"])
            traffic.ping(s.host, scene.inner4(number), size=size4, extra=["-M", "do"])
            traffic.ping(s.host, scene.inner6(number), size=size6, extra=["-M", "do"])


def check_bytes(s, gw, peer):
    def agree():
        ours, theirs = gw.peer(s.client_keys[peer.number].text), peer.peer()
        return (ours["rx_bytes"], ours["tx_bytes"]) == (theirs["tx_bytes"], theirs["rx_bytes"])

    process.wait_until(agree, lambda: f"bytes agree: {gw.peer(s.client_keys[peer.number].text)} "
                                      f"{peer.peer()}")


def transfer(t, s, peer):
    for address, extra, label in ((scene.HOST4, [], "IPv4 to the host"),
                                  (scene.HOST6, ["-R"], "IPv6 from the host")):
        with t.case(f"client{peer.number}: TCP over {label}"):
            end = traffic.iperf3(s.host, peer.namespace, address, TCP_SECONDS, extra=extra)
            t.comment(f"{traffic.tcp_mbps(end):.0f} Mb/s")
            assert end["sum_received"]["bytes"] > 1e6, end


def restart(t, s, gw, peer):
    """Linux forgets its session while the gateway has one, as after a reboot."""
    key = s.client_keys[peer.number].text
    with t.case("an interface that is made anew gets a new session, and nothing old is in the way"):
        before = gw.peer(key)["latest_handshake"]
        peer.down()
        peer.up()
        traffic.ping(peer.namespace, scene.HOST4)
        process.wait_until(lambda: gw.peer(key)["latest_handshake"] > before, "a new handshake")
        traffic.ping(s.host, scene.inner6(peer.number))


def renewal(t, s, gw, made, first):
    before = gw.verdicts()
    old = min(first[number] for number in made) + REKEY_SECONDS
    process.let_pass(max(0, old - 5 - time.time()), "keys have to grow old")
    streams = {n: traffic.PingStream(s.host, scene.inner4(n), 1 / PINGS_PER_SECOND) for n in made}
    for number, who in made.items():
        key = s.client_keys[number].text
        with t.case(f"{who} renews the session that it initiated"):
            process.wait_until(lambda: gw.peer(key)["latest_handshake"] > first[number],
                               "a second handshake", 30)
            assert gw.peer(key)["latest_handshake"] - first[number] >= REKEY_SECONDS - 1
    with t.case("each of them as the initiator"):
        for verdict in ("initiation_accepted", "response_accepted"):
            assert gw.verdicts()[verdict] > before[verdict], (before, gw.verdicts())
    for number in made:
        sent, _, _ = streams[number].stop()
        with t.case(f"client{number}: no loss while it was renewed, in {sent} packets"):
            streams[number].expect_no_loss(PINGS_PER_SECOND)


def roaming(t, s, gw, peer):
    key = s.client_keys[peer.number].text
    before = gw.peer(key)["latest_handshake"]

    def moved(endpoint):
        traffic.wait_reachable(peer.namespace, scene.HOST4)
        scene.wait_endpoint(gw, key, endpoint)
        assert gw.peer(key)["latest_handshake"] == before, "another session"
        traffic.ping(s.host, scene.inner4(peer.number))

    with t.case("Linux moves to another port"):
        peer.set("listen-port", "51999")
        moved(wggo.bracket(scene.outer4(1), 51999))
    with t.case("Linux moves to another address"):
        peer.machine.shell(f"ip addr del {scene.outer4(1)}/24 dev eth0; "
                           f"ip addr add {ELSEWHERE4}/24 dev eth0")
        moved(wggo.bracket(ELSEWHERE4, 51999))
    with t.case("Linux moves to IPv6"):
        peer.set("peer", s.key.text, "endpoint", remote(6))
        moved(wggo.bracket(scene.outer6(1), 51999))


def test(t):
    reason = vm.why_not(MODULES, PROGRAMS)
    if not reason and vm.has_sanitizers():
        reason = "the wait for new keys is as long in every build: once is enough"
    if reason:
        t.skip("Linux's WireGuard as a peer", reason)
        return
    s = scene.Scene(t, clients=0)
    s.client_keys = {number: keys.Key() for number, _, _, _ in COMBINATIONS}
    gw = s.start(s.config([
        s.peer_config(n, psk=psk, endpoint=None if who == "Linux" else local(n, family))
        for n, family, who, psk in COMBINATIONS]))
    machine = boot(t, s)
    peers, first = {}, {}
    for number, family, who, psk in COMBINATIONS:
        peers[number] = KernelPeer(machine, s, number, family, endpoint=who == "Linux")
        handshake(t, s, gw, peers[number], family, who, psk)
        first[number] = gw.peer(s.client_keys[number].text)["latest_handshake"]
    for number in (1, 2):
        transfer(t, s, peers[number])
    with t.case("both ends count the same bytes"):
        for peer in peers.values():
            check_bytes(s, gw, peer)
    restart(t, s, gw, peers[3])
    roaming(t, s, gw, peers[1])
    renewal(t, s, gw, {n: who for n, _, who, _ in COMBINATIONS if n in RENEWED}, first)
    with t.case("no drop that honest traffic cannot cause, and every packet ended once"):
        gw.expect_healthy()
        gw.expect_conserved()


tap.main(test)
