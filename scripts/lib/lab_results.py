"""What lab.py has measured: every sample, and of them medians, ranges and ratios.

A ratio is taken within a round (of two gateways that had their turns right after each other), and
says how many times better the first one is: more packets, or less time. Its median over the rounds
and its range are shown; the range is the confidence: where 1 lies in it, nothing was shown.
"""
import statistics

# name: (unit, what it is, whether more is better)
MEASURES = {
    "pps": ("packets/s", "greatest rate at the loss goal", True),
    "pps-per-cpu-second": ("packets/CPU-s", "packets for a second of the gateway's CPU time", True),
    "pps-per-busy-second": ("packets/CPU-s", "packets for a second that its CPU was not idle",
                            True),
    "common-per-cpu-second": ("packets/CPU-s", "for a second of its CPU time, all at one rate",
                              True),
    "latency-p50": ("us", "all at one rate", False),
    "latency-p99": ("us", "all at one rate", False),
}


def spent(sample, count):
    """Seconds of CPU time for the traffic: without what a run with none takes as well."""
    return sample["cpu"][count] - sample["cpu_around"][count]


def values_of(sample):
    """{measure: value} of one sample."""
    if sample["kind"] == "search":
        return {"pps": sample["pps"]} if sample["pps"] else {}
    # Of a gateway inside Linux there is no process: its CPU's time is all there is.
    own = spent(sample, "cpu" if sample["cpu"]["process"] is None else "process")
    busy, received = spent(sample, "cpu"), sample["received"]
    name = "pps" if sample["kind"] == "full" else "common"
    found = {}
    if own > 0:
        found[f"{name}-per-cpu-second"] = received / own
    if busy > 0 and sample["kind"] == "full" and sample["linux"]:
        found["pps-per-busy-second"] = received / busy
    if sample["kind"] == "common" and received:
        found["latency-p50"] = sample["latency_us"]["p50"]
        found["latency-p99"] = sample["latency_us"]["p99"]
    return found


class Results:
    def __init__(self, gateways, sizes):
        self.gateways, self.sizes = gateways, sizes
        self.samples = []

    def add(self, kind, gateway, size, round_number, **what):
        self.samples.append({"kind": kind, "gateway": gateway, "size": size,
                             "round": round_number, **what})
        return self.samples[-1]

    def by_round(self, measure, size, gateway):
        """{round: value}."""
        found = {}
        for sample in self.samples:
            if (sample["gateway"], sample["size"]) == (gateway, size):
                value = values_of(sample).get(measure)
                if value is not None:
                    found[sample["round"]] = value
        return found

    def _tester_was_limit(self, size, gateway):
        return any(sample.get("tester_is_limit") for sample in self.samples
                   if (sample["gateway"], sample["size"]) == (gateway, size))

    def median(self, measure, size, gateway):
        values = self.by_round(measure, size, gateway).values()
        return statistics.median(values) if values else None

    def rows(self):
        """One for each measure, size and gateway that there is something of."""
        rows = []
        for size in self.sizes:
            for measure in MEASURES:
                base = self._base(measure, size)
                for gateway in self.gateways:
                    values = self.by_round(measure, size, gateway)
                    if values:
                        rows.append(self._row(measure, size, gateway, values, base))
        return rows

    def _base(self, measure, size):
        """What ratios are to: the first gateway but wgdp that there is something of."""
        others = [g for g in self.gateways
                  if not g.startswith("wgdp") and self.by_round(measure, size, g)]
        return others[0] if others else None

    def _row(self, measure, size, gateway, values, base):
        unit, _, more_is_better = MEASURES[measure]
        row = {"name": f"{measure}/{size}/{gateway}", "unit": unit,
               "value": statistics.median(values.values()), "samples": len(values),
               "min": min(values.values()), "max": max(values.values()),
               "values": [values[n] for n in sorted(values)]}
        if measure == "pps" and self._tester_was_limit(size, gateway):
            row["at_least"] = True
        if base and base != gateway:
            to = self.by_round(measure, size, base)
            ratios = [values[n] / to[n] if more_is_better else to[n] / values[n]
                      for n in sorted(values) if n in to]
            if ratios:
                row.update(ratio=statistics.median(ratios), ratio_min=min(ratios),
                           ratio_max=max(ratios), ratio_to=f"{measure}/{size}/{base}")
        return row


def number(value):
    """Three digits that mean something are enough."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(rows):
    """Text: median, range, ratio and its range; ">=": the tester could not offer more."""
    lines, last = [], None
    for row in rows:
        measure, size, gateway = row["name"].split("/")
        if (measure, size) != last:
            last = (measure, size)
            lines += ["", f"{size} bytes, {measure}: {MEASURES[measure][1]}, {row['unit']}"]
        least = ">=" if row.get("at_least") else ""
        line = f"  {gateway:13} {least + number(row['value']):>12}" \
               f"  [{number(row['min'])} .. {number(row['max'])}]"
        if "ratio" in row:
            better = "times as many" if MEASURES[measure][2] else "times as short"
            line = f"{line:54} {row['ratio']:.2f} {better}" \
                   f" [{row['ratio_min']:.2f} .. {row['ratio_max']:.2f}]" \
                   f" as {row['ratio_to'].split('/')[-1]}"
        lines.append(line)
    return "\n".join(lines)
