#!/usr/bin/python3
"""Measures everything that there is to measure on this machine, and writes a report.

Runs the parts of lib/bench_parts.py one after the other, in ten minutes on two CPUs, and writes to
report/: PART.json with the machine, versions, settings and every sample; results.csv and
samples.csv; plots/ as SVG and PNG; and index.html, which puts them together. Ctrl-C ends it with
what there is, marked partial. --page makes the page anew of the JSON that lies there.
"""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(SOURCE, "scripts"))

from lib import (bench_data, bench_figures, bench_page, bench_parts, bench_plots,  # noqa: E402
                 bench_time)

RUNS = "run.json"       # what was run, and how that went
STOP_SECONDS = 60       # for a part to write what it has
STATUS_STOPPED = 130


def say(text):
    print(text, file=sys.stderr, flush=True)


def parse(argv):
    names = [part.name for part in bench_parts.PARTS]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(SOURCE, "build"), metavar="DIR",
                        help="where make has put wgdp-bench (default: %(default)s)")
    parser.add_argument("--out", default=os.path.join(SOURCE, "report"), metavar="DIR",
                        help="(default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=10,
                        help="about so long in all (default: 10)")
    parser.add_argument("--parts", default=",".join(names), metavar="PART,...",
                        help=f"only these; what lies there of others stays "
                             f"(default: {','.join(names)})")
    parser.add_argument("--page", action="store_true", help="measure nothing")
    args = parser.parse_args(argv)
    unknown = [name for name in args.parts.split(",") if name not in names]
    if unknown:
        parser.error(f"no such part: {unknown[0]}; there are {', '.join(names)}")
    if args.minutes <= 0:
        parser.error("--minutes takes a number over 0")
    args.parts = [part for part in bench_parts.PARTS if part.name in args.parts.split(",")]
    return args


# ---- measuring


class Terminated(KeyboardInterrupt):
    """SIGTERM, which came to this process only; Ctrl-C comes to what it has started as well."""


def terminate(number, frame):
    raise Terminated


def wait(child, limit):
    """What ended it before its time: "stopped" or "limit", or None. It has had time to write what
    it had."""
    try:
        child.wait(limit)
        return None
    except subprocess.TimeoutExpired:
        why = "limit"
        say(f"      not done after {limit:.0f} s: writing what there is")
    except Terminated:
        why = "stopped"
    except KeyboardInterrupt:
        return wait_stopped(child)
    child.send_signal(signal.SIGINT)
    return wait_stopped(child, why)


def wait_stopped(child, why="stopped"):
    if why == "stopped":
        say("\nstopping: writing what there is (Ctrl-C again: at once)")
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    except KeyboardInterrupt:
        why = "stopped"
        child.kill()
        child.wait()
    return why


def measure(part, context, out):
    """(what is noted of it, whether it was stopped). Its JSON is there if it has printed one."""
    run = {"name": part.name, "medium": part.medium}
    path = os.path.join(out, f"{part.name}.json")
    context.file = path + ".new"
    argv = part.argv(context)
    limit = bench_time.limit(part, context.seconds)
    begin = time.monotonic()
    with open(context.file, "w", encoding="utf-8") as f:
        child = subprocess.Popen(argv, stdout=f if part.prints_json else sys.stderr)
        ended = wait(child, limit)
    run.update(command=bench_parts.shell_line(argv), status=child.returncode,
               planned_seconds=context.seconds, seconds=round(time.monotonic() - begin, 1))
    if ended == "limit":
        run["cut"] = f"not done after {limit:.0f} s"
    try:
        bench_data.read_part(part.name, context.file)
        os.replace(context.file, path)
    except bench_data.Unreadable:
        os.remove(context.file)
        if ended != "stopped":
            run["failed"] = f"exit status {child.returncode}, and no results"
    return run, ended == "stopped"


def measure_all(args, runs):
    """Runs are noted after each part, so that even a kill leaves a report to make."""
    context = bench_parts.Context(args.build, os.path.join(SOURCE, "scripts"))
    chosen = args.parts
    for part in chosen:
        runs.pop(part.name, None)
        path = os.path.join(args.out, f"{part.name}.json")
        if os.path.exists(path):
            os.remove(path)
    plan = bench_time.Plan(chosen, {p.name: p.why_not(context) for p in chosen}, args.minutes)
    for number, part in enumerate(chosen, 1):
        left = plan.left()
        context.seconds, reason = plan.next(part)
        stopped = False
        say(f"[{number}/{len(chosen)}] {part.name}: {part.what}" + (
            "" if reason else f", about {context.seconds + part.around} s of "
                              f"{bench_time.clock(left)} left"))
        if reason:
            runs[part.name] = {"name": part.name, "medium": part.medium, "left_out": reason}
        else:
            runs[part.name], stopped = measure(part, context, args.out)
        for key in ("left_out", "failed"):
            if key in runs[part.name]:
                say(f"      {key.replace('_', ' ')}: {runs[part.name][key]}")
        save_runs(args.out, runs)
        if stopped:
            return True
    return False


# ---- what comes of it


def load_runs(out):
    try:
        with open(os.path.join(out, RUNS), encoding="utf-8") as f:
            return {run["name"]: run for run in json.load(f)}
    except FileNotFoundError:
        return {}


def save_runs(out, runs):
    with open(os.path.join(out, RUNS), "w", encoding="utf-8") as f:
        json.dump(list(runs.values()), f, indent=1)
        f.write("\n")


def load_parts(out):
    """{name: Part}, in the order of the parts; others that lie there come after."""
    names = [part.name for part in bench_parts.PARTS]
    found = [name[:-5] for name in sorted(os.listdir(out)) if name.endswith(".json")
             and name != RUNS]
    ordered = [n for n in names if n in found] + [n for n in found if n not in names]
    return {name: bench_data.read_part(name, os.path.join(out, f"{name}.json"))
            for name in ordered}


def draw_all(figures, out):
    """None, or why there are no plots."""
    plots = os.path.join(out, "plots")
    shutil.rmtree(plots, ignore_errors=True)
    reason = bench_plots.why_not()
    if reason:
        return f"There are no plots: {reason}."
    os.mkdir(plots)
    for figure in figures:
        bench_plots.draw(figure, plots)
    return None


def write_report(out, runs):
    parts = load_parts(out)
    if not parts:
        say("nothing was measured, so there is no report")
        return False
    bench_data.write_csv(parts.values(), out)
    figures = bench_figures.figures(parts)
    note = draw_all(figures, out)
    if note:
        say(note)
    with open(os.path.join(out, "index.html"), "w", encoding="utf-8") as f:
        f.write(bench_page.page(parts, list(runs.values()), figures, out, [note] if note else []))
    say(f"{os.path.join(out, 'index.html')}")
    return True


def main(argv=None):
    args = parse(argv)
    signal.signal(signal.SIGTERM, terminate)
    os.makedirs(args.out, exist_ok=True)
    stopped = False
    try:
        runs = load_runs(args.out)
        if not args.page:
            stopped = measure_all(args, runs)
        written = write_report(args.out, runs)
    except (bench_data.Unreadable, bench_plots.Failed) as error:
        say(f"bench.py: {error}")
        return 1
    except KeyboardInterrupt:
        return STATUS_STOPPED
    if stopped:
        return STATUS_STOPPED
    return 0 if written and not any(run.get("failed") for run in runs.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
