#!/usr/bin/python3
"""A guard against regressions, in two minutes: has something become slower than it was?

Runs a few commands of wgdp-bench several times in turns. What counts are ratios between results of
one run, to the reference back end or to another library, for cycles differ from machine to machine
and from hour to hour. From the repetitions follows how much a ratio moves by itself. It is compared
with the one that bench/baseline.json has of the last release (--baseline writes that file), and
what moved further than its noise, and by 5 % or more (as much as code can change by lying elsewhere
in memory), is flagged.

Exit status: 0 nothing is slower, 2 something is, 3 no verdict (no baseline, one of another CPU or
kind of build, or too much noise), 1 error, 130 stopped.
"""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(SOURCE, "scripts"))

from lib import bench_data, bench_parts  # noqa: E402

OK, ERROR, SLOWER, NO_VERDICT, STOPPED = 0, 1, 2, 3, 130
REPEATS = 4
SECONDS = 7             # of each run: 16 of them in two minutes
ERRORS_WIDE = 4         # standard errors that a change must exceed
CHANGE_LEAST = 0.05     # and so much of the ratio
NOISE_MOST = 0.25       # of a ratio, over which nothing can be said of it
NOISY_MOST = 0.1        # of all ratios, which may be so
ERRORS_LEAST = 0.002    # of a ratio: what samples of few cycles round to

# Sizes 64 and 1420; only what is ours, and what it is compared with.
PARTS = (
    bench_parts.Command("path", "", 1, "path", "--filter", "??crypt/[61]4*"),
    bench_parts.Command("crypto", "", 1, "crypto", "--filter", "????/[61]4*/32keys/32/[air]*"),
    bench_parts.Command("handshakes", "", 1, "handshakes", "--filter", "[ir]*/1000-peers/32/*"),
    bench_parts.Command("lookup", "", 1, "lookup", "--filter", "v?/hosts-1k/hits/[al]*"),
)


class Failed(Exception):
    pass


def say(text=""):
    print(text, file=sys.stderr, flush=True)


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(SOURCE, "build"), metavar="DIR",
                        help="where make has put wgdp-bench (default: %(default)s)")
    parser.add_argument("--file", default=os.path.join(SOURCE, "bench", "baseline.json"),
                        help="the stored ratios (default: %(default)s)")
    parser.add_argument("--baseline", action="store_true", help="write that file")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of each run (default: 7)")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="(default: 4, 2 at least)")
    args = parser.parse_args(argv)
    if args.repeats < 2 or args.seconds < 1:
        parser.error("noise takes 2 repetitions, of a second each")
    return args


# ---- measuring


