"""The results of wgdp-bench that a report is made of: reading their JSON, finding some by name,
and writing all of them as CSV."""
import csv
import dataclasses
import json
import os

PERCENTS = (5, 50, 95)


@dataclasses.dataclass
class Result:
    part: str
    name: str
    unit: str
    values: list
    ratio: float = None
    ratio_to: str = None
    left_out: str = None

    @property
    def fields(self):
        return self.name.split("/")

    def percentile(self, percent):
        """The nearest rank, as wgdp-bench has it."""
        values = sorted(self.values)
        return values[(len(values) - 1) * percent // 100]

    @property
    def median(self):
        return self.percentile(50)


def read_result(part, entry):
    return Result(part, entry["name"], entry["unit"], entry.get("values", []),
                  entry.get("ratio"), entry.get("ratio_to"), entry.get("left_out"))


def rfc2544_results(found):
    """(name, unit, values) of the methods that a report runs: each was found once, of many
    trials."""
    for entry in found.get("throughput", []):
        yield f"throughput/{entry['way']}/{entry['size']}/{entry['goal']}", "packets/s", \
            [entry["pps"]]
    for entry in found.get("latency", []):
        for percentile, value in (entry.get("latency") or {}).items():
            if percentile != "n":
                yield f"latency/{entry['way']}/{entry['size']}/{entry['percent']:g}/{percentile}", \
                    "ns", [value]


@dataclasses.dataclass
class Part:
    """One file of a report: what one command has printed."""
    name: str
    whole: dict

    @property
    def results(self):
        listed = self.whole.get("results")
        if isinstance(listed, dict):
            return [Result(self.name, *entry) for entry in rfc2544_results(listed)]
        return [read_result(self.name, entry) for entry in listed or []]

    def found(self, method):
        """What a method of rfc2544 has found: dictionaries."""
        listed = self.whole.get("results")
        return listed.get(method, []) if isinstance(listed, dict) else []

    @property
    def medium(self):
        """What it was measured over, if it says so itself."""
        return self.whole.get("medium", {}).get("text", "")

    @property
    def machine(self):
        return self.whole.get("machine", {})

    @property
    def partial(self):
        return bool(self.whole.get("partial"))


class Unreadable(Exception):
    pass


def read_part(name, path):
    try:
        with open(path, encoding="utf-8") as f:
            whole = json.load(f)
    except (OSError, ValueError) as error:
        raise Unreadable(f"{path}: {error}") from error
    if not isinstance(whole, dict) or "bench" not in whole:
        raise Unreadable(f"{path}: not a result of wgdp-bench with --json")
    return Part(name, whole)


def named(results, *pattern):
    """Those whose name has these fields; None stands for any."""
    return [r for r in results
            if r.values and len(r.fields) == len(pattern)
            and all(want in (None, got) for want, got in zip(pattern, r.fields))]


def in_order(values):
    """Each once, as they first came."""
    return list(dict.fromkeys(values))


def write_csv(parts, directory):
    """results.csv: a line for each result; samples.csv: one for each sample."""
    with open(os.path.join(directory, "results.csv"), "w", newline="", encoding="utf-8") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(["part", "name", "unit", "samples", "median", "p5", "p95", "ratio",
                      "ratio_to", "left_out"])
        for result in (r for part in parts for r in part.results):
            row = [result.part, result.name, result.unit, len(result.values)]
            row += [result.percentile(p) for p in (50, 5, 95)] if result.values else [""] * 3
            row += ["" if value is None else value
                    for value in (result.ratio, result.ratio_to, result.left_out)]
            out.writerow(row)
    with open(os.path.join(directory, "samples.csv"), "w", newline="", encoding="utf-8") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(["part", "name", "unit", "sample", "value"])
        for result in (r for part in parts for r in part.results):
            for number, value in enumerate(result.values, 1):
                out.writerow([result.part, result.name, result.unit, number, value])
