#!/usr/bin/python3
"""The tester of wgdp-bench rfc2544 against a gateway: what it offers comes back, and what is wrong
with the other side it says. The ports are memory (vhost and virtio-user), or veth pairs."""
import json
import os
import signal
import subprocess

from lib import gateway, net, process, tap

RATE = 2000             # packets per second: a busy machine does that
SECONDS = 1
SOON_SECONDS = 60
SHORT = {"settle": 2, "seconds": SECONDS}


def options(**kwargs):
    return [f"{key.replace('_', '-')}={value}" for key, value in kwargs.items()]


class Lab:
    """A tester's side: options that all its runs have, and the gateway's configuration for them."""

    def __init__(self, t, place, **kwargs):
        self.t, self.place, self.options = t, place, kwargs

    def command(self, **kwargs):
        return [os.environ["LAB_TESTER"], *options(**{**self.options, **kwargs})]

    def config(self, kind, **kwargs):
        done = process.run(self.command(config=kind, **kwargs), check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, **kwargs):
        return self.place.run(*self.command(**{**SHORT, **kwargs}), check=False,
                              timeout=SOON_SECONDS)

    def trials(self, **kwargs):
        """The results of all trials, and that the run was well."""
        done = self.run(**kwargs)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def trial(self, **kwargs):
        return self.trials(**kwargs)[0]


class Gateway(gateway.Gateway):
    """wgdp with the configuration that the tester writes for it."""

    def __init__(self, t, place, lab, name, **devices):
        self.text = lab.config("wgdp", key_file="wg0.key", **devices)
        first_cpu = sorted(os.sched_getaffinity(0))[0]  # the tester takes the last
        super().__init__(t, place, {"workers": [first_cpu]}, name=name)
        self.key_file("wg0.key", lab.config("key").strip())

    def write(self, path=None):
        path = super().write(path)
        with open(path, "a") as f:
            f.write(self.text)
        return path


def expect_complete(counts, rate=RATE):
    assert counts["wanted"] == rate * SECONDS, counts
    assert counts["sent"] > 0 and counts["received"] == counts["sent"], counts
    for name in ("duplicates", "reordered", "corrupt", "strange"):
        assert counts[name] == 0, counts
    assert counts["latencies"] == counts["received"] and 0 < counts["p50_us"], counts
    assert counts["p50_us"] <= counts["p99_us"], counts


def expect_nothing(counts):
    assert counts["sent"] == counts["received"] == counts["strange"] == 0, counts


def vhost(t, name, **kwargs):
    """A gateway with memory ports, in a namespace of its own, and the tester at their other ends."""
    place = t.enter(net.Namespace(name))
    sockets = [t.path(f"{name}-{side}.sock") for side in ("outside", "inside")]
    lab = Lab(t, place, outside=f"net_virtio_user0,path={sockets[0]}",
              inside=f"net_virtio_user1,path={sockets[1]}", **kwargs)
    gw = Gateway(t, place, lab, name, outside_device=f"net_vhost0,iface={sockets[0]}",
                 inside_device=f"net_vhost1,iface={sockets[1]}")
    t.on_failure(gw.describe)
    return lab, t.enter(gw)


def test(t):
    lab, gw = vhost(t, "memory", peers=3, flows=7, size=200)
    with t.case("what is offered both ways at a low rate comes back, each packet once"):
        result = lab.trial(encrypt=RATE, decrypt=RATE)
        t.comment(json.dumps(result))
        expect_complete(result["encrypt"])
        expect_complete(result["decrypt"])
        gw.expect_healthy()


tap.main(test)
