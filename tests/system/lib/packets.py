"""Packets made and read by hand: IP, UDP, ICMP; raw sockets on an interface."""
import ipaddress
import socket
import struct
import time

from lib import process

ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 3, 0x0800, 0x86DD
ICMP, UDP, ICMPV6 = 1, 17, 58
PACKET_OUTGOING = 4
ETHERNET_BYTES = 14


def packed(address):
    return ipaddress.ip_address(address).packed


def checksum(text):
    text += b"\0" * (len(text) & 1)
    total = sum(struct.unpack(f">{len(text) // 2}H", text))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pseudo(source, destination, protocol, length):
    if len(source) == 4:
        return source + destination + struct.pack(">BBH", 0, protocol, length)
    return source + destination + struct.pack(">IBBBB", length, 0, 0, 0, protocol)


def ip(source, destination, protocol, payload, ttl=64, traffic_class=0, dont_fragment=True):
    s, d = packed(source), packed(destination)
    if len(s) == 16:
        return struct.pack(">IHBB", 6 << 28 | traffic_class << 20, len(payload), protocol,
                           ttl) + s + d + payload
    header = struct.pack(">BBHHHBBH", 0x45, traffic_class, 20 + len(payload), 0x1234,
                         0x4000 if dont_fragment else 0, ttl, protocol, 0) + s + d
    return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + payload


def udp(source, destination, source_port, destination_port, payload, **options):
    header = struct.pack(">HHHH", source_port, destination_port, 8 + len(payload), 0)
    check = checksum(pseudo(packed(source), packed(destination), UDP, len(header + payload)) +
                     header + payload) or 0xFFFF
    return ip(source, destination, UDP, header[:6] + struct.pack(">H", check) + payload, **options)


def echo(source, destination, identifier=1, sequence=1, payload=b"x" * 32, reply=False, **options):
    six = ":" in source
    kind = (129 if reply else 128) if six else (0 if reply else 8)
    body = struct.pack(">BBHHH", kind, 0, 0, identifier, sequence) + payload
    prefix = pseudo(packed(source), packed(destination), ICMPV6, len(body)) if six else b""
    body = body[:2] + struct.pack(">H", checksum(prefix + body)) + body[4:]
    return ip(source, destination, ICMPV6 if six else ICMP, body, **options)


class Packet:
    """An IP packet taken apart as far as tests ask; fields that it lacks are None."""

    def __init__(self, raw):
        self.raw = raw
        self.version = raw[0] >> 4
        if self.version == 4:
            header = (raw[0] & 15) * 4
            length, self.ttl, self.protocol = struct.unpack_from(">H", raw, 2)[0], raw[8], raw[9]
            self.traffic_class = raw[1]
            self.dont_fragment = bool(raw[6] & 0x40)
            self.fragment = bool(struct.unpack_from(">H", raw, 6)[0] & 0x3FFF)
            source, destination = raw[12:16], raw[16:20]
        else:
            header, length = 40, 40 + struct.unpack_from(">H", raw, 4)[0]
            self.protocol, self.ttl = raw[6], raw[7]
            self.traffic_class = (struct.unpack_from(">I", raw)[0] >> 20) & 255
            self.dont_fragment, self.fragment = True, self.protocol == 44
            source, destination = raw[8:24], raw[24:40]
        self.source = str(ipaddress.ip_address(source))
        self.destination = str(ipaddress.ip_address(destination))
        self.payload = raw[header:length]
        self.ports = self.udp = self.icmp = None
        if self.protocol == UDP and len(self.payload) >= 8:
            self.ports = struct.unpack_from(">HH", self.payload)
            self.udp = self.payload[8:]
        if self.protocol in (ICMP, ICMPV6) and len(self.payload) >= 8:
            self.icmp = (self.payload[0], self.payload[1])

    def __repr__(self):
        return f"<{self.source} > {self.destination} proto {self.protocol} " \
               f"ports {self.ports} icmp {self.icmp} {len(self.raw)} bytes>"


class Capture:
    """Reads frames of an interface from now on; also sends raw frames on it."""

    def __init__(self, namespace, device, outgoing=False):
        self.outgoing = outgoing
        with namespace.inside():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                        socket.htons(ETH_P_ALL))
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            self.socket.bind((device, ETH_P_ALL))
        self.socket.setblocking(False)
        self.seen = []

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.socket.close()

    def frames(self):
        """What has come so far: (raw frame, sent by this host?)."""
        while True:
            try:
                frame, address = self.socket.recvfrom(65536)
            except BlockingIOError:
                return self.seen
            sent = address[2] == PACKET_OUTGOING
            if not sent or self.outgoing:
                self.seen.append((frame, sent))

    def packets(self, wanted=lambda packet: True):
        """IP packets so far that are wanted."""
        found = []
        for frame, _ in self.frames():
            kind, = struct.unpack_from(">H", frame, 12)
            if kind in (ETH_P_IP, ETH_P_IPV6):
                packet = Packet(frame[ETHERNET_BYTES:])
                if wanted(packet):
                    found.append(packet)
        return found

    def wait(self, wanted, what, count=1, timeout=5):
        """The first packets that are wanted."""
        return process.wait_until(
            lambda: (lambda got: got if len(got) >= count else None)(self.packets(wanted)),
            lambda: f"{what}; seen {self.packets()[-10:]}", timeout)

    def send(self, frame):
        self.socket.send(frame)


def ethernet(destination, source, payload):
    kind = ETH_P_IP if payload[0] >> 4 == 4 else ETH_P_IPV6
    addresses = bytes.fromhex((destination + source).replace(":", ""))
    return addresses + struct.pack(">H", kind) + payload


class UdpSocket:
    """A UDP socket of a namespace."""

    def __init__(self, namespace, address, port=0):
        with namespace.inside():
            self.socket = socket.socket(
                socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.bind((address, port))
        self.socket.setblocking(False)

    @property
    def port(self):
        return self.socket.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.socket.close()

    def send(self, message, to):
        self.socket.sendto(message, to)

    def receive(self, timeout=5):
        """(message, sender), or None if nothing comes in time."""
        until = time.monotonic() + timeout
        while True:
            try:
                return self.socket.recvfrom(65536)
            except (BlockingIOError, ConnectionRefusedError):
                if time.monotonic() > until:
                    return None
                time.sleep(0.002)
