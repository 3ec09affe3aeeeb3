"""How the time of a report is shared out among its parts.

Each part says which share of the time it has (share), what it takes besides measuring, in seconds
(around), and how long it has to measure at least (least). What one part has taken too much, or has
left over, the ones after it have less or more.
"""
import time

PAGE_SHARE, PAGE_SECONDS = 0.05, 10     # of all, and at most: for plots and the page
OVER = 1.25                             # times what was planned a part may take until it is ended
OVER_SECONDS = 3


def for_parts(seconds):
    """Of so many in all."""
    return seconds - min(PAGE_SECONDS, PAGE_SHARE * seconds)


def planned(part, rest, left):
    """Seconds that a part may measure, if rest (itself too) share what is left."""
    free = left - sum(p.around for p in rest)
    return max(0.0, free * part.share / sum(p.share for p in rest))


def fitting(parts, left):
    """Those that there is time for: of several that are too short the one that needs most goes, as
    then the others have more."""
    kept = list(parts)
    while True:
        short = [p for p in kept if planned(p, kept, left) < p.least]
        if not short:
            return kept
        kept.remove(max(short, key=lambda p: p.least + p.around))


def limit(part, seconds):
    """After which a part that was planned to measure so long is ended."""
    return OVER * seconds + 2 * part.around + OVER_SECONDS


def clock(seconds):
    return f"{max(seconds, 0) // 60:.0f}:{max(seconds, 0) % 60:02.0f}"


class Plan:
    """Of the parts, in their order; reasons: {name: why it cannot run here, or None}."""

    def __init__(self, parts, reasons, minutes, now=time.monotonic):
        self.reasons, self.minutes, self.now = reasons, minutes, now
        self.end = now() + for_parts(60 * minutes)
        self.rest = fitting([p for p in parts if not reasons[p.name]], self.left())

    def left(self):
        return self.end - self.now()

    def next(self, part):
        """(seconds, None), or (0, why it is left out)."""
        if self.reasons[part.name]:
            return 0, self.reasons[part.name]
        fits = part in fitting(self.rest, self.left())
        seconds = round(planned(part, self.rest, self.left())) if fits else 0
        self.rest = [p for p in self.rest if p is not part]
        if not fits:
            return 0, f"there is no time for it: it takes {part.least + part.around} s at least, " \
                      f"more than is left to it of {self.minutes:g} minutes (--minutes)"
        return max(seconds, 1), None
