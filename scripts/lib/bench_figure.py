"""What a figure of a report is: made by bench_figures.py, drawn by bench_plots.py."""
import dataclasses


@dataclasses.dataclass
class Point:
    """Low and high: the 5th and 95th percentile; None: not known."""
    value: float
    low: float = None
    high: float = None


@dataclasses.dataclass
class Figure:
    name: str           # of its files
    title: str
    caption: str
    kind: str           # bars, stacked, lines, dots
    x: str              # what the axes say, with units
    y: str
    categories: list    # text, or numbers: then the axis is one of numbers
    series: list        # (title, [Point or None, for each category])
    logarithmic: bool = False
    ideal: bool = False  # lines: dashed, what so many times the first would be


def point(result):
    return Point(result.median, result.percentile(5), result.percentile(95))


def first(results):
    return results[0] if results else None


def drop_empty(series):
    return [(title, points) for title, points in series if any(points)]


def without_gaps(figure):
    """Only categories that there is something of."""
    kept = [i for i in range(len(figure.categories)) if any(p[i] for _, p in figure.series)]
    return dataclasses.replace(
        figure, categories=[figure.categories[i] for i in kept],
        series=[(title, [points[i] for i in kept]) for title, points in figure.series])
