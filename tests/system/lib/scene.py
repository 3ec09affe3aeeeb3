"""The usual network: clients outside, the gateway, a host behind it.

    client1 eth0 --+                        10.8.0.0/24, fd08::/64 inside the tunnels
                   +-- switch -- wan [gateway] lan -- eth0 host
    client2 eth0 --+
    198.51.100.0/24, 2001:db8:1::/64        10.1.0.0/24, fd01::/64
"""
from lib import gateway, keys, net, packets, process, wggo, wgpeer

WAN4, WAN6 = "198.51.100.1", "2001:db8:1::1"
LAN4, LAN6 = "10.1.0.1", "fd01::1"
HOST4, HOST6 = "10.1.0.2", "fd01::2"
TUNNEL4, TUNNEL6 = "10.8.0.1", "fd08::1"
INNER_NETWORKS = ["10.8.0.0/24", "fd08::/64", "10.1.0.0/24", "fd01::/64"]
PORT = 51820


def outer4(number):
    return f"198.51.100.{10 + number}"


def outer6(number):
    return f"2001:db8:1::{10 + number:x}"


def inner4(number):
    return f"10.8.0.{10 + number}"


def inner6(number):
    return f"fd08::{10 + number:x}"


class Scene:
    """Clients are numbered from 1; each has a namespace, a key, and an entry in the YAML."""

    def __init__(self, t, clients=1, forward=True):
        self.t = t
        self.switch = t.enter(net.Switch())
        self.gw = t.enter(net.Namespace("gateway"))
        self.host = t.enter(net.Namespace("host"))
        self.switch.plug(self.gw, "wan")
        net.link(self.gw, "lan", self.host, "eth0")
        self.gw.address("wan", f"{WAN4}/24", f"{WAN6}/64")
        self.gw.address("lan", f"{LAN4}/24", f"{LAN6}/64")
        if forward:
            self.gw.forward()
        self.host.address("eth0", f"{HOST4}/24", f"{HOST6}/64")
        self.host.route("default", f"via {LAN4}")
        self.host.route("default", f"via {LAN6}")
        self.clients = {n: self._client(n) for n in range(1, clients + 1)}
        self.key = keys.Key()
        self.client_keys = {n: keys.Key() for n in self.clients}
        self.psks = {}
        self.gateway = None

    def _client(self, number):
        client = self.t.enter(net.Namespace(f"client{number}"))
        self.switch.plug(client, "eth0")
        client.address("eth0", f"{outer4(number)}/24", f"{outer6(number)}/64")
        return client

    # ---- the gateway

    def peer_config(self, number, endpoint=None, psk=False, **more):
        """What the YAML says of a client."""
        entry = {"name": f"client{number}", "public-key": self.client_keys[number].text}
        if endpoint:
            entry["endpoint"] = endpoint
        entry["allowed-ips"] = [f"{inner4(number)}/32", f"{inner6(number)}/128"]
        if psk:
            self.psks[number] = keys.new_psk()
            entry["preshared-key-file"] = keys.write_secret(
                self.t.path(f"client{number}.psk"), keys.text(self.psks[number]))
        entry.update(more)
        return entry

    def interface_config(self, peers, **more):
        return {"private-key-file": self.key.file(self.t.path("gateway.key")),
                "listen-port": PORT, "addresses": [f"{TUNNEL4}/24", f"{TUNNEL6}/64"], **more,
                "peers": peers}

    def config(self, peers=None, **more):
        """The usual configuration: wg0 with every client as a peer."""
        if peers is None:
            peers = [self.peer_config(n) for n in self.clients]
        return {"ports": {"wan": {"device": "wan"}, "lan": {"device": "lan"}},
                "interfaces": {"wg0": self.interface_config(peers, **more)}}

    def start(self, config=None):
        """Starts the gateway; it is ended, and looked after for sanitizer reports, at the end."""
        self.gateway = gateway.Gateway(self.t, self.gw, config or self.config())
        self.t.on_failure(self.gateway.describe)
        self.t.enter(self.gateway)
        return self.gateway

    # ---- the clients

    def wireguard_go(self, number, outer=4, endpoint=True, psk=None, keepalive=None, **more):
        """wireguard-go as client `number`; with endpoint it can initiate, without only respond."""
        remote = wggo.bracket(WAN4 if outer == 4 else WAN6, PORT)
        client = wggo.WireGuardGo(
            self.t, self.clients[number], key=self.client_keys[number],
            addresses=[f"{inner4(number)}/24", f"{inner6(number)}/64"],
            routes=["10.1.0.0/24", "fd01::/64"],
            peers=[dict(public_key=self.key.text, endpoint=remote if endpoint else None,
                        allowed_ips=INNER_NETWORKS, psk=psk or self.psks.get(number),
                        keepalive=keepalive)], **more)
        self.t.on_failure(lambda: wggo.log_tail(client))
        return client

    def hand_peer(self, number, outer=4, **more):
        """A peer made by hand in the place of client `number`."""
        six = outer == 6
        return self.t.enter(wgpeer.Peer(
            self.clients[number], outer6(number) if six else outer4(number),
            (WAN6 if six else WAN4, PORT), self.key.public, key=self.client_keys[number],
            psk=self.psks.get(number), **more))

    def capture(self, namespace, device, **more):
        return self.t.enter(packets.Capture(namespace, device, **more))


def quiet_state(peer):
    """What of a peer must not move when nothing authentic comes."""
    return {field: peer[field] for field in
            ("endpoint", "latest_handshake", "session", "rx_bytes", "tx_bytes", "rx_packets",
             "tx_packets")}


def wait_endpoint(gw, public_key, endpoint, timeout=5):
    def now():
        return gw.peer(public_key)["endpoint"]

    process.wait_until(lambda: now() == endpoint, lambda: f"endpoint {endpoint}, is {now()}",
                       timeout)
