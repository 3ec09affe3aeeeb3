#!/usr/bin/python3
"""Two workers serve one gateway, and one tunnel: flows are spread over both, no counter is used
twice, nothing is reordered so far that the other end refuses it."""
import os

from lib import process, scene, tap, traffic

SECONDS = 5
STREAMS = 8


def shared(gw):
    """What all workers together have counted of it."""
    workers = gw.counters()["workers"]
    return {name: sum(worker[f"spread_{name}"] for worker in workers)
            for name in ("on", "off", "given", "own", "helped")}


def test(t):
    cpus = sorted(os.sched_getaffinity(0))[:2]
    if len(cpus) < 2:
        t.skip("two workers", "needs two CPUs")
        return
    s = scene.Scene(t, clients=2)
    config = s.config()
    config["workers"] = cpus
    gw = s.start(config)
    for number in s.clients:
        s.wireguard_go(number)
        traffic.wait_reachable(s.clients[number], scene.HOST4)
    with t.case("both run, and take turns with control on one CPU"):
        workers = gw.rpc("show")["workers"]
        assert [worker["cpu"] for worker in workers] == cpus, workers
    runs = [("TCP streams from the client", ["-P", str(STREAMS)]),
            ("TCP streams to the client", ["-P", str(STREAMS), "-R"])]
    for label, extra in runs:
        with t.case(f"{label}: no tag, replay or source error"):
            end = traffic.iperf3(s.host, s.clients[1], scene.HOST4, SECONDS, extra=extra)
            t.comment(f"{traffic.tcp_mbps(end):.0f} Mb/s")
            gw.expect_healthy()
    with t.case("client to client"):
        traffic.ping(s.clients[1], scene.inner4(2))
    with t.case("each worker had its share"):
        shares = [worker["tx"] for worker in gw.counters()["workers"]]
        t.comment(f"frames sent: {shares}")
        assert min(shares) > 0, shares
    with t.case("what workers shared out they got back, and show"):
        process.wait_until(lambda: shared(gw)["given"] == shared(gw)["own"] + shared(gw)["helped"],
                           lambda: shared(gw))
        t.comment(shared(gw))
        assert shared(gw)["on"] - shared(gw)["off"] in range(len(cpus) + 1), shared(gw)
        assert "spread_helped" in gw.cli("counters"), gw.cli("counters")
    with t.case("every packet ended once"):
        gw.expect_conserved()


tap.main(test)
