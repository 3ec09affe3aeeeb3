"""What the figures of a report show: each a function from results to a Figure, to several, or to
None if there is nothing of that kind. Those of whole gateways: bench_figures_gateways.py. How they
are drawn is in bench_plots.py, and as tables in bench_page.py."""
from lib import bench_figures_gateways as gateways
from lib.bench_data import in_order, named
from lib.bench_figure import Figure, Point, drop_empty, first, point, without_gaps

SIZES = ("64", "256", "576", "1420", "imix")
STAGES = {
    "encrypt": ("rx", "classify", "forward", "encap", "headers", "seal", "tx"),
    "decrypt": ("rx", "classify", "decap", "open", "forward", "tx"),
}
STAGE_TITLES = {"encap": "encap, decap", "decap": "encap, decap", "seal": "AEAD", "open": "AEAD"}
STACK = ("rx", "classify", "forward", "encap, decap", "headers", "AEAD", "tx")


def rate_point(result, hz, scale=1.0):
    """Cycles of one packet as packets in a second: what is short is fast."""
    return Point(*(hz * scale / max(result.percentile(p), 1e-9) for p in (50, 95, 5)))


def fastest(results):
    """The back end: with the smallest median of what there is."""
    return min(results, key=lambda r: r.median).fields[-1] if results else None


def peer_counts(results):
    """1-peer, 1000-peers: in ascending order."""
    return sorted({r.fields[2] for r in results}, key=lambda text: int(text.split("-")[0]))


def path_whole(part):
    return named(part.results, "encrypt", None, None, None) + \
        named(part.results, "decrypt", None, None, None) if part else []


def throughput(parts):
    part = parts.get("path")
    whole = path_whole(part)
    backend = fastest(whole)
    if not backend:
        return None
    hz = part.machine.get("tsc_hz", 0)
    series = []
    for way in ("encrypt", "decrypt"):
        for peers in peer_counts(whole):
            found = [first(named(whole, way, size, peers, backend)) for size in SIZES]
            series.append((f"{way}, {peers.replace('-', ' ')}",
                           [r and rate_point(r, hz, 1e-6) for r in found]))
    return Figure(
        "throughput", "Packets per second by size",
        f"One worker's packet path, from rx to tx, with the fastest ciphers of this CPU "
        f"({backend}). In memory, so without what a NIC and its driver take. Bars are medians, "
        f"lines reach from the 5th to the 95th percentile of the samples.",
        "bars", "inner packet (bytes)", "million packets/s on one core", list(SIZES),
        drop_empty(series))


def backends(parts):
    part = parts.get("path")
    whole = path_whole(part)
    if not whole:
        return None
    peers = peer_counts(whole)[-1]
    series = [(backend, [first(named(whole, "encrypt", size, peers, backend)) for size in SIZES])
              for backend in in_order(r.fields[-1] for r in whole)]
    series = [(title, [r and point(r) for r in found]) for title, found in series]
    return Figure(
        "backends", "Encrypting with each back end",
        f"The whole path with {peers.replace('-', ' ')}, with each of the AEAD's back ends that "
        f"this CPU can run; reference is the plain one that the others are compared with.",
        "bars", "inner packet (bytes)", "TSC cycles per packet", list(SIZES), drop_empty(series))


def stages(parts):
    part = parts.get("path")
    whole = path_whole(part)
    if not whole:
        return None
    peers, backend = peer_counts(whole)[-1], fastest(whole)
    columns = {title: [] for title in STACK}
    categories = []
    for way, names in STAGES.items():
        for size in SIZES:
            found = {STAGE_TITLES.get(stage, stage): first(named(
                part.results, f"{way}-{stage}", size, peers, backend)) for stage in names}
            if not any(found.values()):
                continue
            categories.append(f"{way} {size}")
            for title, points in columns.items():
                result = found.get(title)
                points.append(result and point(result))
    if not categories:
        return None
    return Figure(
        "stages", "Where the cycles go",
        f"Cycles of each stage with {peers.replace('-', ' ')} and {backend}: medians of "
        f"differences, each the time from a stage on less that from the next one on. A stage that "
        f"is lost in the noise can come out below zero; it is drawn as nothing.",
        "stacked", "way, and inner packet (bytes)", "TSC cycles per packet", categories,
        drop_empty(columns.items()))


