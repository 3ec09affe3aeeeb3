#!/usr/bin/python3
"""The tester of wgdp-bench rfc2544 against a gateway: what it offers comes back, and what is wrong
with the other side it says. The ports are memory (vhost and virtio-user), or veth pairs."""
import json
import os
import signal
import subprocess

from lib import gateway, hugepages, keys, net, process, tap, wggo

RATE = 400              # packets per second
SECONDS = 1
# A ring of that many holds what is offered in a trial. So a gateway that gets no CPU for a while
# loses nothing; on a machine that is busier still a trial is repeated.
QUEUE = 1024
ATTEMPTS = 5
SOON_SECONDS = 60
WAYS = ("encrypt", "decrypt")
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
        """A trial in which the tester had CPU enough to offer all, and the gateway to take it."""
        for _ in range(ATTEMPTS):
            result = self.trials(**kwargs)[0]
            if all(result[way]["sent"] == result[way]["wanted"] and
                   result[way]["longest_gap"] < SECONDS / 2 for way in WAYS):
                break
            self.t.comment(f"the machine is busy: {json.dumps(result)}")
        return result


class Gateway(gateway.Gateway):
    """wgdp with the configuration that the tester writes for it."""

    def __init__(self, t, place, lab, name, edit, **devices):
        self.text = edit(lab.config("wgdp", key_file="wg0.key", **devices))
        first_cpu = sorted(os.sched_getaffinity(0))[0]  # the tester takes the last
        super().__init__(t, place, {"workers": [first_cpu]}, name=name)
        self.key_file("wg0.key", lab.config("key").strip())

    def write(self, path=None):
        path = super().write(path)
        with open(path, "a") as f:
            f.write(self.text)
        return path


def expect_complete(counts, rate=RATE):
    assert counts["sent"] == counts["wanted"] == rate * SECONDS, counts
    assert counts["received"] == counts["sent"], counts
    for name in ("duplicates", "reordered", "corrupt", "strange"):
        assert counts[name] == 0, counts
    assert counts["latencies"] == counts["received"] and 0 < counts["p50_us"], counts
    assert counts["p50_us"] <= counts["p99_us"], counts


def expect_nothing(counts):
    assert counts["sent"] == counts["received"] == counts["strange"] == 0, counts


def memory(t, name, edit=lambda text: text, **kwargs):
    """A gateway with memory ports in a namespace of its own, and the tester at their other ends."""
    place = t.enter(net.Namespace(name))
    sockets = [t.path(f"{name}-{side}.sock") for side in ("outside", "inside")]
    lab = Lab(t, place, outside=f"net_virtio_user0,path={sockets[0]},queue_size={QUEUE}",
              inside=f"net_virtio_user1,path={sockets[1]},queue_size={QUEUE}", **kwargs)
    gw = Gateway(t, place, lab, name, edit, outside_device=f"net_vhost0,iface={sockets[0]}",
                 inside_device=f"net_vhost1,iface={sockets[1]}")
    t.on_failure(gw.describe)
    t.on_failure(gw.describe)
    return lab, t.enter(gw)


def both_ways(t):
    lab, gw = memory(t, "v4", peers=3, flows=7, size=200)
    with t.case("what is offered both ways at a low rate comes back, each packet once"):
        result = lab.trial(encrypt=RATE, decrypt=RATE)
        for way in WAYS:
            expect_complete(result[way])
            expect_nothing(result[f"bulk_{way}"])
        assert result["driver"] == "net_virtio_user" and not result["interrupted"], result
        gw.expect_healthy()
    with t.case("trials one after the other count for themselves"):
        results = lab.trials(encrypt=RATE, decrypt=RATE, trials=3, seconds=0.2, idle=0.1)
        assert len(results) == 3, results
        for counts in (result[way] for result in results for way in WAYS):
            assert 0 < counts["received"] <= counts["sent"] <= RATE // 5, counts
            assert counts["strange"] == counts["corrupt"] == counts["duplicates"] == 0, counts
    with t.case("one way alone"):
        result = lab.trial(encrypt=RATE)
        expect_complete(result["encrypt"])
        expect_nothing(result["decrypt"])
        result = lab.trial(decrypt=RATE)
        expect_complete(result["decrypt"])
        expect_nothing(result["encrypt"])
    with t.case("so many packets, and bulk beside them"):
        result = lab.trial(encrypt=1e5, packets=250, bulk=100)
        assert result["encrypt"]["sent"] == result["encrypt"]["received"] == 250, result
        expect_complete(result["bulk_encrypt"], 100)
        expect_nothing(result["bulk_decrypt"])
    with t.case("IMIX"):
        result = lab.trial(encrypt=RATE, decrypt=RATE, size=0, flows=48)
        expect_complete(result["encrypt"])
        expect_complete(result["decrypt"])
    with t.case("Ctrl-C ends a trial with what there is"):
        interrupted(lab, gw)
    with t.case("another key than the gateway has: which peer got no answer, and what to look at"):
        done = lab.run(gateway_key=keys.Key().text)
        assert done.returncode == 1 and "does not answer the handshake of peer 0" in done.stderr \
            and "public key" in done.stderr and not done.stdout, done
    with t.case("a peer that the gateway does not know"):
        done = lab.run(peers=4)
        assert done.returncode == 1 and "handshake of peer 3" in done.stderr, done
    with t.case("the gateway is well, and every packet in it ended once"):
        gw.expect_healthy()
        gw.expect_conserved()
    with t.case("nobody at the other end"):
        gw.stop()
        done = lab.run(encrypt=RATE)
        assert done.returncode == 1 and "net_virtio_user" in done.stderr, done


