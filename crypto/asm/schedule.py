"""Puts straight-line AVX-512 code into an order that keeps a CPU's pipes full.

A core looks some hundred instructions ahead, so it finds parallel work only when the program has it
close by. Compilers order by other rules; here the order is that of a simulated machine: an
instruction comes in the cycle in which an ideal core with these pipes and latencies would start it.
The figures are Zen 5's (four 512-bit pipes); the order only has to be good, not exact, and suits
other cores as well: correctness does not depend on it, as every dependency is kept.
"""

# unit: which of the pipes 0 to 3 may do it; latency in cycles
UNITS = {
    "simple": ((0, 1, 2, 3), 2),        # add, logic, unpack
    "multiply": ((0, 1), 4),            # vpmadd52
    "rotate": ((0, 1), 2),              # also the double shift vpshrd
    "shuffle": ((1, 2), 4),             # crosses 128-bit lanes
    "shift": ((2, 3), 2),
    "load": ((), 6),
    "store": ((), 1),
    "scalar": ((), 1),
}
LOADS_PER_CYCLE = 2
STORES_PER_CYCLE = 1


class Instruction:
    """text, which registers (or other names) it reads and writes, and what does it."""

    def __init__(self, text, unit, reads=(), writes=(), loads=0):
        self.text = text
        self.unit = unit
        self.reads = tuple(reads)
        self.writes = tuple(writes)
        self.loads = loads + (unit == "load")


def dependencies(code):
    """For each instruction a dict of those it must follow, with the cycles in between."""
    writer, readers, before = {}, {}, []
    for i, instruction in enumerate(code):
        must = {}
        for name in instruction.reads:
            if name in writer:
                w = writer[name]
                # A memory operand is only ready later; the register operand may come last.
                must[w] = max(must.get(w, 0), UNITS[code[w].unit][1])
        for name in instruction.writes:
            for r in readers.get(name, ()):
                must.setdefault(r, 0)
            if name in writer:
                must.setdefault(writer[name], 0)
        must.pop(i, None)
        for name in instruction.writes:
            writer[name] = i
            readers[name] = []
        for name in instruction.reads:
            readers.setdefault(name, []).append(i)
        before.append(must)
    return before


def heights(code, before):
    """The longest way, in cycles, from each instruction to the end."""
    after = [[] for _ in code]
    for i, must in enumerate(before):
        for j, cycles in must.items():
            after[j].append((i, cycles))
    height = [0] * len(code)
    for i in range(len(code) - 1, -1, -1):
        height[i] = max((height[j] + cycles for j, cycles in after[i]), default=0)
        height[i] += UNITS[code[i].unit][1] if not after[i] else 0
    return height, after


def start(code, ready, cycle, window):
    """Picks from ready (sorted by priority) what starts in this cycle."""
    pipes, loads, stores, chosen = {0, 1, 2, 3}, LOADS_PER_CYCLE, STORES_PER_CYCLE, []
    for i in ready:
        instruction = code[i]
        if i > window:
            continue
        if instruction.loads > loads or (instruction.unit == "store" and stores == 0):
            continue
        may = UNITS[instruction.unit][0]
        if may:
            free = [p for p in may if p in pipes]
            if not free:
                continue
            # A simple instruction takes the pipe that the fewest others can use.
            pipes.discard(free[-1] if len(may) == 4 else free[0])
        loads -= instruction.loads
        stores -= instruction.unit == "store"
        chosen.append(i)
    return chosen


def schedule(code, lookahead=10**9):
    """The same code in a better order. lookahead: how far ahead of the oldest instruction not yet
    emitted, in the given order, another may be taken; a bound on how many registers live."""
    before = dependencies(code)
    height, after = heights(code, before)
    left = [len(must) for must in before]
    earliest = [0] * len(code)
    ready = [i for i, n in enumerate(left) if n == 0]
    done = [False] * len(code)
    order, cycle, oldest = [], 0, 0
    while ready:
        now = sorted((i for i in ready if earliest[i] <= cycle), key=lambda i: (-height[i], i))
        for i in start(code, now, cycle, oldest + lookahead):
            ready.remove(i)
            done[i] = True
            order.append(i)
            for j, cycles in after[i]:
                earliest[j] = max(earliest[j], cycle + cycles)
                left[j] -= 1
                if left[j] == 0:
                    ready.append(j)
        while oldest < len(code) and done[oldest]:
            oldest += 1
        cycle += 1
    assert len(order) == len(code)
    return [code[i] for i in order]


def lifetimes(code, fixed, before, after):
    """[(first, last, name)]: from the instruction that makes a value to the last that reads it.
    before, after: names that are there before the first and after the last instruction."""
    spans, open_at, last_read = [], {name: -1 for name in before}, {name: -1 for name in before}
    for i, instruction in enumerate(code):
        for name in instruction.reads:
            last_read[name] = i
        for name in instruction.writes:
            if name in instruction.reads:
                last_read[name] = i
                continue
            if name in open_at and name in fixed:
                spans.append((open_at[name], last_read.get(name, open_at[name]), name))
            open_at[name] = i
            last_read[name] = i
    for name, first in open_at.items():
        spans.append((first, len(code) if name in after else last_read[name], name))
    return [span for span in spans if not span[2].startswith("%")]


def allocate(code, fixed, before, after):
    """Writes registers for names; None if 32 are not enough. fixed: name to register, for values
    that must be in a certain one; it is free for others while such a value is not there."""
    taken = [[] for _ in range(32)]
    register = dict(fixed)
    spans = sorted(lifetimes(code, fixed, before, after))
    for first, last, name in spans:
        if name in fixed:
            taken[fixed[name]].append((first, last))
    for first, last, name in spans:
        if name in fixed:
            continue
        free = [r for r in range(32) if all(last <= f or first >= l for f, l in taken[r])]
        if not free:
            return None
        # The one that was freed last: others stay free for longer lives.
        register[name] = max(free, key=lambda r: max((l for _, l in taken[r] if l <= first),
                                                     default=-2))
        taken[register[name]].append((first, last))
    out = []
    for instruction in code:
        words = instruction.text.split(" ")
        out.append(" ".join(f"%zmm{register[w.rstrip(',')]}" + ("," if w.endswith(",") else "")
                            if w.rstrip(",") in register else w for w in words))
    return out
