"""A WireGuard peer made by hand over a UDP socket: it does what it is told, right or wrong."""
import os
import struct
import time

from lib import keys, noise, packets, process


# Of one peer the gateway takes an initiation every 20 ms, with a timestamp that is later by a step
# of 2^24 ns; so initiations of one key keep this distance (more, as a busy machine delays some).
INITIATION_SECONDS = 0.1
last_initiation = {}


def new_index():
    return struct.unpack("<I", os.urandom(4))[0]


class Peer:
    """remote: (address, port) of the gateway; remote_public: its public key in bytes."""

    def __init__(self, namespace, address, remote, remote_public, key=None, psk=None, port=0):
        self.key = key or keys.Key()
        self.namespace, self.address, self.remote = namespace, address, remote
        self.remote_public, self.psk = remote_public, psk
        self.socket = packets.UdpSocket(namespace, address, port)
        self.handshake = noise.Handshake(self.key.secret, remote_public, psk)
        self.session = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.socket.__exit__()

    def move(self, address, remote=None):
        """From now on this peer is at another address (and reaches the gateway at another)."""
        self.socket.__exit__()
        self.address, self.remote = address, remote or self.remote
        self.socket = packets.UdpSocket(self.namespace, address)

    @property
    def endpoint(self):
        """As wg prints it."""
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{address}:{self.socket.port}"

    def send(self, message):
        self.socket.send(message, self.remote)

    def receive(self, kind=None, timeout=5):
        """The next message (of a type), or None."""
        until = time.monotonic() + timeout
        while True:
            got = self.socket.receive(max(0, until - time.monotonic()))
            if got is None or kind is None or (got[0] and got[0][0] == kind):
                return got and got[0]

    def timestamp(self):
        """Now; never twice the same, as the gateway refuses what is not newer."""
        now = time.time_ns()
        return noise.tai64n(now // 10**9, now % 10**9)

    def initiation(self, timestamp=None):
        """A fresh initiation, not too soon after the last one of this key."""
        early = last_initiation.get(self.key.text, 0) + INITIATION_SECONDS - time.monotonic()
        if early > 0:
            process.let_pass(early, "initiations keep their distance")
        last_initiation[self.key.text] = time.monotonic()
        return self.handshake.initiation(noise.clamp(os.urandom(32)), new_index(),
                                         timestamp or self.timestamp())

    def initiate(self, timeout=5):
        """A whole handshake as initiator, with the keepalive that confirms it."""
        self.send(self.initiation())
        response = self.receive(noise.RESPONSE, timeout)
        if response is None:
            raise process.Failed("no response to an initiation")
        self.session = self.handshake.read_response(response)
        self.send(self.session.seal(b""))
        return self.session

    def await_initiation(self, timeout=10):
        """The gateway's next initiation, read (raises Refused if it is not for us)."""
        message = self.receive(noise.INITIATION, timeout)
        if message is None:
            raise process.Failed("the gateway does not initiate")
        self.handshake.read_initiation(message)
        return message

    def respond(self, timeout=10):
        """A whole handshake as responder."""
        self.await_initiation(timeout)
        message, self.session = self.handshake.response(noise.clamp(os.urandom(32)), new_index())
        self.send(message)
        return self.session

    def send_packet(self, packet, counter=None):
        """An inner packet under the current session; returns the message that was sent."""
        message = self.session.seal(packet, counter)
        self.send(message)
        return message

    def receive_packet(self, timeout=5, keepalives=False):
        """The next inner packet, trimmed to its length; None if nothing comes. b"": keepalive."""
        until = time.monotonic() + timeout
        while True:
            message = self.receive(noise.DATA, max(0, until - time.monotonic()))
            if message is None:
                return None
            _, plain = self.session.open(message)
            if plain:
                raw = packets.Packet(plain)
                header = 40 if raw.version == 6 else (plain[0] & 15) * 4
                return plain[:header + len(raw.payload)]
            if keepalives:
                return b""

    def exchange(self, request, wanted, timeout=5):
        """Sends an inner packet; returns the first inner Packet that is wanted."""
        self.send_packet(request)
        until = time.monotonic() + timeout
        while True:
            raw = self.receive_packet(max(0, until - time.monotonic()))
            if raw is None:
                raise process.Failed("no answer through the tunnel")
            packet = packets.Packet(raw)
            if wanted(packet):
                return packet

    def ping(self, source, destination, timeout=5, **options):
        """An echo request through the tunnel; returns the reply."""
        identifier = struct.unpack("<H", os.urandom(2))[0]
        request = packets.echo(source, destination, identifier, **options)
        kind = 129 if ":" in source else 0
        return self.exchange(request, lambda p: p.icmp and p.icmp[0] == kind and
                             struct.unpack_from(">H", p.payload, 4)[0] == identifier, timeout)


def broken(message, offset, bit=0):
    """The message with one bit flipped."""
    return message[:offset] + bytes([message[offset] ^ (1 << bit)]) + message[offset + 1:]


def remac(handshake, body):
    """The body of a handshake message with a right mac1 and no mac2."""
    return body + noise.mac16(handshake.mac1_key_out, body) + bytes(16)
