"""Draws the figures of a report with gnuplot, as SVG and PNG."""
import os
import shutil
import subprocess

# Apart for all who can't tell red from green, too (Okabe and Ito).
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999", "#B8A500")
WIDTH, HEIGHT = 860, 430
MISSING = "NaN"
TIMEOUT_S = 60

ERROR_COLOR = "#444444"
LABELS_MAX = 64         # characters below the axis; more are turned
ROOM = 1.4              # above and below what is drawn on a logarithmic axis

STYLE = """
set encoding utf8
set border 3 linecolor rgb '#666666'
set grid ytics linecolor rgb '#bbbbbb' linewidth 0.7 dashtype 1
set xtics nomirror scale 0.4 noenhanced
set ytics nomirror scale 0.4
set key outside top left horizontal Left reverse samplen 1.2 noenhanced
set style fill solid 1.0 noborder
set rmargin 3
"""


def why_not():
    """None, or why nothing can be drawn."""
    if shutil.which("gnuplot"):
        return None
    return "gnuplot is not installed (scripts/deps bench installs it)"


def quoted(text):
    return "'" + str(text).replace("'", "''") + "'"


def number(value):
    return MISSING if value is None else f"{value:.9g}"


def row(figure, index, first):
    """One line of data: the category, and value, low and high of each series."""
    cells = [first]
    for _, points in figure.series:
        p = points[index]
        cells += [MISSING] * 3 if p is None else [
            number(p.value), number(p.value if p.low is None else p.low),
            number(p.value if p.high is None else p.high)]
    return " ".join(cells)


def data(figure):
    numeric = is_numeric(figure)
    lines = [row(figure, i, str(c) if numeric else '"' + str(c).replace('"', "'") + '"')
             for i, c in enumerate(figure.categories)]
    return "$data << END\n" + "\n".join(lines) + "\nEND\n"


def is_numeric(figure):
    return all(isinstance(c, (int, float)) for c in figure.categories)


def color(index):
    return quoted(COLORS[index % len(COLORS)])


def category_axis(figure):
    """Each in the middle of its place."""
    lines = [f"set xrange [-0.6:{len(figure.categories) - 0.4:g}]"]
    if sum(len(str(c)) + 2 for c in figure.categories) > LABELS_MAX:
        lines.append("set xtics rotate by 25 right")
    return lines


def plot_bars(figure):
    lines = ["set style histogram errorbars gap 1", "set style data histograms",
             f"set errorbars front linecolor rgb '{ERROR_COLOR}' linewidth 1",
             "set boxwidth 0.9 relative", *category_axis(figure)]
    plots = [f"$data using {2 + 3 * i}:{3 + 3 * i}:{4 + 3 * i}"
             + (":xtic(1)" if i == 0 else "")
             + f" title {quoted(title)} linecolor rgb {color(i)}"
             for i, (title, _) in enumerate(figure.series)]
    return lines, plots


def plot_stacked(figure):
    lines = ["set style histogram rowstacked", "set style data histograms",
             "set boxwidth 0.7 relative", *category_axis(figure)]
    plots = [f"$data using (${2 + 3 * i} > 0 ? ${2 + 3 * i} : 0)"
             + (":xtic(1)" if i == 0 else "")
             + f" title {quoted(title)} linecolor rgb {color(i)}"
             for i, (title, _) in enumerate(figure.series)]
    return lines, plots


def plot_dots(figure):
    """Beside each other in the place of their category: for axes without a zero."""
    step = 0.7 / len(figure.series)
    plots = []
    for i, (title, _) in enumerate(figure.series):
        x = f"($0 + {(i - (len(figure.series) - 1) / 2) * step:.4g})"
        plots.append(f"$data using {x}:{2 + 3 * i}:{3 + 3 * i}:{4 + 3 * i} with yerrorbars "
                     f"pointtype 7 pointsize 0.8 linewidth 1.5 linecolor rgb {color(i)} "
                     f"title {quoted(title)}")
    # Where the names of categories are, nothing is drawn.
    plots.append("$data using 0:(NaN):xtic(1) with points notitle")
    return category_axis(figure), plots