def interrupted(lab, gw):
    before = gw.counters()["totals"]["tx"]
    child = lab.place.start(*lab.command(encrypt=RATE, seconds=10 * SOON_SECONDS), text=True,
                            stdout=subprocess.PIPE)
    process.wait_until(lambda: gw.counters()["totals"]["tx"] > before + 100, "packets flow",
                       SOON_SECONDS)
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=SOON_SECONDS)
    result = json.loads(out)
    assert child.returncode == 0 and result["interrupted"], result
    assert 0 < result["encrypt"]["received"] <= result["encrypt"]["sent"], result
    assert result["encrypt"]["wanted"] < RATE * 10 * SOON_SECONDS, result


def version6(t):
    lab, gw = memory(t, "v6", peers=50, flows=200, size=64, addresses=3, ipv6=1,
                     gateway_outside="2001:2:0:18::1/64", tester_outside="2001:2:0:18::1:fffe")
    with t.case("IPv6 outside and inside, peers at several addresses"):
        result = lab.trial(encrypt=RATE, decrypt=RATE)
        expect_complete(result["encrypt"])
        expect_complete(result["decrypt"])
        gw.expect_healthy()
        peers = gw.peers().values()
        assert len({peer["endpoint"].rpartition(":")[0] for peer in peers}) == 3, peers


def lossy(t):
    """The gateway knows peer 1 by another inner address."""
    lab, gw = memory(t, "lossy", lambda text: text.replace("10.64.0.2/32", "10.64.0.99/32"),
                     peers=4, flows=8)
    with t.case("what the gateway drops is lost, and nothing else"):
        result = lab.trial(encrypt=RATE, decrypt=RATE)
        for way in WAYS:
            counts = result[way]
            assert counts["received"] == counts["sent"] - RATE * SECONDS // 4, counts
            assert counts["corrupt"] == counts["duplicates"] == counts["reordered"] == 0, counts
        assert gw.drops()["source_not_allowed"] >= RATE * SECONDS // 4, gw.drops()


def cables(t):
    """The tester's ports are veth, and at their other ends wireguard-go is the gateway."""
    place, far = t.enter(net.Namespace("tester")), t.enter(net.Namespace("linux"))
    for side in ("outside", "inside"):
        net.link(place, side, far, side)
    lab = Lab(t, place, outside="outside", inside="inside", peers=2, flows=4, size=300)
    with t.case("a port without link"):
        far.ip("link set inside down")
        done = lab.run()
        assert done.returncode == 1 and "inside has no link" in done.stderr, done
        far.ip("link set inside up")
    with t.case("a gateway that does not answer ARP"):
        done = lab.run()
        assert done.returncode == 1 and "answers ARP" in done.stderr and \
            "link is up" in done.stderr and "198.18.0.1" in done.stderr, done
    with t.case("wireguard-go as the gateway, set up by what the tester writes"):
        go = wggo.WireGuardGo(t, far)
        with open(t.path("wg.conf"), "w") as f:
            f.write(lab.config("wg"))
        with open(t.path("linux.sh"), "w") as f:
            f.write(lab.config("linux"))
        t.on_failure(go.log)
        far.run("env", "OUTSIDE=outside", "INSIDE=inside", f"WG_CONF={t.path('wg.conf')}", "sh",
                "-e", t.path("linux.sh"))
        result = lab.trial(encrypt=100, decrypt=100)
        expect_complete(result["encrypt"], 100)
        expect_complete(result["decrypt"], 100)
        assert result["driver"] == "net_af_packet", result


def refusals(t):
    with t.case("options that make no sense"):
        lab = Lab(t, t.enter(net.Namespace("refused")), outside="net_null0", inside="net_null1")
        for wrong, text in ({"size": 63}, "size"), ({"size": 1421}, "MTU of 1420"), \
                ({"tester_outside": "10.0.0.1"}, "network"), \
                ({"tester_outside": "198.18.0.1"}, "of the gateway"), \
                ({"tester_inside": "x"}, "not an address"), ({"gateway_key": "abc"}, "base64"), \
                ({"peers": 50000, "addresses": 1}, "no room"), \
                ({"gateway_inside": "2001:db8::1/64", "tester_inside": "2001:db8::2"}, "family"):
            done = lab.run(**wrong)
            assert done.returncode == 1 and text in done.stderr, (wrong, done)
    with t.case("a gateway with a key of its own: its private key is not made up"):
        own = keys.Key().text
        assert "PrivateKey" not in lab.config("wg", gateway_key=own)
        for kind in ("wgdp", "linux", "key"):
            done = process.run(lab.command(config=kind, gateway_key=own), check=False)
            assert done.returncode == 1 and "private key" in done.stderr, done


def test(t):
    t.enter(hugepages.Perhaps())
    refusals(t)
    both_ways(t)
    version6(t)
    lossy(t)
    cables(t)


tap.main(test)
