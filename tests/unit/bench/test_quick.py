#!/usr/bin/python3
"""scripts/bench_quick.py: what it flags in runs whose noise is known, and how it ends."""
import functools
import json
import os
import subprocess
import tempfile

import made_up
from bench import TIMEOUT_S, go

PROGRAM = os.path.join(made_up.SCRIPTS, "bench_quick.py")
OK, ERROR, SLOWER, NO_VERDICT = 0, 1, 2, 3
NAME = "encrypt/64/1-peer/fast"
# Each run's ratios lie around those made up, by as much as this says.
NOISE = """
calls = sum(1 for line in open(os.path.join(here, "calls")))
whole = json.load(open(os.path.join(here, command + ".json")))
for result in whole["results"]:
    if "ratio" in result:
        result["ratio"] *= (FACTOR if result["name"] == "encrypt/64/1-peer/fast" else 1) * (
            1 + SPREAD * ((calls // 4 + len(result["name"])) % 3 - 1))
whole["machine"]["cpu"] = CPU
print(json.dumps(whole))
sys.exit()
"""
scratch = tempfile.TemporaryDirectory()


@functools.cache
def made(factor=1.0, spread=0.001, cpu="Made Up"):
    build = tempfile.mkdtemp(dir=scratch.name)
    code = NOISE.replace("FACTOR", str(factor)).replace("SPREAD", str(spread))
    made_up.program(build, code=code.replace("CPU", repr(cpu)))
    return build


def quick(build, stored, status, *more):
    done = subprocess.run(["/usr/bin/python3", PROGRAM, "--build", build, "--file", stored,
                           "--seconds", "1", "--repeats", "3", *more],
                          capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == status, done
    assert "Traceback" not in done.stderr, done
    return done


@functools.cache
def baseline(**more):
    """Not to be changed."""
    stored = os.path.join(tempfile.mkdtemp(dir=scratch.name), "baseline.json")
    quick(made(**more), stored, OK, "--baseline")
    return stored


def flagged(done):
    return {line.split()[0]: line.split()[-1] for line in done.stdout.splitlines()
            if line.endswith(("SLOWER", "FASTER"))}


def what_is_stored():
    with open(baseline(), encoding="utf-8") as f:
        stored = json.load(f)
    entry = stored["ratios"][NAME]
    assert entry["to"] == "encrypt/64/1-peer/reference" and len(entry["ratios"]) == 3, entry
    assert all(abs(ratio - 4) < 0.01 for ratio in entry["ratios"]), entry
    assert stored["machine"]["cpu"] == "Made Up", stored
    assert "values" not in json.dumps(stored), "no absolute times"


def equal():
    done = quick(made(), baseline(), OK)
    assert not flagged(done) and "0 slower, 0 faster" in done.stdout, done.stdout


def slower():
    assert flagged(quick(made(factor=0.9), baseline(), SLOWER)) == {NAME: "SLOWER"}


def faster():
    assert flagged(quick(made(factor=1.1), baseline(), OK)) == {NAME: "FASTER"}


def within_noise():
    done = quick(made(factor=0.9, spread=0.05), baseline(spread=0.05), OK)
    assert not flagged(done), done.stdout


def too_noisy():
    done = quick(made(spread=0.4), baseline(), NO_VERDICT)
    assert "no verdict" in done.stdout and "nothing else runs" in done.stdout, done.stdout
    stored = os.path.join(tempfile.mkdtemp(dir=scratch.name), "baseline.json")
    done = quick(made(spread=0.4), stored, ERROR, "--baseline")
    assert "not written" in done.stderr and not os.path.exists(stored), done


def too_little_to_matter():
    assert not flagged(quick(made(factor=0.97), baseline(), OK))


def another_cpu():
    done = quick(made(factor=0.5, cpu="Other"), baseline(), NO_VERDICT)
    assert "no verdict" in done.stdout and "'Other'" in done.stdout, done.stdout


def no_baseline():
    done = quick(made(), os.path.join(scratch.name, "nothing"), NO_VERDICT)
    assert "make bench-baseline" in done.stdout and NAME in done.stdout, done.stdout


def gone():
    stored = os.path.join(scratch.name, "gone.json")
    with open(baseline(), encoding="utf-8") as f:
        whole = json.load(f)
    whole["ratios"]["was/there"] = whole["ratios"][NAME]
    with open(stored, "w", encoding="utf-8") as f:
        json.dump(whole, f)
    assert "was/there" in quick(made(), stored, OK).stdout


def malformed():
    """Is said before anything is measured."""
    stored = os.path.join(scratch.name, "malformed.json")
    for text in ("{", "[]", "{}", '{"bench": "baseline"}'):
        with open(stored, "w", encoding="utf-8") as f:
            f.write(text)
        done = quick(made(), stored, ERROR)
        assert stored in done.stderr and "make bench-baseline" in done.stderr, done


def a_run_fails():
    build = tempfile.mkdtemp(dir=scratch.name)
    made_up.program(build, code="sys.exit(1)")
    done = quick(build, "nothing", ERROR)
    assert "exit status 1" in done.stderr, done
    done = quick(scratch.name, "nothing", ERROR)
    assert "is not there: make builds it" in done.stderr, done


go([what_is_stored, equal, slower, faster, within_noise, too_noisy, too_little_to_matter,
    another_cpu, no_baseline, gone, malformed, a_run_fails])
scratch.cleanup()
