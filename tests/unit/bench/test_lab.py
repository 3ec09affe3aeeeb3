#!/usr/bin/python3
"""How scripts/bench.py and scripts/lab.py keep to a time, and what they do about turns that fail:
with parts, gateways and a clock that are made up."""
import os
import subprocess
import sys
import tempfile

import made_up
from bench import TIMEOUT_S, go

sys.path.insert(0, made_up.SCRIPTS)
from lib import bench_parts, bench_time, lab_results, lab_tester, lab_turns, process  # noqa: E402

PYTHON = "/usr/bin/python3"


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


# ---- the report's time


def run_report(minutes, takes, reasons=None):
    """Seconds that it took in all, and {name: seconds told, or the reason}. takes(part, seconds):
    how long a part needs that was told so many."""
    clock = Clock()
    begin = clock.now
    parts = bench_parts.PARTS
    plan = bench_time.Plan(parts, {p.name: (reasons or {}).get(p.name) for p in parts}, minutes,
                           clock)
    told = {}
    for part in parts:
        seconds, reason = plan.next(part)
        told[part.name] = reason or seconds
        if not reason:
            clock.now += min(takes(part, seconds), bench_time.limit(part, seconds))
    return clock.now - begin, told


def as_planned(part, seconds):
    return seconds + part.around


def ten_minutes():
    took, told = run_report(10, as_planned)
    assert 585 <= took <= 592, (took, told)
    assert all(isinstance(seconds, int) for seconds in told.values()), told
    # Each its share, but for what is rounded.
    free = 590 - sum(p.around for p in bench_parts.PARTS)
    shares = sum(p.share for p in bench_parts.PARTS)
    for part in bench_parts.PARTS:
        assert abs(told[part.name] - free * part.share / shares) <= 2, (part.name, told)
        assert told[part.name] >= part.least, (part.name, told)


def time_is_kept_to():
    """Whatever they take, the whole ends when it should, but for what the last one takes over."""
    for factor in (0.1, 0.7, 1.2, 1.5, 40):
        took, told = run_report(10, lambda part, s: factor * s + part.around)
        most = max(bench_time.limit(p, told[p.name]) - told[p.name] for p in bench_parts.PARTS
                   if isinstance(told[p.name], int))
        assert took <= 590 + most, (factor, took, told)
    took, told = run_report(10, lambda part, s: 0)
    assert all(isinstance(seconds, int) for seconds in told.values()), told


def short_reports():
    took, told = run_report(1, as_planned)
    assert took <= 60, (took, told)
    assert "at least" in told["peers"] and "1 minutes" in told["peers"], told
    assert isinstance(told["path"], int), told
    took, told = run_report(0.01, as_planned)
    assert took == 0 and all("no time for it" in reason for reason in told.values()), told


def time_of_what_cannot_run():
    """Goes to the others."""
    _, told = run_report(10, as_planned)
    took, without = run_report(10, as_planned, {"peers": "needs root", "rfc2544": "needs root"})
    assert without["peers"] == "needs root", without
    assert 585 <= took <= 592 and without["path"] > 1.5 * told["path"], (told, without)


def trials_fit():
    """rfc2544 is told how long its trials are, not how long it may take."""
    part = next(p for p in bench_parts.PARTS if p.name == "rfc2544")
    context = bench_parts.Context("/build", "/scripts", 198)
    argv = part.argv(context)
    assert float(argv[argv.index("--trial-seconds") + 1]) == 1, argv
    assert "--seconds" not in argv and argv[0] == "/scripts/lab_rfc2544.py", argv
    memory = next(p for p in bench_parts.PARTS if p.name == "rfc2544-memory")
    argv = memory.argv(context)
    assert argv[:3] == ["/build/bench/wgdp-bench", "rfc2544", "--one-process"], argv
    assert argv[3:] == part.options(context), argv
    peers = bench_parts.PARTS[-1].argv(context)
    assert peers[peers.index("--budget") + 1] == "198", peers


def older_programs():
    """Which have less than a part needs."""
    memory = next(p for p in bench_parts.PARTS if p.name == "rfc2544-memory")
    for commands, text in ((("path",), "has no rfc2544"),
                           (("path", "rfc2544"), "rfc2544 has no --one-process")):
        with tempfile.TemporaryDirectory() as build:
            made_up.program(build, commands)
            reason = memory.why_not(bench_parts.Context(build, "/scripts", 198))
            assert text in reason, reason
    assert "is not there" in memory.why_not(bench_parts.Context("/nowhere", "/scripts", 198))


# ---- turns


class Run:
    """Turns of gateways that take so many seconds each; fails: how often the next turns of one
    do."""

    def __init__(self, seconds, rounds, limit=None, fails=None):
        self.clock, self.seconds, self.fails = Clock(), seconds, dict(fails or {})
        self.begin, self.done, self.said = self.clock.now, [], []
        self.turns = lab_turns.Turns(seconds, rounds, limit, self.say, self.clock)

    def say(self, text="", end="\n"):
        self.said.append(text)

    def turn(self, number, name):
        self.clock.now += min(self.seconds[name], max(self.turns.left(), 1))
        if self.fails.get(name, 0) > 0:
            self.fails[name] -= 1
            raise process.Failed("the tester does not hold any rate")
        self.done.append((number, name))

    def both(self, share=0.65):
        self.turns.phase("first", self.turn, share)
        first, self.done = self.done, []
        self.turns.phase("second", self.turn)
        return first, self.done

    @property
    def took(self):
        return self.clock.now - self.begin


