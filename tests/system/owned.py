#!/usr/bin/python3
"""Ports that belong to DPDK alone, as a NIC given by its PCI address does: Linux has a TAP for
each, with the port's name and MAC, and everything that is Linux's goes through it. Here the devices
are net_af_xdp on veth, which takes every frame away from Linux and needs hugepages."""
import json
import os

from lib import hugepages, process, scene, tap, traffic, wggo

# In the gateway's namespace the cables end in wan and lan; wgdp's ports are named otherwise.
PORTS = {"outside": ("wan", scene.WAN4, scene.WAN6), "inside": ("lan", scene.LAN4, scene.LAN6)}


HUGEPAGES = 160     # of 2 MiB


def mac_of(namespace, device):
    return json.loads(namespace.out("ip", "-j", "link", "show", device))[0]["address"]


def test(t):
    pages = t.enter(hugepages.Hugepages(HUGEPAGES))
    if pages.free < HUGEPAGES:
        t.skip("ports of DPDK's own", f"only {pages.free} hugepages can be had")
        return
    s = scene.Scene(t, clients=2)
    config = s.config([s.peer_config(1), s.peer_config(2, endpoint=wggo.bracket(
        scene.outer6(2), scene.PORT))])
    config["ports"] = {}
    config["hugepages"] = "auto"
    for name, (device, address4, address6) in PORTS.items():
        s.gw.ip(f"addr flush dev {device}")
        config["ports"][name] = {"device": f"net_af_xdp_{name},iface={device}",
                                 "addresses": [f"{address4}/24", f"{address6}/64"]}
    try:
        gw = s.start(config)
    except process.Failed as failed:
        if "af_xdp" not in str(failed):
            raise
        t.skip("ports of DPDK's own", f"net_af_xdp does not start here: {str(failed)[-200:]}")
        return
    with t.case("Linux has an interface for each port, with its name and MAC"):
        for name, (device, _, _) in PORTS.items():
            assert mac_of(s.gw, name) == mac_of(s.gw, device), name
        ports = {port["name"]: port for port in gw.rpc("show")["ports"]}
        assert {port["linux_interface"] for port in ports.values()} == PORTS.keys(), ports
    with t.case("ARP, neighbour discovery and ICMP are Linux's, through the TAP"):
        traffic.wait_reachable(s.clients[1], scene.WAN4)
        traffic.wait_reachable(s.clients[1], scene.WAN6)
        traffic.wait_reachable(s.host, scene.LAN4)
        traffic.wait_reachable(s.host, scene.LAN6)
        traffic.ping(s.gw, scene.outer4(1))
        traffic.ping(s.gw, scene.HOST6)
    s.wireguard_go(1)
    s.wireguard_go(2, outer=6, endpoint=False)
    with t.case("tunnels, in both directions, over both families"):
        traffic.wait_reachable(s.clients[1], scene.HOST4)
        traffic.wait_reachable(s.host, scene.inner4(2))
        for number, client in s.clients.items():
            traffic.ping(client, scene.HOST4)
            traffic.ping(client, scene.HOST6)
            traffic.ping(s.host, scene.inner4(number))
            traffic.ping(s.host, scene.inner6(number))
            traffic.ping(client, scene.TUNNEL4)
    with t.case("TCP through the tunnel"):
        end = traffic.iperf3(s.host, s.clients[1], scene.HOST4, 3)
        t.comment(f"{traffic.tcp_mbps(end):.0f} Mb/s")
    with t.case("TCP with Linux of the gateway, through the TAP"):
        end = traffic.iperf3(s.gw, s.host, scene.LAN4, 2)
        t.comment(f"{traffic.tcp_mbps(end):.0f} Mb/s")
    with t.case("no drop that honest traffic cannot cause, and every packet ended once"):
        gw.expect_healthy()
        gw.expect_conserved()
    with t.case("after the end nothing of it is left in Linux"):
        assert gw.stop() == 0, gw.log()[-2000:]
        for name in PORTS:
            assert s.gw.run("ip", "link", "show", name, check=False).returncode != 0
    few_queues(t, s, gw)


def few_queues(t, s, gw):
    """The devices have one queue each: two workers receive from one device each, and share what
    they send with."""
    cpus = sorted(os.sched_getaffinity(0))[:2]
    if len(cpus) < 2:
        t.skip("two workers on devices with one queue", "needs two CPUs")
        return
    gw.config["workers"] = cpus
    # The clients' sessions ended with the first run: the gateway begins.
    for number, peer in enumerate(gw.config["interfaces"]["wg0"]["peers"], 1):
        peer.setdefault("endpoint", wggo.bracket(scene.outer4(number), scene.PORT))
    gw.write()
    gw.start()
    with t.case("two workers on devices with one queue: all ways, and order is kept"):
        for number in s.clients:
            traffic.wait_reachable(s.host, scene.inner4(number))
        for extra in ([], ["-R"]):
            end = traffic.iperf3(s.host, s.clients[1], scene.HOST4, 3, extra=["-P", "4", *extra])
            t.comment(f"{traffic.tcp_mbps(end):.0f} Mb/s")
        traffic.ping(s.clients[1], scene.inner4(2))
        gw.expect_healthy()
    with t.case("each worker received from one device, and both sent"):
        workers = gw.counters()["workers"]
        assert all(worker["rx"] > 100 and worker["tx"] > 100 for worker in workers), workers
        for device in gw.rpc("show")["devices"]:
            rx, tx = device["rx_queues"], device["tx_queues"]
            assert len(rx) == len(tx) == 1 and tx[0]["workers"] == [0, 1], device
            assert rx[0]["packets"] > 100 and tx[0]["packets"] > 100, device
            assert {"rx_queues", "tx_queues"} <= device["lacks"].keys(), device
        t.comment(f"frames received {[w['rx'] for w in workers]}, sent {[w['tx'] for w in workers]}"
                  f", tx_busy {gw.drops()['tx_busy']}")
    with t.case("every packet ended once, also here"):
        gw.expect_conserved()


tap.main(test)
