#!/usr/bin/python3
"""The known-answer messages against the daemon itself, as far as it lets fix their inputs: its
static key, and all that the other end chooses."""
import json
import os

from lib import keys, noise, packets, process, scene, tap, wgpeer

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vectors",
                    "handshake-vectors.json")
ANSWER_SECONDS = 0.3


def hexed(text):
    return bytes.fromhex(text)


class VectorPeer(wgpeer.Peer):
    """The initiator of a case: replays its initiation, and can read what the gateway answers."""

    def initiation_of(self, case):
        inputs = case["inputs"]
        message = self.handshake.initiation(
            hexed(inputs["initiator_ephemeral_private"]), inputs["initiator_index"],
            hexed(inputs["timestamp_tai64n"]))
        assert message == hexed(case["initiation"]["message"]), "the test's own peer is wrong"
        return message


def start(t, case, number):
    s = scene.Scene(t)
    inputs = case["inputs"]
    s.key = keys.Key(hexed(inputs["responder_static_private"]))
    s.client_keys[1] = keys.Key(hexed(inputs["initiator_static_private"]))
    psk = hexed(inputs["preshared_key"])
    entry = s.peer_config(1)
    entry["allowed-ips"] = ["192.168.241.1/32", "fd00::1/128"]
    if any(psk):
        entry["preshared-key-file"] = keys.write_secret(t.path(f"psk{number}"), keys.text(psk))
        s.psks[1] = psk
    gw = s.start(s.config([entry], addresses=["192.168.241.2/24", "fd00::2/64"]))
    peer = t.enter(VectorPeer(s.clients[1], scene.outer4(1), (scene.WAN4, scene.PORT),
                              s.key.public, key=s.client_keys[1], psk=s.psks.get(1)))
    return s, gw, peer


def rejected(t, label, case, gw, peer):
    with t.case(f"{label}: messages that must be refused"):
        for one in case["rejected"]:
            if one["to"] != "responder":
                continue
            had = gw.counters()["totals"]
            peer.send(hexed(one["message"]))
            process.wait_until(
                lambda: sum(gw.drops().values()) + gw.counters()["totals"]["consumed"] >
                sum(had["drops"].values()) + had["consumed"], one["label"])
            state = gw.peer(peer.key.text)
            assert state["rx_bytes"] == 0 and state["endpoint"] is None, (one["label"], state)
        assert peer.receive(timeout=ANSWER_SECONDS) is None


def accepted(t, label, case, s, gw, peer):
    with t.case(f"{label}: the initiation is answered, and its session carries data"):
        peer.send(peer.initiation_of(case))
        response = peer.receive(noise.RESPONSE)
        assert response, "no response"
        peer.session = peer.handshake.read_response(response)
    capture = s.capture(s.gw, "wg0")
    for one in case["data"]:
        if one["direction"] != "initiator->responder":
            continue
        with t.case(f"{label}: {one['label']}"):
            had = gw.peer(peer.key.text)["rx_packets"]
            inner = hexed(one["inner"])
            plain = inner + bytes(one["padded_length"] - one["inner_length"])
            peer.session.counter = one["counter"]
            message = peer.session.seal_exactly(plain)
            assert len(message) == one["length"]
            peer.send(message)
            process.wait_until(lambda: gw.peer(peer.key.text)["rx_packets"] == had + 1,
                               lambda: f"received: {gw.peer(peer.key.text)}")
            if inner:
                # Linux gets it as it was sealed; what it does with it is its own affair.
                process.wait_until(lambda: any(frame == inner for frame, _ in capture.frames()),
                                   lambda: f"{inner.hex()} in {capture.frames()[-3:]}")


def timestamps(t, steps, peer):
    for step in steps:
        with t.case(f"timestamps: {step['label']}"):
            process.let_pass(wgpeer.INITIATION_SECONDS, "initiations keep their distance")
            peer.send(hexed(step["message"]))
            answer = peer.receive(noise.RESPONSE, 5 if step["accepted"] else ANSWER_SECONDS)
            assert bool(answer) == step["accepted"]


def test(t):
    with open(PATH) as f:
        vectors = json.load(f)
    for number, case in enumerate(vectors["cases"]):
        label = case["name"]
        s, gw, peer = start(t, case, number)
        rejected(t, label, case, gw, peer)
        accepted(t, label, case, s, gw, peer)
        with t.case(f"{label}: every packet ended once"):
            gw.expect_conserved()
        t.exits.close()
    # The same two peers, without a psk, on a gateway that has seen no timestamp yet.
    s, gw, peer = start(t, vectors["cases"][0], len(vectors["cases"]))
    timestamps(t, vectors["timestamps"], peer)


tap.main(test)