def rounds_without_a_limit():
    run = Run({"a": 10, "b": 20}, 3)
    first, second = run.both()
    # Each round begins with another one.
    assert first == second == [(1, "a"), (1, "b"), (2, "b"), (2, "a"), (3, "a"), (3, "b")], first
    assert not run.turns.not_run and not run.turns.failures and not run.turns.repeats


def rounds_that_fit():
    run = Run({"a": 10, "b": 20}, 9, 200)
    first, second = run.both()
    # 130 s of 200 are four rounds of 30 s; the other 80 s are two.
    assert [sum(name == "a" for _, name in done) for done in (first, second)] == [4, 2], run.said
    assert run.took <= 200, run.took
    left_out = run.turns.not_run
    assert [(e["what"], e["rounds"]) for e in left_out] == \
        [("first", [5, 9]), ("second", [3, 9])], left_out
    assert all(e["gateway"] is None and "a round takes 30 s" in e["reason"] for e in left_out)


def not_even_a_round():
    """What there is no time for in the first round is named, and what is cut off is no failure."""
    run = Run({"a": 40, "b": 40, "c": 40}, 2, 100)
    first, second = run.both()
    assert first == [(1, "a"), (1, "b")] and second == [(1, "a")], (first, second)
    assert run.took <= 101, run.took
    named = [(e["what"], e["rounds"], e["gateway"]) for e in run.turns.not_run]
    assert ("first", [1, 1], "c") in named and ("second", [1, 1], "c") in named, named


def cut_off():
    run = Run({"a": 500}, 1, 60, {"a": 9})
    run.turns.phase("only", run.turn)
    assert run.took <= 61 and not run.turns.failures and not run.turns.repeats, run.turns.failures
    assert "time was up" in run.turns.not_run[0]["reason"], run.turns.not_run


def a_turn_fails_once():
    run = Run({"a": 1, "b": 1}, 2, None, {"a": 1})
    run.turns.phase("only", run.turn)
    assert run.done == [(1, "a"), (1, "b"), (2, "b"), (2, "a")], run.done
    assert run.turns.repeats == [{"what": "only", "gateway": "a", "round": 1,
                                  "error": "the tester does not hold any rate"}], run.turns.repeats
    assert not run.turns.failures and any("Once more" in text for text in run.said), run.said


def a_turn_fails_twice():
    run = Run({"a": 1, "b": 1}, 3, None, {"a": 4})
    run.turns.phase("only", run.turn)
    assert run.done == [(n, "b") for n in (1, 2, 3)], run.done
    assert len(run.turns.failures) == 2 and len(run.turns.repeats) == 2, run.turns.failures
    assert run.turns.gateways == ["b"] and any("has no more" in text for text in run.said), run.said


# ---- searches


class Tester(lab_tester.Tester):
    """Finds what it is told: (PDR, how that ended, what it held before)."""

    def __init__(self, *found, left=100):
        super().__init__("/build", 0, 1, 1, "both", 1)
        self.found, self.left = list(found), lambda: left

    def _run(self, gateway, size, timeout, *argv):
        pps, ended, top = self.found.pop(0)
        goal = {"pps": pps, "ended": ended, "width": 0.02}
        return {"results": {"throughput": [goal, goal], "top": [{"pps": top}]}, "trials": [0] * 7}


def searched_once():
    for found in ((1e5, "width", 1e6), (9e5, "tester", 1e6), (1e6, "max", 1e6)):
        tester = Tester(found)
        got = tester.search(None, 64, 0.5)
        assert got["pps"] == 2 * found[0] and "again" not in got, got
        assert got["tester_is_limit"] == (found[1] != "width"), got


def searched_again():
    """If no rate was good, or the tester fell far short of what it had held: and it is said."""
    tester = Tester((0, "min", 1e6), (2e5, "width", 1e6))
    got = tester.search(None, 64, 0.5)
    assert got["pps"] == 4e5 and "no rate" in got["again"], got
    tester = Tester((3e3, "tester", 1e6), (0, "min", 1e6))
    got = tester.search(None, 64, 0.5)
    assert got["pps"] == 0 and "6000/s" in got["again"], got
    results = lab_results.Results(["a"], [64])
    results.add("search", "a", 64, 1, **got)
    assert results.rows() == [], results.rows()
    got = Tester((0, "min", 1e6), left=0).search(None, 64, 0.5)
    assert got["pps"] == 0 and "again" not in got, got


def refusals():
    for arguments, text in ((["--outside", "eth0"], "--outside"), (["--config=wg"], "--config"),
                            (["--gateway", "openvpn"], "openvpn"),
                            (["--build", "/nowhere"], "/nowhere" if os.geteuid() == 0 else "root")):
        done = subprocess.run([PYTHON, os.path.join(made_up.SCRIPTS, "lab_rfc2544.py"), *arguments],
                              capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        assert done.returncode in (1, 2) and text in done.stderr, (arguments, done)
        assert not done.stdout and "Traceback" not in done.stderr, done


go([ten_minutes, time_is_kept_to, short_reports, time_of_what_cannot_run, trials_fit,
    older_programs, rounds_without_a_limit, rounds_that_fit, not_even_a_round, cut_off,
    a_turn_fails_once, a_turn_fails_twice, searched_once, searched_again, refusals])
