#!/usr/bin/python3
"""Writes chacha20_avx512.S: ChaCha20 (RFC 8439 section 2.3) for 32 blocks at once.

usage: chacha20.py OUTPUT

What the functions take is in crypto/chacha20_avx512.h. A job is 16 blocks, one per 32-bit lane: 16
registers hold the 16 words of their states. Every result of a quarter round is waited for, so one
job leaves half of the pipes idle; two jobs, A and B, take turns in all 32 registers. B is one
double round behind, so that the end of one job (add the initial state, transpose 16x16 words to 16
blocks of key stream, add each to 64 bytes of its source) overlaps rounds of the other.
"""
import sys

from schedule import Instruction, schedule

COLUMNS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15))
DIAGONALS = ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
DOUBLE_ROUNDS = 10
SIGMA = (0x61707865, 0x3320646E, 0x79622D32, 0x6B206574)     # "expand 32-byte k"

# struct cr_chacha20_job
JOB_ROWS, JOB_SRC, JOB_DST, JOB_OFFSET, JOB_COUNTER, JOB_BYTES = 0, 8, 16, 24, 32, 40
# struct cr_chacha20_rows: where the rows are that are not the same for all; 13 is zero
ROW = {word: 64 * i for i, word in enumerate((4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15))}

# While a job ends, so many of its words, then tiles, are in memory to have registers free.
SPILL_WORDS = (11, 13, 15)
SPILL_TILES = {1: (7,), 2: (11,), 3: (14, 15)}      # after which quarter of the words
SPILL_BYTES = 64 * (len(SPILL_WORDS) + 4)

POINTERS = ("%rax", "%rcx", "%r8", "%r9", "%r10", "%r11")
SAVED = ("%rbx", "%rbp", "%r12", "%r13", "%r14")
BURST = 12      # instructions of A, then as many of B: measured best of 4 to 48


def zmm(i):
    return f"%zmm{i}"


def quarter_round(a, b, c, d):
    code = []
    for x, y, z, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        code.append(Instruction(f"vpaddd {zmm(y)}, {zmm(x)}, {zmm(x)}", "simple",
                                (zmm(x), zmm(y)), (zmm(x),)))
        code.append(Instruction(f"vpxord {zmm(x)}, {zmm(z)}, {zmm(z)}", "simple",
                                (zmm(z), zmm(x)), (zmm(z),)))
        code.append(Instruction(f"vprold ${bits}, {zmm(z)}, {zmm(z)}", "rotate",
                                (zmm(z),), (zmm(z),)))
    return code


def double_rounds(base, n):
    """n double rounds, the four quarter rounds of each half step by step."""
    code = []
    for half in (COLUMNS, DIAGONALS) * n:
        quarters = [quarter_round(*(base + word for word in words)) for words in half]
        for step in zip(*quarters):
            code += step
    return code


def alternate(a, b, n):
    """n instructions of a, n of b, and so on; both are equally long."""
    code = []
    for i in range(0, len(a), n):
        code += a[i:i + n] + b[i:i + n]
    return code


def spread(a, b):
    """The shorter evenly into the longer."""
    code, i, j = [], 0, 0
    while i < len(a) or j < len(b):
        if j == len(b) or (i < len(a) and i * len(b) <= j * len(a)):
            code.append(a[i])
            i += 1
        else:
            code.append(b[j])
            j += 1
    return code


