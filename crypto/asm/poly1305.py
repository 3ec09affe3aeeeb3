#!/usr/bin/python3
"""Writes poly1305_avx512.S: Poly1305 (RFC 8439 section 2.5) over eight messages at once.

usage: poly1305.py OUTPUT

What the function takes is in crypto/poly1305_avx512.h. A lane of 64 bits is a message. Numbers mod
2^130 - 5 are three limbs of 44, 44 and 42 bits, multiplied with vpmadd52. A step takes 64 bytes, 4
blocks m0 to m3, of every lane:

    a = a R + m0 r^3 + m1 r^2 + m2 r + m3

where R is r^4 if a lane has all chunks of its message. The next step's chunks are loaded and
transposed while this one is multiplied: those wait for memory and use other pipes. Two steps in
turn may be of the same lanes or of others, which wait less for each other.
"""
import sys

from schedule import Instruction, allocate, schedule

# struct cr_poly1305_lanes: the factors R, r^3, r^2, r, each as limbs 0, 1, 2 and 20 times limbs 1
# and 2; then a. struct cr_poly1305_step: eight pointers to chunks, one to the tops of the blocks,
# one to the lanes.
FACTOR_BYTES = 5 * 64
SUM_AT = 4 * FACTOR_BYTES
STEP_TOP, STEP_LANES, STEP_BYTES = 64, 72, 128
POINTERS = ("%rax", "%rcx", "%r8", "%r9", "%r10", "%r11")


class Step:
    def __init__(self):
        self.code = []
        self.names = 0

    def new(self):
        self.names += 1
        return f"v{self.names}"

    def op(self, unit, name, *sources, to=None, immediate=None, reads=()):
        """Memory operands are written in full; of registers there are the result's name, the names
        that a caller gave, and %-names."""
        to = to or self.new()
        memory = [s for s in sources if "(" in s]
        operands = list(reversed(sources)) + [to]
        if immediate is not None:
            operands.insert(0, f"${immediate}")
        registers = [s for s in sources if "(" not in s]
        self.code.append(Instruction(f"{name} " + ", ".join(operands), unit,
                                     registers + list(reads), (to,), 1 if memory else 0))
        return to

    def add(self, x, y, to=None):
        return self.op("simple", "vpaddq", x, y, to=to)

    def madd(self, half, total, x, y):
        self.code.append(Instruction(f"vpmadd52{half[0]}uq {y}, {x}, {total}", "multiply",
                                     (total, x, y), (total,)))

    def chunks(self, at):
        """Loads the chunks of the step at at(%rdi) and transposes 8x8 words: w0 to w7, lo and hi
        of blocks 0 to 3."""
        x = []
        for lane in range(8):
            pointer = POINTERS[lane % len(POINTERS)]
            self.code.append(Instruction(f"mov {at + 8 * lane}(%rdi), {pointer}", "load", (),
                                         (pointer,)))
            to = self.new()
            self.code.append(Instruction(f"vmovdqu64 ({pointer}), {to}", "load", (pointer,),
                                         (to,), 1))
            x.append(to)
        t = []
        for i in range(0, 8, 2):
            t.append(self.op("simple", "vpunpcklqdq", x[i], x[i + 1]))
            t.append(self.op("simple", "vpunpckhqdq", x[i], x[i + 1]))
        for e in range(2):
            low = [self.op("shuffle", "vshufi64x2", t[e + i], t[e + i + 2], immediate=0x44)
                   for i in (0, 4)]
            high = [self.op("shuffle", "vshufi64x2", t[e + i], t[e + i + 2], immediate=0xEE)
                    for i in (0, 4)]
            for word, pair, which in ((e, low, 0x88), (2 + e, low, 0xDD), (4 + e, high, 0x88),
                                      (6 + e, high, 0xDD)):
                self.op("shuffle", "vshufi64x2", *pair, to=f"w{word}", immediate=which)

    def limbs(self, block):
        lo, hi = f"w{2 * block}", f"w{2 * block + 1}"
        middle = self.op("rotate", "vpshrdq", lo, hi, immediate=44)
        top = self.op("shift", "vpsrlq", hi, immediate=24)
        return (self.op("simple", "vpandq", lo, "mask44"),
                self.op("simple", "vpandq", middle, "mask44"),
                self.op("simple", "vporq", top, f"{64 * block}(%r12)", reads=("%r12",)))

    def multiply(self, sums, m, factor):
        """sums (lo and hi halves, by limb) plus m times a factor."""
        at = factor * FACTOR_BYTES
        k = [self.op("load", "vmovdqa64", f"{at + 64 * i}(%rdx)", reads=("%rdx",))
             for i in range(5)]
        r0, r1, r2, s1, s2 = k
        for x, row in ((m[0], (r0, r1, r2)), (m[1], (s2, r0, r1)), (m[2], (s1, s2, r0))):
            for half in ("lo", "hi"):
                for i in range(3):
                    if sums[half][i] is None:
                        sums[half][i] = self.new()
                        zero = sums[half][i]
                        self.code.append(Instruction(f"vpxorq {zero}, {zero}, {zero}", "scalar",
                                                     (), (zero,)))
                    self.madd(half, sums[half][i], x, row[i])

    def reduce(self, lo, hi):
        """The new a, with limbs a little over 44 bits."""
        shift = lambda x, by: self.op("shift", "vpsllq", x, immediate=by)
        t0 = self.add(lo[0], self.add(shift(hi[2], 10), shift(hi[2], 12)))
        t1 = self.add(lo[1], shift(hi[0], 8))
        t2 = self.add(lo[2], shift(hi[1], 8))
        c0 = self.op("shift", "vpsrlq", t0, immediate=44)
        c1 = self.op("shift", "vpsrlq", t1, immediate=44)
        c2 = self.op("shift", "vpsrlq", t2, immediate=42)
        m0 = self.op("simple", "vpandq", t0, "mask44")
        m1 = self.op("simple", "vpandq", t1, "mask44")
        m2 = self.op("simple", "vpandq", t2, "mask42")
        self.add(self.add(m0, c2), shift(c2, 2), to="b0")
        self.add(m1, c0, to="b1")
        self.add(m2, c1, to="b2")
        for i in range(3):
            self.code.append(Instruction(f"vmovdqa64 b{i}, {SUM_AT + 64 * i}(%rdx)", "store",
                                         (f"b{i}", "%rdx"), ()))

    def sums_of(self):
        self.code.append(Instruction(f"mov {STEP_TOP}(%rdi), %r12", "load", (), ("%r12",)))
        self.code.append(Instruction(f"mov {STEP_LANES}(%rdi), %rdx", "load", (), ("%rdx",)))
        for i in range(3):
            self.op("load", "vmovdqa64", f"{SUM_AT + 64 * i}(%rdx)", to=f"a{i}", reads=("%rdx",))
        # The low halves are added up in two parts, which waits less: measured best.
        sums = {"lo": list(self.limbs(3)), "hi": [None] * 3}
        more = {"lo": [None] * 3, "hi": sums["hi"]}
        self.multiply(sums, self.limbs(0), 1)
        self.multiply(more, self.limbs(1), 2)
        self.multiply(sums, self.limbs(2), 3)
        self.multiply(more, ("a0", "a1", "a2"), 0)
        self.reduce([self.add(x, y) for x, y in zip(sums["lo"], more["lo"])], sums["hi"])