def plot_lines(figure):
    """Over numbers, or evenly over what has names."""
    numeric = is_numeric(figure)
    x = "1" if numeric else "0"
    low, high = (min(figure.categories), max(figure.categories)) if numeric \
        else (0, len(figure.categories) - 1)
    margin = 0.1 * (high - low or 1)
    lines = [f"set xrange [{low - margin:g}:{high + margin:g}]"]
    if numeric:
        lines.append("set xtics (" + ", ".join(str(c) for c in figure.categories) + ")")
    plots = []
    for i, (title, points) in enumerate(figure.series):
        y = 2 + 3 * i
        drawn = f"linecolor rgb {color(i)} linewidth 1.5"
        marks = f"pointtype 7 pointsize 0.7 {drawn} title {quoted(title)}"
        names = "" if numeric else ":xtic(1)"
        if any(p and p.low is not None for p in points):
            plots.append(f"$data using {x}:{y}{names} with lines {drawn} notitle")
            plots.append(f"$data using {x}:{y}:{y + 1}:{y + 2} with yerrorbars {marks}")
        else:
            plots.append(f"$data using {x}:{y}{names} with linespoints {marks}")
        if figure.ideal and points[0] and numeric:
            plots.append(f"[{low}:{high}] {points[0].value / figure.categories[0]:.9g} * x "
                         f"with lines linecolor rgb {color(i)} linewidth 0.8 dashtype 2 notitle")
    return lines, plots


def shortened(value):
    """2000: 2k."""
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:g}{letter}"
    return f"{value:g}"


def logarithmic_axis(figure):
    """With a mark at 1, 2 and 5 of each power of ten, or at 1 only if these are many."""
    drawn = [value for _, points in figure.series for p in points if p
             for value in (p.value, p.low, p.high) if value and value > 0]
    if not drawn:
        return ["set yrange [1:10]"]
    low, high = min(drawn) / ROOM, max(drawn) * ROOM
    steps = (1, 2, 5) if high / low < 1e3 else (1,)
    marks = [step * 10.0 ** power for power in range(-6, 13) for step in steps]
    marks = [f"{quoted(shortened(mark))} {mark:g}" for mark in marks if low <= mark <= high]
    return ["set logscale y", f"set yrange [{low:.4g}:{high:.4g}]",
            f"set ytics ({', '.join(marks)})"]


KINDS = {"bars": plot_bars, "stacked": plot_stacked, "lines": plot_lines, "dots": plot_dots}


def script(figure, svg, png):
    """All that gnuplot is told; one plot, drawn twice."""
    lines, plots = KINDS[figure.kind](figure)
    axes = [f"set xlabel {quoted(figure.x)} noenhanced",
            f"set ylabel {quoted(figure.y)} noenhanced"]
    axes += logarithmic_axis(figure) if figure.logarithmic else ["set yrange [0:*]"]
    if len(figure.series) == 1:
        axes.append("unset key")
    plot = "plot " + ", \\\n     ".join(plots)
    terminals = [(svg, f"svg size {WIDTH},{HEIGHT} dynamic font 'sans-serif,13'"),
                 (png, f"pngcairo size {2 * WIDTH},{2 * HEIGHT} fontscale 2 linewidth 2 "
                       "font 'sans,12' background '#ffffff'")]
    drawn = [f"set terminal {terminal}\nset output {quoted(path)}\n{plot}\nunset output"
             for path, terminal in terminals]
    return "\n".join([STYLE, data(figure), *axes, *lines, *drawn, ""])


class Failed(Exception):
    pass


def draw(figure, directory):
    """Writes NAME.svg and NAME.png."""
    svg, png = (os.path.join(directory, f"{figure.name}.{ending}") for ending in ("svg", "png"))
    done = subprocess.run(["gnuplot", "-"], input=script(figure, svg, png), text=True,
                          capture_output=True, timeout=TIMEOUT_S, check=False)
    if done.returncode:
        raise Failed(f"gnuplot: {figure.name}: {done.stderr.strip()}")
    return svg, png