class Job:
    """Code for one of the jobs in flight. index: its place among those at %rdi; base: its first
    register; rows: the register that points to its rows; free: registers that are always free."""

    def __init__(self, index, base, rows, free=()):
        self.index, self.base, self.rows, self.always_free = index, base, rows, free
        self.code, self.free, self.spilled = [], [], 0

    def field(self, offset):
        return f"{self.index * JOB_BYTES + offset}(%rdi)"

    def add(self, text, unit, reads, writes, loads=0):
        self.code.append(Instruction(text, unit, reads, writes, loads))

    def take(self):
        code, self.code = self.code, []
        return code

    def load(self, ahead=0):
        """The initial state of this job, or of the one so many places further on."""
        at = JOB_BYTES * (self.index + ahead)
        self.add(f"mov {at + JOB_ROWS}(%rdi), {self.rows}", "load", (), (self.rows,))
        for word in range(16):
            register = zmm(self.base + word)
            if word < 4:
                self.add(f"vpbroadcastd .Lsigma+{4 * word}(%rip), {register}", "load",
                         (), (register,))
            elif word == 12:
                self.add(f"vpbroadcastd {at + JOB_COUNTER}(%rdi), {register}", "load",
                         (), (register,))
                self.add(f"vpaddd {ROW[12]}({self.rows}), {register}, {register}", "simple",
                         (register, self.rows), (register,), 1)
            elif word == 13:
                self.add(f"vpxord {register}, {register}, {register}", "simple", (), (register,))
            else:
                self.add(f"vmovdqa64 {ROW[word]}({self.rows}), {register}", "load",
                         (self.rows,), (register,))
        return self.take()

    def finish(self):
        self.spilled = 0
        self.free = list(self.always_free)
        for word, field in (("%r12", JOB_SRC), ("%r13", JOB_DST), ("%r14", JOB_OFFSET)):
            self.add(f"mov {self.field(field)}, {word}", "load", (), (word,))
        self.add_initial()
        self.store_blocks(self.transpose_words())
        return self.take()

    def add_initial(self):
        for word in range(16):
            register = zmm(self.base + word)
            operands = [f"{ROW[word]}({self.rows})"] if word in ROW else []
            if word < 4:
                operands = [f".Lsigma+{4 * word}(%rip){{1to16}}"]
            elif word == 12:
                operands.append(f"{self.field(JOB_COUNTER)}{{1to16}}")
            for operand in operands:
                self.add(f"vpaddd {operand}, {register}, {register}", "simple",
                         (register, self.rows), (register,), 1)

    def spill(self, register):
        at = SPILL_BYTES * self.index + 64 * self.spilled
        self.spilled += 1
        self.add(f"vmovdqa64 {register}, {at}(%rdx)", "store", (register,), (f"spill{at}",))
        self.free.append(register)
        return f"spill{at}@{at}(%rdx)"

    def pair(self, unit, low, high, x, y):
        """low(x, y) and high(x, y) in registers; x and y, which may be in memory, are dead then."""
        if "@" in x:
            register = self.free.pop(0)
            self.add(f"vmovdqa64 {x.split('@')[1]}, {register}", "load",
                     (x.split("@")[0],), (register,))
            x = register
        first = self.free.pop(0)
        for (name, immediate), register in ((low, first), (high, x)):
            operands = [y.split("@")[-1], x, register]
            if immediate is not None:
                operands.insert(0, f"${immediate}")
            self.add(f"{name} " + ", ".join(operands), unit, (x, y.split("@")[0]), (register,),
                     "@" in y)
        if "@" not in y:
            self.free.append(y)
        return first, x

    def transpose_words(self):
        """Tiles: in 4i+j the 128-bit lane l has words 4i to 4i+3 of block 4l+j."""
        unpack_d = ("vpunpckldq", None), ("vpunpckhdq", None)
        unpack_q = ("vpunpcklqdq", None), ("vpunpckhqdq", None)
        words = [zmm(self.base + word) for word in range(16)]
        if not self.always_free:
            for word in SPILL_WORDS:
                words[word] = self.spill(words[word])
        tiles = []
        for i in range(4):
            a, b, c, d = words[4 * i:4 * i + 4]
            ab0, ab1 = self.pair("simple", *unpack_d, a, b)
            cd0, cd1 = self.pair("simple", *unpack_d, c, d)
            tiles += self.pair("simple", *unpack_q, ab0, cd0)
            tiles += self.pair("simple", *unpack_q, ab1, cd1)
            for tile in SPILL_TILES.get(i, ()) if not self.always_free else ():
                tiles[tile] = self.spill(tiles[tile])
        return tiles

    def store_blocks(self, tiles):
        lanes = ("vshufi32x4", 0x44), ("vshufi32x4", 0xEE)
        blocks = ("vshufi32x4", 0x88), ("vshufi32x4", 0xDD)
        number = 0
        for j in (3, 0, 1, 2):      # first the one whose tiles are in memory
            x = self.pair("shuffle", *lanes, tiles[j], tiles[4 + j])
            y = self.pair("shuffle", *lanes, tiles[8 + j], tiles[12 + j])
            done = self.pair("shuffle", *blocks, x[0], y[0])
            done += self.pair("shuffle", *blocks, x[1], y[1])
            for k, block in enumerate(done):
                self.store(block, 4 * k + j, number)
                self.free.append(block)
                number += 1

    def store(self, block, lane, number):
        src, dst = (POINTERS[(2 * number + i) % len(POINTERS)] for i in range(2))
        self.add(f"mov {8 * lane}(%r12), {src}", "load", ("%r12",), (src,))
        self.add(f"vpxorq ({src},%r14), {block}, {block}", "simple",
                 (block, src, "%r14"), (block,), 2)
        self.add(f"mov {8 * lane}(%r13), {dst}", "load", ("%r13",), (dst,))
        self.add(f"vmovdqu64 {block}, ({dst},%r14)", "store", (block, dst, "%r14"), ())


def repeat(n, code):
    """A loop; the code is short so that it stays in the CPU's cache of decoded instructions."""
    return ([f"mov ${n}, %eax", ".p2align 6", "2:"] + [i.text for i in code] +
            ["dec %eax", "jnz 2b"])


def texts(code):
    return [i.text for i in schedule(code)]


def two_jobs():
    a, b = Job(0, 0, "%rbx"), Job(1, 16, "%rbp")
    start = texts(a.load() + double_rounds(a.base, 1) + b.load())
    loop = repeat(DOUBLE_ROUNDS - 1,
                  alternate(double_rounds(b.base, 1), double_rounds(a.base, 1), BURST))
    loop += texts(spread(double_rounds(b.base, 1), a.finish() + a.load(2)))
    loop += texts(spread(double_rounds(a.base, 1), b.finish() + b.load(2)))
    return start, loop, 2


def one_job():
    a = Job(0, 0, "%rbx", [zmm(i) for i in range(16, 32)])
    loop = texts(a.load()) + repeat(DOUBLE_ROUNDS, double_rounds(a.base, 1))
    return [], loop + texts(a.finish()), 1


def function(name, start, loop, jobs):
    lines = [f".globl {name}", f".hidden {name}", f".type {name}, @function", ".p2align 6",
             f"{name}:", "endbr64"]
    lines += [f"push {register}" for register in SAVED]
    lines += start + [".p2align 6", "1:"] + loop
    lines += [f"add ${JOB_BYTES * jobs}, %rdi", "dec %rsi", "jnz 1b"]
    lines += [f"pop {register}" for register in reversed(SAVED)]
    return lines + ["ret", f".size {name}, .-{name}", ""]


def main():
    lines = ["/* Written by crypto/asm/chacha20.py: change it there. */", ".text"]
    lines += function("cr_chacha20_avx512_32", *two_jobs())
    lines += function("cr_chacha20_avx512_16", *one_job())
    lines += [".section .rodata", ".p2align 4", ".Lsigma:",
              ".long " + ", ".join(f"{word:#x}" for word in SIGMA),
              ".section .note.GNU-stack, \"\", @progbits"]
    with open(sys.argv[1], "w", encoding="ascii") as f:
        f.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