def run(part, context):
    """One Part."""
    done = subprocess.run(part.argv(context), stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise Failed(f"{bench_parts.shell_line(part.argv(context))}: "
                     f"exit status {done.returncode}")
    try:
        return bench_data.Part(part.name, json.loads(done.stdout))
    except ValueError as error:
        raise Failed(f"{bench_parts.shell_line(part.argv(context))}: {error}") from error


def measure(args, found):
    """Fills found: {"machine": ..., "ratios": {name: {"to": name, "ratios": [...]}}}."""
    context = bench_parts.Context(args.build, os.path.join(SOURCE, "scripts"), args.seconds)
    for part in PARTS:
        reason = part.why_not(context)
        if reason:
            raise Failed(reason)
    for repeat in range(args.repeats):
        for number, part in enumerate(PARTS):
            say(f"[{repeat * len(PARTS) + number + 1}/{args.repeats * len(PARTS)}] {part.name}")
            measured = run(part, context)
            found["machine"] = measured.machine
            for result in measured.results:
                if result.ratio:
                    entry = found["ratios"].setdefault(result.name, {
                        "part": part.name, "to": result.ratio_to, "ratios": []})
                    entry["ratios"].append(result.ratio)


# ---- judging


def logs(entry):
    return [math.log(ratio) for ratio in entry["ratios"]]


def spread(*samples):
    """The standard deviation within samples of two or more, together."""
    samples = [s for s in samples if len(s) > 1]
    squares = sum(statistics.variance(s) * (len(s) - 1) for s in samples)
    freedom = sum(len(s) - 1 for s in samples)
    return math.sqrt(squares / freedom) if freedom else 0.0


def judge(now, then):
    """[(name, entry, ratio before, change, noise)], the last two as shares; None: not known. A few
    repetitions can agree by chance: none is taken to be quieter than half of its part are."""
    spreads = {name: spread(logs(entry), logs(then[name]) if name in then else [])
               for name, entry in now.items()}
    typical = {part: statistics.median(s for name, s in spreads.items()
                                       if now[name]["part"] == part)
               for part in {entry["part"] for entry in now.values()}}
    rows = []
    for name, entry in now.items():
        own = max(spreads[name], typical[entry["part"]], ERRORS_LEAST)
        if name not in then:
            rows.append((name, entry, None, None,
                         math.expm1(ERRORS_WIDE * own / math.sqrt(len(entry["ratios"])))))
            continue
        before = statistics.fmean(logs(then[name]))
        change = statistics.fmean(logs(entry)) - before
        error = own * math.sqrt(1 / len(entry["ratios"]) + 1 / len(then[name]["ratios"]))
        rows.append((name, entry, math.exp(before), math.expm1(change),
                     math.expm1(ERRORS_WIDE * error)))
    return rows


def verdict(change, noise):
    if change is None or abs(math.log1p(change)) <= math.log1p(max(noise, CHANGE_LEAST)):
        return ""
    return "FASTER" if change > 0 else "SLOWER"


def print_rows(rows):
    part = None
    for name, entry, before, change, noise in rows:
        if entry["part"] != part:
            part = entry["part"]
            print(f"\n{part + ': times as fast as':46} {'now':>9} {'before':>9} {'change':>8} "
                  f"{'noise':>8}")
        now = math.exp(statistics.fmean(logs(entry)))
        told = f"{before:9.3f} {change:+8.1%}" if before is not None else f"{'-':>9} {'-':>8}"
        label = f"{name} ({entry['to'].split('/')[-1]})"
        print(f"{label:46} {now:9.3f} {told} {noise:8.1%} {verdict(change, noise)}".rstrip())


# ---- the stored ratios


def load_baseline(path):
    """None: there is none."""
    try:
        with open(path, encoding="utf-8") as f:
            stored = json.load(f)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Failed(f"{path}: {error}; make bench-baseline writes a new one") from error
    if not isinstance(stored, dict) or stored.get("bench") != "baseline" or \
            not isinstance(stored.get("ratios"), dict):
        raise Failed(f"{path}: not written by make bench-baseline, which writes a new one")
    return stored


def kind_of(machine):
    return {key: machine.get(key) for key in ("cpu", "debug_build")}


def write_baseline(args, found):
    whole = {"bench": "baseline",
             "machine": {key: found["machine"].get(key)
                         for key in ("cpu", "debug_build", "version", "versions", "time")},
             "settings": {"seconds": args.seconds, "repeats": args.repeats},
             "ratios": found["ratios"]}
    for entry in whole["ratios"].values():
        entry["ratios"] = [round(ratio, 5) for ratio in entry["ratios"]]
    with open(args.file, "w", encoding="utf-8") as f:
        json.dump(whole, f, indent=1)
        f.write("\n")
    say(f"wrote {args.file}")


def finish_baseline(args, found, stopped):
    """Nothing is written that nothing could be compared with."""
    rows = judge(found["ratios"], {})
    print_rows(rows)
    if stopped:
        return STOPPED
    noisy = why_too_noisy(rows)
    if noisy:
        raise Failed(f"not written: {noisy}")
    write_baseline(args, found)
    return OK


def why_no_verdict(stored, found, path):
    if stored is None:
        return f"there is no {path}: make bench-baseline writes it"
    now, then = kind_of(found["machine"]), kind_of(stored.get("machine", {}))
    different = [f"{key} {now[key]!r}, there {then[key]!r}" for key in now if now[key] != then[key]]
    if different:
        return f"{path} was measured with another {'; '.join(different)}"
    return None


def why_too_noisy(rows):
    noisy = [row for row in rows if row[4] > NOISE_MOST]
    if len(noisy) <= NOISY_MOST * len(rows):
        return None
    return f"{len(noisy)} of {len(rows)} ratios moved by themselves by {NOISE_MOST:.0%} or more: " \
           "repeat it when nothing else runs here"


def conclude(rows, stored, reason):
    changed = [verdict(change, noise) for _, _, _, change, noise in rows]
    slower, faster = changed.count("SLOWER"), changed.count("FASTER")
    gone = set(stored["ratios"]) - {row[0] for row in rows} if stored else set()
    print()
    if gone:
        print(f"not measured now: {len(gone)}, such as {min(gone)}")
    print(f"{len(rows)} ratios: {slower} slower, {faster} faster, beyond their noise")
    if reason:
        print(f"no verdict: {reason}")
        return NO_VERDICT
    if slower:
        return SLOWER
    noisy = why_too_noisy(rows)
    if noisy:
        print(f"no verdict: {noisy}")
    return NO_VERDICT if noisy else OK


def main(argv=None):
    args = parse(argv)
    found, stopped = {"machine": {}, "ratios": {}}, False
    try:
        stored = None if args.baseline else load_baseline(args.file)
        try:
            measure(args, found)
        except KeyboardInterrupt:
            say("\nstopped: this is partial")
            stopped = True
        if args.baseline:
            return finish_baseline(args, found, stopped)
        rows = judge(found["ratios"], stored["ratios"] if stored else {})
        print_rows(rows)
        status = conclude(rows, stored, why_no_verdict(stored, found, args.file))
        return STOPPED if stopped else status
    except Failed as failure:
        say(f"bench_quick.py: {failure}")
        return ERROR


if __name__ == "__main__":
    sys.exit(main())