def scaling(parts, pick, name, title, caption):
    """pick: of the numbers of peers."""
    part = parts.get("workers")
    walls = named(part.results, "workers", None, None, None, None) if part else []
    if not walls:
        return None
    hz = part.machine.get("tsc_hz", 0)
    counts = sorted({int(r.fields[4]) for r in walls})
    peer = pick(sorted({r.fields[3] for r in walls}, key=lambda text: int(text.split("-")[0])))
    series = []
    for way in ("encrypt", "decrypt"):
        for size in ("64", "1420"):
            found = [first(named(walls, "workers", way, size, peer, str(n))) for n in counts]
            series.append((f"{way} {size}", [r and rate_point(r, hz, 1e-6) for r in found]))
    return Figure(
        name, title, f"Whole workers with {peer.replace('-', ' ')}, from rx to tx, each on a CPU "
        f"of its own, all together. {caption} Dashed: as many times one worker.",
        "lines", "workers", "million packets/s", counts, drop_empty(series), ideal=True)


def scaling_many(parts):
    return scaling(parts, lambda counts: counts[-1], "scaling", "Scaling by worker",
                   "Packets are spread over their queues by peer, as by RSS.")


def scaling_one(parts):
    return scaling(parts, lambda counts: counts[0], "scaling-one", "One tunnel on several workers",
                   "All packets come to the first worker, which shares the ciphers' work out from "
                   "the first one on.")


def crypto(parts):
    part = parts.get("crypto")
    found = named(part.results, "seal", None, "32keys", "32", None) if part else []
    if not found:
        return None
    sizes = in_order(r.fields[1] for r in found)
    series = [(variant, [first(named(found, "seal", size, "32keys", "32", variant))
                         for size in sizes]) for variant in in_order(r.fields[-1] for r in found)]
    return Figure(
        "crypto", "ChaCha20-Poly1305 in bursts of 32",
        "Sealing, each packet with a key of its own; reference, ipsec-mb and avx… are wgdp's back "
        "ends, the others libraries called directly.",
        "dots", "plaintext (bytes)", "TSC cycles per packet", sizes,
        drop_empty([(title, [r and point(r) for r in rs]) for title, rs in series]),
        logarithmic=True)


def lookup(parts):
    part = parts.get("lookup")
    found = named(part.results, None, None, "hits", None) if part else []
    found = [r for r in found if r.fields[0] in ("v4", "v6")]
    if not found:
        return None
    sets = in_order("/".join(r.fields[:2]) for r in found)
    series = [(table, [first(named(found, *of.split("/"), "hits", table)) for of in sets])
              for table in in_order(r.fields[3] for r in found)]
    return Figure(
        "lookup", "Lookups",
        "Random addresses that have a prefix, in bulks of 32. lc-trie and allowed-ips are wgdp's, "
        "rte_… DPDK's, binary-trie is as Linux and wireguard-go have it.",
        "dots", "family and set of prefixes", "TSC cycles per lookup",
        [of.replace("/", " ") for of in sets],
        drop_empty([(title, [r and point(r) for r in rs]) for title, rs in series]),
        logarithmic=True)


def handshakes(parts):
    part = parts.get("handshakes")
    found = named(part.results, "rate", None, None, None) if part else []
    if not found:
        return None
    kinds = in_order(r.fields[3] for r in found)
    loads = in_order(tuple(r.fields[1:3]) for r in found)
    series = [(f"{peers.replace('-', ' ')}, {batch} a turn",
               [first(named(found, "rate", peers, batch, kind)) for kind in kinds])
              for peers, batch in loads]
    return Figure(
        "handshakes", "Handshakes",
        "Messages a second on one core that does nothing else. accept: an initiation until its "
        "response; start and finish: our own.",
        "bars", "what is done", "messages/s", kinds,
        drop_empty([(title, [r and point(r) for r in rs]) for title, rs in series]))


def refusals(parts):
    part = parts.get("handshakes")
    found = named(part.results, "refuse", None, None, None) if part else []
    found += named(part.results, "respond", None, None, "accept")[-1:] if found else []
    if not found:
        return None
    found.sort(key=lambda r: r.median)
    return Figure(
        "refusals", "What refusing a handshake message costs",
        "Beside accepting one, by why it was refused. The sender of all but length and mac1 knows "
        "the gateway's public key.",
        "dots", "why", "TSC cycles per message", [r.fields[3] for r in found],
        [("cycles", [point(r) for r in found])], logarithmic=True)


ALL = (throughput, stages, backends, scaling_many, scaling_one, gateways.rfc2544,
       gateways.latencies, gateways.peers, gateways.latency_peers, handshakes, refusals, lookup,
       crypto)


def figures(parts):
    """Of {name: Part}."""
    made = [make(parts) for make in ALL]
    each = [f for several in made for f in (several if isinstance(several, list) else [several])]
    return [without_gaps(f) for f in each if f and f.series]
