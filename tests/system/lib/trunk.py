"""A trunk by hand, for kernels without VLANs: joins an interface whose frames have VLAN tags with
interfaces whose frames have none. Run as a program in a namespace: trunk.py TRUNK VLAN=INTERFACE...
"""
import os
import select
import socket
import struct
import subprocess
import sys

from lib import process

ETH_P_ALL, ETH_P_8021Q = 3, 0x8100
SOL_PACKET, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 263, 8, 23
AUXDATA = struct.Struct("=IIIHHHH")     # struct tpacket_auxdata
VLAN_VALID = 1 << 4
MACS_BYTES = 12
FRAME_BYTES = 65536


def raw_socket(interface):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    s.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    s.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    s.bind((interface, ETH_P_ALL))
    return s


def receive(s):
    """A frame, and the tag that the kernel has taken out of it or None."""
    frame, ancillary, _, _ = s.recvmsg(FRAME_BYTES, socket.CMSG_SPACE(AUXDATA.size))
    for level, kind, body in ancillary:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _, _, _, _, tci, _ = AUXDATA.unpack_from(body)
            if status & VLAN_VALID:
                return frame, tci
    return frame, None


def tagged(frame, tci):
    return frame[:MACS_BYTES] + struct.pack(">HH", ETH_P_8021Q, tci) + frame[MACS_BYTES:]


def send(s, frame):
    try:
        s.send(frame)
    except OSError:
        pass    # as a switch does with what an interface does not take


def run(trunk, access):
    """access: {vlan: interface}."""
    up = raw_socket(trunk)
    down = {vlan: raw_socket(interface) for vlan, interface in access.items()}
    vlan_of = {s: vlan for vlan, s in down.items()}
    print("ready", flush=True)
    while True:
        for s in select.select([up, *vlan_of], [], [])[0]:
            try:
                frame, tci = receive(s)
            except OSError:
                return  # an interface has gone
            if s is not up:
                send(up, tagged(frame, vlan_of[s]))
            elif tci is not None and tci & 0xFFF in down:
                send(down[tci & 0xFFF], frame)


def start(namespace, trunk, access):
    """Runs it in the namespace until that ends; returns once it works."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    child = namespace.start(sys.executable, "-m", "lib.trunk", trunk,
                            *[f"{vlan}={interface}" for vlan, interface in access.items()],
                            env={**os.environ, "PYTHONPATH": here},
                            stdout=subprocess.PIPE, text=True)
    if child.stdout.readline() != "ready\n":
        raise process.Failed(f"trunk on {trunk} does not start: {child.poll()}")
    return child


if __name__ == "__main__":
    run(sys.argv[1], {int(pair.partition("=")[0]): pair.partition("=")[2]
                      for pair in sys.argv[2:]})
