"""Whose turn it is in a run of lab.py: rounds, a second try of a turn that fails, and a time that
is kept to. What is done in a turn it does not know.

Of a limited time each phase gets a share. A round that would not end within it (it takes as long as
the longest so far) is not begun, nor a turn after it; what was not done is noted with the reason.
"""
import math
import time

from lib import process

FAILURES_MAX = 2        # turns of a gateway: then there is more wrong than noise


class Turns:
    """gateways: names, of which those that keep failing are taken out; seconds: of all that is to
    come, None for no limit."""

    def __init__(self, gateways, rounds, seconds, say, now=time.monotonic):
        self.gateways, self.rounds, self.say, self.now = list(gateways), rounds, say, now
        self.end = now() + (seconds or math.inf)
        self.until = self.end       # of the phase
        self.failures, self.repeats, self.not_run = [], [], []

    def left(self):
        """Seconds of the phase."""
        return self.until - self.now()

    def phase(self, what, turn, share=1.0):
        """In each round each gateway has its turn: turn(round, name), which raises process.Failed.
        Every round begins with another one. share: of the time that is left."""
        self.until = self.now() + share * (self.end - self.now())
        longest = 0
        for number in range(1, self.rounds + 1):
            begin, left = self.now(), self.left()
            if longest > left:
                self._leave_out(what, number, self.rounds, f"a round takes {longest:.0f} s, and of "
                                f"the time {max(left, 0):.0f} s are left")
                return
            start = (number - 1) % max(len(self.gateways), 1)
            for name in self.gateways[start:] + self.gateways[:start]:
                if self.left() <= 0:
                    self._leave_out(what, number, number, "no time is left", name)
                    continue
                self.say(f"{what}, round {number} of {self.rounds}, {name}:", end="")
                self._turn(what, number, name, turn)
                self.say()
            longest = max(longest, self.now() - begin)

    def _turn(self, what, number, name, turn):
        """On a machine that others use as well a turn may fail by chance: it has a second try."""
        try:
            turn(number, name)
            return
        except process.Failed as failure:
            if self._time_is_up(what, number, name, failure):
                return
            self.repeats.append(self._note(what, number, name, failure))
            self.say(f"\n{failure}\nOnce more:", end="")
        try:
            turn(number, name)
        except process.Failed as failure:
            if not self._time_is_up(what, number, name, failure):
                self._fail(what, number, name, failure)

    def _time_is_up(self, what, number, name, failure):
        """Then that is why it failed."""
        if self.left() > 0:
            return False
        self.say()
        self._leave_out(what, number, number, f"its time was up: {failure}", name)
        return True

    @staticmethod
    def _note(what, number, name, failure):
        return {"what": what, "gateway": name, "round": number, "error": str(failure)}

    def _fail(self, what, number, name, failure):
        """One turn is lost; after another one the gateway is left out, and the others go on."""
        self.failures.append(self._note(what, number, name, failure))
        self.say(f"\n{failure}\nThis turn is lost.", end="")
        if sum(lost["gateway"] == name for lost in self.failures) == FAILURES_MAX:
            self.gateways.remove(name)
            self.say(f" {name} has no more.", end="")

    def _leave_out(self, what, first, last, reason, name=None):
        """Whole rounds, or one gateway's turn in one."""
        self.not_run.append({"what": what, "rounds": [first, last], "gateway": name,
                             "reason": reason})
        rounds = f"round {first}" if first == last else f"rounds {first} to {last}"
        self.say(f"{what}, {rounds} of {self.rounds}{', ' + name if name else ''}: "
                 f"left out, {reason}")
