"""The network of lab.py: a tester and a gateway, each in a namespace, two cables between them.

    tester: out0 ---veth--- wan [gateway] lan ---veth--- in0 :tester

Whose CPU pays for what: Linux handles a packet on veth on the CPU of the sender unless told
otherwise. So each interface has its packets handled on the CPU of its own side (receive packet
steering): what comes in at wan and lan costs the gateway, be that Linux's forwarding or the copy
into the ring of an AF_PACKET socket; what comes in at out0 and in0 costs the tester.
"""
from lib import net

OUTSIDE, INSIDE = "wan", "lan"              # of the gateway
TESTER_OUTSIDE, TESTER_INSIDE = "out0", "in0"
MTU = 1500


class Network:
    """A context; in it `tester` and `gateway` are namespaces, joined by the two cables."""

    def __init__(self, tester_cpu, gateway_cpu):
        self.cpus = {"tester": tester_cpu, "gateway": gateway_cpu}
        self.tester = self.gateway = None

    def __enter__(self):
        try:
            self.tester = net.Namespace("tester")
            self.gateway = net.Namespace("gateway")
            self._quiet(self.tester)
            self.gateway.forward()
            for here, there in ((OUTSIDE, TESTER_OUTSIDE), (INSIDE, TESTER_INSIDE)):
                net.link(self.gateway, here, self.tester, there, MTU)
                self._steer(self.gateway, here, self.cpus["gateway"])
                self._steer(self.tester, there, self.cpus["tester"])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception):
        for namespace in (self.gateway, self.tester):
            if namespace:
                namespace.__exit__()

    @staticmethod
    def _quiet(namespace):
        """Linux at the tester's end of the cables sends nothing of its own."""
        if net.has_ipv6():
            namespace.sysctl("net.ipv6.conf.default.disable_ipv6", 1)

    @staticmethod
    def _steer(namespace, device, cpu):
        # As /proc and /sys have it: groups of 32 bits, the highest first.
        words = [f"{(1 << cpu) >> at & 0xffffffff:08x}" for at in range(cpu // 32 * 32, -1, -32)]
        namespace.run("sh", "-c", f"echo {','.join(words)} "
                                  f">/sys/class/net/{device}/queues/rx-0/rps_cpus")


def kernel_has_wireguard(namespace):
    made = namespace.run("ip", "link", "add", "wg-probe", "type", "wireguard", check=False)
    if made.returncode == 0:
        namespace.ip("link del wg-probe")
    return made.returncode == 0
