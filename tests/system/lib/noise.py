"""WireGuard's cryptography and handshake in plain Python, for peers that misbehave on purpose.

Written from the protocol's description with the standard library only (hashlib has BLAKE2s), so
it shares no code with the gateway. Slow and not constant time: for tests only.
"""
import hashlib
import struct

P25519 = 2**255 - 19
MASK32 = 0xFFFFFFFF
SIGMA = struct.unpack("<4I", b"expand 32-byte k")
QUARTERS = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
            (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]


def clamp(secret):
    b = bytearray(secret)
    b[0] &= 248
    b[31] = (b[31] & 127) | 64
    return bytes(b)


def x25519(scalar, u):
    """RFC 7748; the scalar is clamped here, the top bit of u ignored."""
    k = int.from_bytes(clamp(scalar), "little")
    x1 = (int.from_bytes(u, "little") & ((1 << 255) - 1)) % P25519
    x2, z2, x3, z3, swap = 1, 0, x1, 1, 0
    for t in range(254, -1, -1):
        bit = (k >> t) & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % P25519, b * b % P25519, d * a % P25519, c * b % P25519
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P25519, x1 * (da - cb) ** 2 % P25519
        x2, z2 = aa * bb % P25519, e * (aa + 121665 * e) % P25519
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P25519 - 2, P25519) % P25519).to_bytes(32, "little")


def pubkey(secret):
    return x25519(secret, (9).to_bytes(32, "little"))


def chacha_rounds(s):
    for _ in range(10):
        for a, b, c, d in QUARTERS:
            s[a] = (s[a] + s[b]) & MASK32
            x = s[d] ^ s[a]
            s[d] = ((x << 16) | (x >> 16)) & MASK32
            s[c] = (s[c] + s[d]) & MASK32
            x = s[b] ^ s[c]
            s[b] = ((x << 12) | (x >> 20)) & MASK32
            s[a] = (s[a] + s[b]) & MASK32
            x = s[d] ^ s[a]
            s[d] = ((x << 8) | (x >> 24)) & MASK32
            s[c] = (s[c] + s[d]) & MASK32
            x = s[b] ^ s[c]
            s[b] = ((x << 7) | (x >> 25)) & MASK32


def chacha20_block(key, counter, nonce12):
    start = [*SIGMA, *struct.unpack("<8I", key), counter & MASK32, *struct.unpack("<3I", nonce12)]
    state = start[:]
    chacha_rounds(state)
    return struct.pack("<16I", *((a + b) & MASK32 for a, b in zip(state, start)))


def hchacha20(key, nonce16):
    state = [*SIGMA, *struct.unpack("<8I", key), *struct.unpack("<4I", nonce16)]
    chacha_rounds(state)
    return struct.pack("<8I", *state[0:4], *state[12:16])


