#!/usr/bin/python3
"""iperf3 through a tunnel, TCP and UDP for 10 s each: nothing is lost to tags, replays, sources."""
from lib import scene, tap, traffic

SECONDS = 10
# Multicast of hosts that look for routers; a port that is full on a machine with too few CPUs.
MAY_DROP = ["no_peer", "tx_full"]
LEAST_MBPS = 5      # far below what any machine does; the point is the drop counters


def test(t):
    s = scene.Scene(t)
    gw = s.start()
    s.wireguard_go(1)
    client = s.clients[1]
    traffic.wait_reachable(client, scene.HOST4)
    runs = [("TCP from the client, IPv4", scene.HOST4, []),
            ("TCP to the client, IPv6", scene.HOST6, ["-R"]),
            ("UDP from the client, IPv4", scene.HOST4, ["-u", "-b", "50M", "-l", "1300"]),
            ("UDP to the client, IPv6", scene.HOST6, ["-u", "-b", "50M", "-l", "1300", "-R"]),
            ("four TCP streams each way", scene.HOST4, ["-P", "4", "--bidir"])]
    for label, address, extra in runs:
        with t.case(label):
            seconds = 3 if "four" in label else SECONDS
            before = gw.drops()
            end = traffic.iperf3(s.host, client, address, seconds, extra=extra)
            if "-u" in extra:
                # What a slow receiver loses is not the gateway's.
                t.comment(f"{traffic.udp_lost_percent(end):.2f} % lost on the whole way")
                assert end["sum"]["packets"] > 0, end["sum"]
                drops = {name: n - before[name] for name, n in gw.drops().items()
                         if n - before[name] and name not in MAY_DROP}
                assert not drops, drops
            else:
                t.comment(f"{traffic.tcp_mbps(end):.0f} Mb/s")
                assert traffic.tcp_mbps(end) > LEAST_MBPS, end["sum_received"]
            gw.expect_healthy()
    with t.case("every packet ended once"):
        gw.expect_conserved()
    with t.case("workers and ports add up to the totals"):
        counters = gw.counters()
        parts = counters["workers"] + [counters["control"]] + \
            ([counters["face"]] if "face" in counters else [])
        for field in ("rx", "tx", "made", "punt", "consumed", "from_linux"):
            total = sum(part[field] for part in parts)
            assert total == counters["totals"][field], (field, counters)


tap.main(test)
