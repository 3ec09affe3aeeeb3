"""Key pairs and key files."""
import base64
import os

from lib import noise


class Key:
    """A key pair. Text is base64, as wg and wgdp write it."""

    def __init__(self, secret=None):
        self.secret = noise.clamp(secret or os.urandom(32))
        self.public = noise.pubkey(self.secret)
        self.secret_text = base64.b64encode(self.secret).decode()
        self.text = base64.b64encode(self.public).decode()

    def file(self, path):
        return write_secret(path, self.secret_text)


def write_secret(path, text):
    """A file that only its owner can read; returns its path."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as f:
        f.write(text + "\n")
    return path


def new_psk():
    return os.urandom(32)


def text(key):
    return base64.b64encode(key).decode()