FIXED = {**{f"w{i}": i for i in range(8)}, "mask44": 8, "mask42": 9}


def compile_steps(build, before, after):
    """The widest look ahead for which 32 registers are enough."""
    for lookahead in (400, 200, 150, 120, 100, 80, 60, 50, 40, 30, 20, 10, 0):
        code = schedule(build, lookahead)
        out = allocate(code, FIXED, before, after)
        if out:
            return out
    raise SystemExit("out of registers")


def function():
    first, loop, last = Step(), Step(), Step()
    first.chunks(0)
    loop.sums_of()
    loop.chunks(STEP_BYTES)
    last.sums_of()
    masks, words = ["mask44", "mask42"], [f"w{i}" for i in range(8)]
    name = "cr_poly1305_avx512_steps"
    lines = [f".globl {name}", f".hidden {name}", f".type {name}, @function", ".p2align 6",
             f"{name}:", "endbr64", "push %r12"]
    lines += [f"vpbroadcastq .Lmask{bits}(%rip), %zmm{FIXED[f'mask{bits}']}" for bits in (44, 42)]
    lines += compile_steps(first.code, masks, masks + words)
    lines += ["dec %rsi", "jz 2f", ".p2align 6", "1:"]
    lines += compile_steps(loop.code, masks + words, masks + words)
    lines += [f"add ${STEP_BYTES}, %rdi", "dec %rsi", "jnz 1b", "2:"]
    lines += compile_steps(last.code, masks + words, [])
    return lines + ["pop %r12", "ret", f".size {name}, .-{name}", ""]


def main():
    lines = ["/* Written by crypto/asm/poly1305.py: change it there. */", ".text"]
    lines += function()
    lines += [".section .rodata", ".p2align 3"]
    lines += [f".Lmask{bits}: .quad {(1 << bits) - 1:#x}" for bits in (44, 42)]
    lines += [".section .note.GNU-stack, \"\", @progbits"]
    with open(sys.argv[1], "w", encoding="ascii") as f:
        f.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
