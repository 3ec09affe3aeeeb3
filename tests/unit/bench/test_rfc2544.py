#!/usr/bin/python3
"""wgdp-bench rfc2544: its command line. What it measures: tests/unit/bench/lab, tests/system."""
from bench import go, run

PORTS = ["--outside", "0000:ff:1f.7", "--inside", "0000:ff:1f.6"]


def expect_wrong(says, *arguments, ports=True):
    done = run("rfc2544", *(PORTS if ports else []), *arguments)
    assert done.returncode == 1 and not done.stdout, (arguments, done)
    assert says in done.stderr, (arguments, says, done.stderr)


def ports_are_needed():
    expect_wrong("--outside", ports=False)
    expect_wrong("--one-process", ports=False)
    expect_wrong("--inside", "--outside", "0000:ff:1f.7", ports=False)
    expect_wrong("empty", "--outside", "")


def a_device_that_is_not_there():
    done = run("rfc2544", *PORTS)
    assert done.returncode == 1 and not done.stdout, done
    assert "0000:ff:1f." in done.stderr, done.stderr


def numbers():
    for name, values in {"peers": ["0", "-1", "x", "1.5", "99999999"],
                         "flows": ["0", ""], "repeat": ["0", "1001"],
                         "gateway-port": ["0", "65536"], "seed": ["-1", "99999999999999999999"],
                         "trial-seconds": ["0", "x", "nan", "inf", "1s"],
                         "loss": ["0", "51"], "width": ["0", "60"], "mtu": ["0"],
                         "rate": ["0", "x", "1G", "1e12", "-5", "nan", "M"],
                         "max-rate": ["", "0"]}.items():
        for value in values:
            expect_wrong(f"--{name}", f"--{name}", value)


def lists():
    expect_wrong("there is no method \"speed\"", "--method", "throughput,speed")
    expect_wrong("back-to-back", "--method", "")
    expect_wrong("encrypt, decrypt and both", "--way", "out")
    expect_wrong("twice", "--way", "both,both")
    expect_wrong("--size", "--size", "63")
    expect_wrong("--size", "--size", "64,,128")
    expect_wrong("twice", "--size", "64,imix", "--imix")
    expect_wrong("not more than", "--size", ",".join(str(size) for size in range(64, 97)))


def what_does_not_fit_together():
    expect_wrong("need a rate", "--method", "latency")
    expect_wrong("need a rate", "--method", "loss,bulk")
    expect_wrong("--during", "--method", "throughput,reconfiguration")
    expect_wrong("reconfiguration", "--during", "true")
    expect_wrong("--seconds", "--seconds", "60")
    expect_wrong("above --max-rate", "--rate", "2M", "--max-rate", "1.5M")
    expect_wrong("--config", "--config-outside", "eth0")
    expect_wrong("what is \"extra\"", "extra")
    expect_wrong("", "--nonsense")
    # Does not fit into the tunnel.
    expect_wrong("1500", "--size", "1500")


def a_gateway_in_this_process():
    alone = {"--config is for a gateway elsewhere": ["--config", "wg"],
             "--gateway-key is of a gateway elsewhere":
                 ["--gateway-key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE="],
             "reconfiguration has no meaning with --one-process":
                 ["--method", "reconfiguration", "--rate", "1k", "--during", "true"],
             "are for --config": ["--config-outside", "eth0"],
             "not 1500": ["--size", "1500"],
             "is not in the network": ["--tester-outside", "192.0.2.1"],
             "need a rate": ["--method", "soak"]}
    for says, options in alone.items():
        expect_wrong(says, "--one-process", *options, ports=False)
    expect_wrong("leave out --outside and --inside", "--one-process")
    expect_wrong("leave out --outside", "--one-process", "--inside", "net_ring0", ports=False)


def configurations():
    expect_wrong("wgdp, wg, linux, vpp or key", "--config", "openvpn")
    expect_wrong("private key", "--config", "wgdp")
    expect_wrong("VPP takes private keys", "--config", "vpp", "--gateway-key",
                 "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
    for kind, has in {"wgdp": "allowed-ips", "wg": "[Peer]", "linux": "ip ",
                      "vpp": "wireguard peer add", "key": "="}.items():
        line = ["--config", kind, "--peers", "3", "--private-key-file", "wg0.key"]
        done = run("rfc2544", *line)
        assert done.returncode == 0 and not done.stderr, done
        assert has in done.stdout, (kind, done.stdout)
        assert done.stdout == run("rfc2544", *line).stdout, kind
        # The script has no keys: they are in what it gives to wg.
        other = run("rfc2544", *line, "--seed", "2").stdout
        assert (other == done.stdout) == (kind == "linux"), (kind, other)
    done = run("rfc2544", "--config", "wg", "--peers", "3")
    assert done.stdout.count("[Peer]") == 3, done.stdout


def helps():
    done = run("rfc2544", "--help")
    assert done.returncode == 0 and "back-to-back" in done.stdout and "--during" in done.stdout
    assert "--one-process" in done.stdout
    assert "rfc2544" in run("--help").stdout


go([ports_are_needed, a_device_that_is_not_there, numbers, lists, what_does_not_fit_together,
    a_gateway_in_this_process, configurations, helps])