def chacha20_xor(key, nonce12, text):
    out = bytearray()
    for i in range(0, len(text), 64):
        block = chacha20_block(key, 1 + i // 64, nonce12)
        out += bytes(a ^ b for a, b in zip(text[i:i + 64], block))
    return bytes(out)


def poly1305(key, message):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    s = int.from_bytes(key[16:], "little")
    acc, p = 0, (1 << 130) - 5
    for i in range(0, len(message), 16):
        acc = (acc + int.from_bytes(message[i:i + 16] + b"\x01", "little")) * r % p
    return ((acc + s) & ((1 << 128) - 1)).to_bytes(16, "little")


def aead_tag(key, nonce12, aad, box):
    return poly1305(chacha20_block(key, 0, nonce12)[:32],
                    aad + bytes(-len(aad) % 16) + box + bytes(-len(box) % 16) +
                    struct.pack("<QQ", len(aad), len(box)))


def seal12(key, nonce12, plain, aad):
    box = chacha20_xor(key, nonce12, plain)
    return box + aead_tag(key, nonce12, aad, box)


def open12(key, nonce12, box, aad):
    """The plaintext, or None if the tag is wrong."""
    if len(box) < 16 or aead_tag(key, nonce12, aad, box[:-16]) != box[-16:]:
        return None
    return chacha20_xor(key, nonce12, box[:-16])


def counter_nonce(counter):
    return bytes(4) + struct.pack("<Q", counter)


def seal(key, counter, plain, aad=b""):
    return seal12(key, counter_nonce(counter), plain, aad)


def unseal(key, counter, box, aad=b""):
    return open12(key, counter_nonce(counter), box, aad)


def xseal(key, nonce24, plain, aad):
    return seal12(hchacha20(key, nonce24[:16]), bytes(4) + nonce24[16:], plain, aad)


def xopen(key, nonce24, box, aad):
    return open12(hchacha20(key, nonce24[:16]), bytes(4) + nonce24[16:], box, aad)


def hash32(*parts):
    return hashlib.blake2s(b"".join(parts)).digest()


def mac16(key, text):
    return hashlib.blake2s(text, key=key, digest_size=16).digest()


def hmac32(key, text):
    key = (hash32(key) if len(key) > 64 else key).ljust(64, b"\0")
    return hash32(bytes(b ^ 0x5C for b in key), hash32(bytes(b ^ 0x36 for b in key), text))


def kdf(n, chaining_key, material):
    secret, out, previous = hmac32(chaining_key, material), [], b""
    for i in range(1, n + 1):
        previous = hmac32(secret, previous + bytes([i]))
        out.append(previous)
    return out


CHAINING_KEY_0 = hash32(b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s")
HASH_0 = hash32(CHAINING_KEY_0, b"WireGuard v1 zx2c4 Jason@zx2c4.com")
TAI64_BASE = 0x400000000000000A
INITIATION, RESPONSE, COOKIE, DATA = 1, 2, 3, 4
INITIATION_BYTES, RESPONSE_BYTES, COOKIE_BYTES, DATA_MIN_BYTES = 148, 92, 64, 32


def tai64n(seconds, nanoseconds):
    return struct.pack(">QI", TAI64_BASE + seconds, nanoseconds & ~0xFFFFFF)


class Refused(Exception):
    """A received message is not acceptable; the text says why."""


class Session:
    """Transport keys and indices as one end sees them."""

    def __init__(self, send, receive, local, remote):
        self.send, self.receive, self.local, self.remote = send, receive, local, remote
        self.counter = 0

    def seal(self, plain, counter=None):
        """A data message; padded as the protocol asks. counter: this one, instead of the next."""
        if counter is None:
            counter = self.counter
            self.counter += 1
        plain += bytes(-len(plain) % 16)
        return struct.pack("<IIQ", DATA, self.remote, counter) + seal(self.send, counter, plain)

    def seal_exactly(self, plain):
        """A data message with the plaintext as it is, unpadded."""
        counter = self.counter
        self.counter += 1
        return struct.pack("<IIQ", DATA, self.remote, counter) + seal(self.send, counter, plain)

    def open(self, message):
        """(counter, plaintext with its padding)."""
        if len(message) < DATA_MIN_BYTES:
            raise Refused("length")
        kind, index, counter = struct.unpack_from("<IIQ", message)
        if kind != DATA or index != self.local:
            raise Refused("type or index")
        plain = unseal(self.receive, counter, message[16:])
        if plain is None:
            raise Refused("tag")
        return counter, plain


class Handshake:
    """One end's side of handshakes with one remote."""

    def __init__(self, secret, remote_public, psk=None):
        self.secret, self.public = clamp(secret), pubkey(secret)
        self.remote, self.psk = remote_public, psk or bytes(32)
        self.static_static = x25519(self.secret, remote_public)
        self.mac1_key_out = hash32(b"mac1----", remote_public)
        self.mac1_key_in = hash32(b"mac1----", self.public)
        self.cookie_key_in = hash32(b"cookie--", remote_public)
        self.cookie_key_out = hash32(b"cookie--", self.public)
        self.cookie = None
        self.last_mac1 = None

    def with_macs(self, body):
        """Appends mac1, and mac2 if there is a cookie (else zeros)."""
        self.last_mac1 = mac16(self.mac1_key_out, body)
        mac2 = mac16(self.cookie, body + self.last_mac1) if self.cookie else bytes(16)
        return body + self.last_mac1 + mac2

    def initiation(self, ephemeral, index, timestamp):
        public = pubkey(ephemeral)
        ck, h = CHAINING_KEY_0, hash32(HASH_0, self.remote)
        ck, = kdf(1, ck, public)
        h = hash32(h, public)
        ck, key = kdf(2, ck, x25519(ephemeral, self.remote))
        static = seal(key, 0, self.public, h)
        h = hash32(h, static)
        ck, key = kdf(2, ck, self.static_static)
        stamp = seal(key, 0, timestamp, h)
        self.ck, self.h = ck, hash32(h, stamp)
        self.ephemeral, self.index = ephemeral, index
        return self.with_macs(struct.pack("<II", INITIATION, index) + public + static + stamp)

    def read_response(self, message):
        """Session, or Refused; the handshake's state stays, so another response may follow."""
        if len(message) != RESPONSE_BYTES or struct.unpack_from("<I", message)[0] != RESPONSE:
            raise Refused("type or length")
        if mac16(self.mac1_key_in, message[:60]) != message[60:76]:
            raise Refused("mac1")
        sender, receiver = struct.unpack_from("<II", message, 4)
        if receiver != self.index:
            raise Refused("receiver index")
        public = message[12:44]
        h = hash32(self.h, public)
        ck, = kdf(1, self.ck, public)
        ck, = kdf(1, ck, x25519(self.ephemeral, public))
        ck, = kdf(1, ck, x25519(self.secret, public))
        ck, tau, key = kdf(3, ck, self.psk)
        h = hash32(h, tau)
        if unseal(key, 0, message[44:60], h) is None:
            raise Refused("tag")
        send, receive = kdf(2, ck, b"")
        return Session(send, receive, receiver, sender)

    def read_initiation(self, message):
        """Takes the remote's initiation in; returns its timestamp."""
        if len(message) != INITIATION_BYTES or struct.unpack_from("<I", message)[0] != INITIATION:
            raise Refused("type or length")
        if mac16(self.mac1_key_in, message[:116]) != message[116:132]:
            raise Refused("mac1")
        public, static, stamp = message[8:40], message[40:88], message[88:116]
        ck, h = CHAINING_KEY_0, hash32(HASH_0, self.public)
        ck, = kdf(1, ck, public)
        h = hash32(h, public)
        ck, key = kdf(2, ck, x25519(self.secret, public))
        if unseal(key, 0, static, h) != self.remote:
            raise Refused("static key")
        h = hash32(h, static)
        ck, key = kdf(2, ck, self.static_static)
        timestamp = unseal(key, 0, stamp, h)
        if timestamp is None:
            raise Refused("timestamp")
        self.ck, self.h, self.remote_ephemeral = ck, hash32(h, stamp), public
        self.remote_index, = struct.unpack_from("<I", message, 4)
        return timestamp

    def response(self, ephemeral, index):
        """(message, Session) for the initiation that was read."""
        public = pubkey(ephemeral)
        h = hash32(self.h, public)
        ck, = kdf(1, self.ck, public)
        ck, = kdf(1, ck, x25519(ephemeral, self.remote_ephemeral))
        ck, = kdf(1, ck, x25519(ephemeral, self.remote))
        ck, tau, key = kdf(3, ck, self.psk)
        h = hash32(h, tau)
        empty = seal(key, 0, b"", h)
        body = struct.pack("<III", RESPONSE, index, self.remote_index) + public + empty
        receive, send = kdf(2, ck, b"")
        return self.with_macs(body), Session(send, receive, index, self.remote_index)

    def read_cookie_reply(self, message):
        """Keeps the cookie for the next message."""
        if len(message) != COOKIE_BYTES or struct.unpack_from("<I", message)[0] != COOKIE:
            raise Refused("type or length")
        cookie = xopen(self.cookie_key_in, message[8:32], message[32:64], self.last_mac1)
        if cookie is None:
            raise Refused("cookie")
        self.cookie = cookie
        return cookie

    def cookie_reply(self, message, nonce24, cookie):
        """The answer to a message of the remote's: "I am busy, come back with this"."""
        mac1 = message[116:132] if message[0] == INITIATION else message[60:76]
        return struct.pack("<I", COOKIE) + message[4:8] + nonce24 + \
            xseal(self.cookie_key_out, nonce24, cookie, mac1)
