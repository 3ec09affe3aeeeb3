"""wireguard-go as a peer in a namespace."""
import os
import subprocess

from lib import keys, process

PEER_FIELDS = ["public_key", "preshared_key", "endpoint", "allowed_ips", "latest_handshake",
               "rx_bytes", "tx_bytes", "keepalive"]


class WireGuardGo:
    """One interface. Peers: dicts of public_key, endpoint, allowed_ips, psk, keepalive."""

    def __init__(self, t, namespace, name="wg0", key=None, port=51820, addresses=(), routes=(),
                 mtu=1420, peers=()):
        self.t, self.namespace, self.name = t, namespace, name
        self.key = key or keys.Key()
        self.port = port
        self.prefix = f"{namespace.name}-{name}"
        self.log_path = t.path(f"{self.prefix}.log")
        with open(self.log_path, "w") as log:
            self.child = namespace.start(
                "env", "WG_PROCESS_FOREGROUND=1", "LOG_LEVEL=verbose", "GOMAXPROCS=2",
                "wireguard-go", "-f", name, stdout=log, stderr=subprocess.STDOUT)
        process.wait_until(self._up, lambda: f"wireguard-go is up: {self.log()}")
        self.wg("set", name, "private-key", self.key.file(t.path(f"{self.prefix}.key")),
                "listen-port", str(port))
        for peer in peers:
            self.set_peer(**peer)
        namespace.address(name, *addresses)
        namespace.ip(f"link set {name} mtu {mtu} up")
        for route in routes:
            namespace.route(route, f"dev {name}")

    def _up(self):
        if self.child.poll() is not None:
            raise process.Failed(f"wireguard-go ended: {self.log()}")
        # Not before: wg removes a socket that is there but does not listen yet.
        return "UAPI listener started" in self.log() and \
            self.namespace.run("wg", "show", self.name, check=False).returncode == 0

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def wg(self, *argv):
        return self.namespace.out("wg", *argv)

    def set_peer(self, public_key, endpoint=None, allowed_ips=None, psk=None, keepalive=None):
        argv = ["set", self.name, "peer", public_key]
        if psk:
            argv += ["preshared-key", keys.write_secret(
                self.t.path(f"{self.prefix}.psk"), keys.text(psk))]
        if endpoint:
            argv += ["endpoint", endpoint]
        if keepalive is not None:
            argv += ["persistent-keepalive", str(keepalive)]
        if allowed_ips is not None:
            argv += ["allowed-ips", ",".join(allowed_ips)]
        self.wg(*argv)

    def remove_peer(self, public_key):
        self.wg("set", self.name, "peer", public_key, "remove")

    def peers(self):
        """{public key: {field: text}}, numbers as int."""
        return dump_peers(self.wg("show", self.name, "dump"))

    def peer(self, public_key):
        return self.peers()[public_key]

    def stop(self):
        return process.end(self.child)


def dump_peers(text):
    """The peers of `wg show NAME dump`."""
    found = {}
    for line in text.splitlines()[1:]:
        peer = dict(zip(PEER_FIELDS, line.split("\t")))
        for field in ("latest_handshake", "rx_bytes", "tx_bytes"):
            peer[field] = int(peer[field])
        found[peer["public_key"]] = peer
    return found


def bracket(address, port):
    """address:port, or [address]:port."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def log_tail(peer, lines=15):
    return f"--- {os.path.basename(peer.log_path)}\n" + "\n".join(peer.log().splitlines()[-lines:])
