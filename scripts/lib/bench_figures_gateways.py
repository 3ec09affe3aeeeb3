"""The figures of whole gateways: what wgdp-bench rfc2544 has found, and lab.py. As in
bench_figures.py, each is a function from {name: Part}."""
from lib.bench_data import in_order
from lib.bench_figure import Figure, Point, drop_empty, first

# Name, and so many packets there are for one that takes longer.
PERCENTILES = {"p50": ("50", 2), "p90": ("90", 10), "p99": ("99", 100), "p99_9": ("99.9", 1e3),
               "p99_99": ("99.99", 1e4), "p99_999": ("99.999", 1e5)}


# ---- rfc2544, of as many parts as there are: over other media, or other gateways


def rfc2544_parts(parts):
    return [part for part in parts.values() if part.whole.get("bench") == "rfc2544"]


def media(found):
    """For captions: over what each of the parts was measured."""
    return " ".join(f"{part.name}: {part.medium}." for part in found)


def rate(entry):
    """Thousands; the line reaches to the rate that was too much."""
    if not entry or not entry["pps"]:
        return None
    upper = entry.get("upper") or entry["pps"]
    return Point(*(pps / 1e3 for pps in (entry["pps"], entry["pps"], upper)))


def rfc2544(parts):
    found = [part for part in rfc2544_parts(parts) if part.found("throughput")]
    entries = [(part, entry) for part in found for entry in part.found("throughput")]
    if not entries:
        return None
    sizes = in_order(str(entry["size"]) for _, entry in entries)
    by = {(part.name, e["way"], e["goal"], str(e["size"])): e for part, e in entries}
    series = [(f"{name}, {way}, {goal}", [rate(by.get((name, way, goal, size))) for size in sizes])
              for name, way, goal in in_order(key[:3] for key in by)]
    limited = in_order(f"{part.name} {e['size']} {e['goal']}" for part, e in entries
                       if e.get("ended") in ("tester", "max"))
    return Figure(
        "rfc2544", "Throughput of a whole gateway by size",
        f"The greatest rate without loss (NDR) and with 0.5 % of it (PDR), searched as "
        f"wgdp-bench(1) says; lines reach to the rate that was too much. {media(found)}"
        + (f" Where the tester was the limit the gateway may do more: {', '.join(limited)}."
           if limited else ""),
        "bars", "inner packet (bytes)", "thousand packets/s of each way", sizes,
        drop_empty(series))


def latency_of(part, size):
    lines = [(f"{e['way']}, {e['percent']:g} % of PDR, {e['pps']:,.0f}/s", e["latency"], 1e-3)
             for e in part.found("latency")
             if str(e["size"]) == size and e.get("valid", True) and e.get("latency")]
    unit = "" if size == "imix" else " bytes"
    return latency_figure(
        f"latency-{part.name}-{size}", f"Latency by percentile: {part.name}, {size}{unit}",
        f"From before the tester sends a packet until after it has received it, so with the "
        f"tester's own part. Each line is one load. {media([part])}", lines)


def latencies(parts):
    return [latency_of(part, size) for part in rfc2544_parts(parts)
            for size in in_order(str(e["size"]) for e in part.found("latency"))]


# ---- lab.py


def latencies_peers(parts):
    """All gateways at one rate; of several rounds the one with the median p50."""
    part = parts.get("peers")
    samples = part.whole.get("samples", []) if part else []
    loads = {}
    for sample in samples:
        if sample.get("kind") == "common" and sample.get("latency_us"):
            loads.setdefault((sample["size"], sample["gateway"]), []).append(sample["latency_us"])
    lines = []
    for (size, gateway), rounds in sorted(loads.items(), key=lambda item: str(item[0])):
        rounds.sort(key=lambda latency: latency["p50"])
        lines.append((f"{gateway}, {size} bytes", rounds[(len(rounds) - 1) // 2], 1))
    return lines


def percentiles(latency, scale):
    """Those that there are packets enough for: the others would be the greatest latency."""
    return [Point(latency[name] * scale)
            if name in latency and latency.get("n", packets) >= packets else None
            for name, (_, packets) in PERCENTILES.items()]


def latency_figure(name, title, caption, lines):
    series = drop_empty([(label, percentiles(latency, scale)) for label, latency, scale in lines])
    return Figure(name, title, caption, "lines", "percentile of packets", "latency (µs)",
                  [text for text, _ in PERCENTILES.values()], series,
                  logarithmic=True) if series else None


def latency_peers(parts):
    return latency_figure(
        "latency-peers", "Latency beside other gateways",
        "All of them at one rate, half of the slowest one's greatest, over the same cables with "
        "the same flows.", latencies_peers(parts))


def peers(parts):
    part = parts.get("peers")
    rates = [r for r in part.results if r.values and r.fields[0] == "pps-per-cpu-second"] \
        if part else []
    if not rates:
        return None
    sizes = in_order(r.fields[1] for r in rates)
    series = [(gateway, [first([r for r in rates if r.fields[1:] == [size, gateway]])
                         for size in sizes]) for gateway in in_order(r.fields[2] for r in rates)]
    series = [(title, [r and Point(*(r.percentile(p) / 1e3 for p in (50, 5, 95))) for r in found])
              for title, found in series]
    return Figure(
        "peers", "Beside other gateways",
        "Packets for one second of the gateway's CPU time, each at its own greatest rate: the same "
        "cables, flows and tool, in turns.",
        "bars", "inner packet (bytes)", "thousand packets/CPU-s", sizes, drop_empty(series))
