#!/usr/bin/python3
"""Links of ports: the cable is pulled and plugged, the interface is deleted and made again, the
process at the other end of a memory port leaves and comes back, routes follow. The gateway goes on
with its other ports, says what it sees, counts what is lost, and needs no restart."""
import json

from lib import gateway, net, process, scene, tap, traffic

# Pings are 50 ms apart; a change is noticed within 200 ms.
NOTICED_SECONDS = 5


def port(gw, name):
    return {entry["name"]: entry for entry in gw.rpc("show")["ports"]}[name]


def wait_link(gw, name, state, timeout=NOTICED_SECONDS):
    process.wait_until(lambda: port(gw, name)["link"] == state,
                       lambda: f"port {name} is {state}: {port(gw, name)}", timeout)


def plug_lan(s):
    """The cable to the host, as the scene has it, made anew."""
    net.link(s.gw, "lan", s.host, "eth0")
    s.host.address("eth0", f"{scene.HOST4}/24", f"{scene.HOST6}/64")
    s.host.route("default", f"via {scene.LAN4}")
    s.host.route("default", f"via {scene.LAN6}")


def carrier(t, s, gw):
    """The host's end goes down: lan has no carrier."""
    with t.case("a link that goes down is seen, counted and logged; the other port works"):
        before = port(gw, "lan")
        assert before["link"] == "up" and before["speed_mbps"] == 10000, before
        s.host.ip("link set eth0 down")
        wait_link(gw, "lan", "down")
        after = port(gw, "lan")
        assert after["link_changes"] == before["link_changes"] + 1, after
        assert after["speed_mbps"] == 0, after
        assert "port lan: link is down" in gw.log()
        traffic.ping(s.clients[1], scene.TUNNEL4)
        text = gw.cli("show")
        assert "down" in next(line for line in text.splitlines() if line.startswith("lan")), text
    with t.case("frames for it are dropped as link_down, not as tx_full"):
        # A neighbour that Linux keeps whatever the carrier does.
        s.gw.ip("neigh replace 10.1.0.9 lladdr 02:00:00:00:00:09 dev lan nud permanent")
        drops = gw.drops()
        s.clients[1].run("ping", "-n", "-q", "-c", "20", "-i", "0.01", "-W", "1", "10.1.0.9",
                         check=False)
        gw.wait_drop("link_down", drops["link_down"] + 10)
        assert gw.drops()["tx_full"] == drops["tx_full"]
        s.gw.ip("neigh del 10.1.0.9 dev lan")
    with t.case("when it is back everything goes on"):
        s.host.ip("link set eth0 up")
        s.host.address("eth0", f"{scene.HOST6}/64")
        s.host.route("default", f"via {scene.LAN4}")
        s.host.route("default", f"via {scene.LAN6}")
        wait_link(gw, "lan", "up")
        traffic.wait_reachable(s.clients[1], scene.HOST4)
        traffic.ping(s.clients[1], scene.HOST4)
        traffic.ping(s.host, scene.inner6(1))
        assert "port lan: link is up, 10000 Mb/s" in gw.log()


def remade(t, s, gw, name, delete, make, reach):
    with t.case(f"{name} is deleted under traffic: it is gone, the rest works"):
        with traffic.PingStream(s.clients[1], reach, interval=0.02):
            delete()
            wait_link(gw, name, "gone")
        assert f"port {name}: device {name} has gone" in gw.log()
        assert gw.child.poll() is None
        gw.cli("show")
    with t.case(f"{name} is made again, with another index and MAC: it works, with its addresses"):
        mac = port(gw, name)["mac"]
        make()
        wait_link(gw, name, "up")
        assert port(gw, name)["mac"] != mac
        traffic.wait_reachable(s.clients[1], reach)
        traffic.ping(s.clients[1], scene.HOST4)
        traffic.ping(s.host, scene.inner4(1))
        traffic.ping(s.host, scene.inner6(1))


def index(namespace, device):
    return json.loads(namespace.out("ip", "-j", "link", "show", device))[0]["ifindex"]


MEMORY = {
    "vhost": ("net_vhost0,iface={0}", "net_virtio_user0,path={0}"),
    "memif": ("net_memif0,role=server,socket={0},socket-abstract=no",
              "net_memif0,role=client,socket={0},socket-abstract=no")}


def has_carrier(namespace, device):
    return "LOWER_UP" in json.loads(namespace.out("ip", "-j", "link", "show", device))[0]["flags"]


def memory(t, kind):
    """Two gateways joined by memory; each has a TAP for its port, which follows the link."""
    places = [t.enter(net.Namespace(f"{kind}-{end}")) for end in ("server", "client")]
    socket = t.path(f"{kind}.sock")
    ends = [gateway.Gateway(t, place, {
        "ports": {"mem": {"device": device.format(socket), "addresses": [f"10.9.0.{n + 1}/24"]}},
        "interfaces": {}}, name=f"{kind}-{n}")
        for n, (place, device) in enumerate(zip(places, MEMORY[kind]))]
    for end in ends:
        t.on_failure(end.describe)
    server, client = ends
    t.enter(server)
    with t.case(f"{kind}: with nobody at the other end, Linux has no carrier"):
        assert port(server, "mem")["link"] == "down", port(server, "mem")
        assert not has_carrier(places[0], "mem")
    t.enter(client)
    with t.case(f"{kind}: with somebody there is link, for Linux, too"):
        wait_link(server, "mem", "up")
        process.wait_until(lambda: has_carrier(places[0], "mem"), "a carrier")
        traffic.wait_reachable(places[0], "10.9.0.2")
        traffic.ping(places[0], "10.9.0.2")
    with t.case(f"{kind}: the client leaves and comes back"):
        assert client.stop() == 0, client.log()[-2000:]
        wait_link(server, "mem", "down")
        process.wait_until(lambda: not has_carrier(places[0], "mem"), "no carrier")
        client.start()
        wait_link(server, "mem", "up")
        traffic.wait_reachable(places[1], "10.9.0.1")
        traffic.ping(places[0], "10.9.0.2")
    with t.case(f"{kind}: the server leaves and comes back: the client opens its device anew"):
        assert server.stop() == 0, server.log()[-2000:]
        wait_link(client, "mem", "gone")
        assert not has_carrier(places[1], "mem")
        server.start()
        wait_link(client, "mem", "up", 10)
        wait_link(server, "mem", "up", 10)
        traffic.wait_reachable(places[1], "10.9.0.1")
        traffic.ping(places[0], "10.9.0.2")


def test(t):
    s = scene.Scene(t)
    config = s.config()
    config["ports"] = {
        "wan": {"device": "wan", "addresses": [f"{scene.WAN4}/24", f"{scene.WAN6}/64"]},
        "lan": {"device": "lan", "addresses": [f"{scene.LAN4}/24", f"{scene.LAN6}/64"],
                "routes": [{"to": "10.77.0.0/24", "via": scene.HOST4}]}}
    gw = s.start(config)
    s.wireguard_go(1)
    with t.case("traffic before anything happens"):
        traffic.wait_reachable(s.clients[1], scene.HOST4)
        traffic.ping(s.host, scene.inner6(1))
    carrier(t, s, gw)
    remade(t, s, gw, "lan", lambda: s.gw.ip("link del lan"), lambda: plug_lan(s), scene.HOST4)
    with t.case("the port's routes are set again, too"):
        assert "via 10.1.0.2" in s.gw.out("ip", "route", "show", "10.77.0.0/24")
    remade(t, s, gw, "wan", lambda: s.gw.ip("link del wan"),
           lambda: s.switch.plug(s.gw, "wan"), scene.HOST4)
    with t.case("an interface that is taken away and put back as it was"):
        other = t.enter(net.Namespace("other"))
        was = index(s.gw, "lan")
        s.gw.ip(f"link set lan netns {other.pid}")
        wait_link(gw, "lan", "gone")
        other.ip(f"link set lan netns {s.gw.pid}")
        wait_link(gw, "lan", "up")
        t.comment(f"its index was {was} and is {index(s.gw, 'lan')}")
        traffic.wait_reachable(s.clients[1], scene.HOST4)
        traffic.ping(s.host, scene.inner4(1))
    with t.case("what is lost is counted, each packet once, and nothing else was dropped"):
        gw.expect_healthy()
        gw.expect_conserved()
        t.comment(json.dumps({k: n for k, n in gw.drops().items() if n}))
    for kind in MEMORY:
        memory(t, kind)


tap.main(test)
