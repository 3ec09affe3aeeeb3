"""The page of a report: one HTML file with everything in it, for screens and for paper."""
import base64
import html
import json
import os

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d5dae0; --paper: #fff;
  --tint: #f4f6f8; --warn: #9a4b00; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ec; --soft: #9aa4ae; --line: #39414a; --paper: #14181c; --tint: #1d2329;
    --warn: #f0a860; }
  figure img { filter: invert(0.9) hue-rotate(180deg); }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 60rem; color: var(--ink);
  background: var(--paper); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.9rem; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; margin: 2.75rem 0 .5rem; }
p { max-width: 46rem; }
.soft, figcaption, td.unit { color: var(--soft); }
.partial { color: var(--warn); font-weight: 600; }
nav { margin: 1rem 0; } nav a { margin-right: 1rem; white-space: nowrap; }
a { color: inherit; }
figure { margin: 1rem 0; } figure img { width: 100%; height: auto; }
figcaption { font-size: .9rem; max-width: 46rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .87rem; margin: .75rem 0;
  font-variant-numeric: tabular-nums; }
th, td { padding: .22rem .7rem; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap; }
th:first-child, td:first-child, .text { text-align: left; }
td.text { white-space: normal; }
thead th { background: var(--tint); font-weight: 600; vertical-align: bottom; }
.range { color: var(--soft); font-size: .93em; }
code { font: .87em ui-monospace, monospace; overflow-wrap: anywhere; }
summary { cursor: pointer; color: var(--soft); }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; color: #000; background: #fff; }
  nav { display: none; }
  section, figure { break-inside: avoid; } h2 { break-after: avoid; }
  figure img { max-height: 9.5cm; filter: none; object-fit: contain; object-position: left; }
  table { font-size: 8.5pt; } .wide { overflow: visible; }
  @page { margin: 18mm 16mm; }
}
"""


def text(value):
    return html.escape(str(value))


def number(value):
    """Three digits that mean something."""
    if value is None:
        return ""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 0.1 else f"{value:.3g}"


def table(head, rows, text_columns=(0,)):
    """rows: of cells that are HTML."""
    def cell(tag, i, content):
        kind = ' class="text"' if i in text_columns else ""
        return f"<{tag}{kind}>{content}</{tag}>"
    lines = ['<div class="wide"><table>', "<thead><tr>"]
    lines += [cell("th", i, text(h)) for i, h in enumerate(head)]
    lines.append("</tr></thead>")
    lines.append("<tbody>")
    lines += ["<tr>" + "".join(cell("td", i, c) for i, c in enumerate(r)) + "</tr>" for r in rows]
    return "\n".join(lines + ["</tbody>", "</table></div>"])


# ---- what was measured, where, and how


def versions(machine):
    found = machine.get("versions") or {key: machine[key] for key in ("version", "dpdk")
                                        if key in machine}
    return ", ".join(value if value.lower().startswith(name) else f"{name} {value}"
                     for name, value in found.items())


def machine_rows(machine):
    hz, core = machine.get("tsc_hz"), machine.get("core_per_tsc")
    rows = [("CPU", machine.get("cpu", "unknown")), ("CPUs", machine.get("cpus")),
            ("TSC", hz and f"{hz / 1e9:.3f} GHz"),
            ("core cycles per TSC cycle", core and f"{core:.3f}"),
            ("Linux", machine.get("kernel")), ("versions", versions(machine)),
            ("hugepages", {True: "yes", False: "no"}.get(machine.get("hugepages")))]
    if machine.get("debug_build"):
        rows.append(("build", "debug: its checks count too"))
    return [(text(name), text(value)) for name, value in rows if value not in (None, "")]


def machines(parts):
    """Of the part that says most; others are named where they differ."""
    known = [p for p in parts.values() if p.machine]
    if not known:
        return ""
    main = max(known, key=lambda p: len(p.machine))
    rows = machine_rows(main.machine)
    for part in known:
        if part.machine.get("cpu") != main.machine.get("cpu"):
            rows.append((f"CPU of {text(part.name)}", text(part.machine.get("cpu"))))
    cores = [p.machine["core_per_tsc"] for p in known if "core_per_tsc" in p.machine]
    if cores and "core_per_tsc" not in main.machine:
        rows.append(("core cycles per TSC cycle", f"{cores[0]:.3f}"))
    return table(("machine", ""), rows, (0, 1))


def medium(part, run):
    return part and part.medium or run.get("medium", "")


def turns(part):
    """Of lab.py: what had no time, and what luck."""
    notes = []
    for left_out in part.whole.get("not_run", []):
        first, last = left_out["rounds"]
        who = f", {left_out['gateway']}" if left_out["gateway"] else ""
        rounds = f"round {first}" if first == last else f"rounds {first} to {last}"
        notes.append(f"{left_out['what']}, {rounds}{who}: left out, {left_out['reason']}")
    notes += [f"{what}: {len(part.whole[key])}"
              for key, what in (("repeats", "turns tried twice"), ("failures", "turns lost"))
              if part.whole.get(key)]
    return "".join(f"<br>{text(note)}" for note in notes)


def run_rows(parts, runs):
    """Parts that nobody has noted a run of were put there by hand."""
    noted = {run["name"] for run in runs}
    for run in runs + [{"name": name} for name in parts if name not in noted]:
        part = parts.get(run["name"])
        if run.get("left_out"):
            state = f'left out: {text(run["left_out"])}'
        elif run.get("failed"):
            state = f'<span class="partial">failed: {text(run["failed"])}</span>'
        elif part is None:
            state = '<span class="partial">nothing measured</span>'
        elif run.get("cut"):
            state = f'<span class="partial">partial: {text(run["cut"])}</span>'
        elif part.partial:
            why = part.whole.get("error", "interrupted")
            why = "stopped early" if why == "interrupted" else why
            state = f'<span class="partial">partial: {text(why)}</span>'
        else:
            state = "complete"
        if part:
            state += turns(part)
        what = f'<code>{text(run["command"])}</code>' if run.get("command") else ""
        yield (text(run["name"]), what, text(medium(part, run)),
               text(part.machine.get("time", "") if part else ""), state)


def settings(parts):
    rows = [(text(name), f"<code>{text(json.dumps(part.whole['settings']))}</code>")
            for name, part in parts.items() if part.whole.get("settings")]
    return table(("part", "settings"), rows, (0, 1)) if rows else ""


# ---- figures


def cell(point):
    if point is None:
        return ""
    known = point.low is not None and point.low != point.high
    return f"{number(point.value)}" + (f'<br><span class="range">{number(point.low)} … '
                                       f"{number(point.high)}</span>" if known else "")


def figure_table(figure):
    rows = [[text(category)] + [cell(points[i]) for _, points in figure.series]
            for i, category in enumerate(figure.categories)]
    ranged = any(p and p.low is not None for _, points in figure.series for p in points)
    note = f"{figure.y}" + ("; below it, 5th … 95th percentile" if ranged else "")
    return f'<p class="soft">{text(note)}</p>' + table(
        [figure.x] + [title for title, _ in figure.series], rows)


def image(figure, directory):
    """"": not drawn."""
    path = os.path.join(directory, "plots", f"{figure.name}.svg")
    if not os.path.exists(path):
        return ""
    with open(path, "rb") as f:
        encoded = base64.b64encode(f.read()).decode("ascii")
    return f'<img alt="{text(figure.title)}: the numbers are in the table below" ' \
           f'src="data:image/svg+xml;base64,{encoded}">'


def figure_section(index, figure, directory):
    return "\n".join([
        f'<section id="{figure.name}">', f"<h2>{text(figure.title)}</h2>", "<figure>",
        image(figure, directory),
        f"<figcaption>Figure {index}. {text(figure.caption)}</figcaption>", "</figure>",
        figure_table(figure), "</section>"])


def page(parts, runs, figures, directory, notes):
    """parts: {name: Part}; runs: what was run, in order; notes: sentences for the reader."""
    partial = any(p.partial for p in parts.values()) or any(r.get("failed") for r in runs)
    body = ["<h1>wgdp benchmark report</h1>"]
    if partial:
        body.append('<p class="partial">Partial: not all was measured, see below.</p>')
    body += [f'<p class="partial">{text(note)}</p>' for note in notes]
    body.append("<nav>" + " ".join(f'<a href="#{f.name}">{text(f.title)}</a>' for f in figures)
                + ' <a href="#how">How it was measured</a></nav>')
    body.append(machines(parts))
    body += [figure_section(i, figure, directory) for i, figure in enumerate(figures, 1)]
    body += ['<section id="how">', "<h2>How it was measured</h2>",
             table(("part", "command", "medium", "when (UTC)", "state"), run_rows(parts, runs),
                   (0, 1, 2, 3, 4)),
             settings(parts),
             "<p>Cycles are of the time stamp counter, which runs at one rate; a core runs its own "
             "cycles faster or slower. Values are medians. What is compared with each other took "
             "turns, so ratios are surer than cycles. The JSON files beside this page have every "
             "sample, samples.csv too; results.csv has a line for each result. "
             "<code>wgdp-bench compare</code> compares two JSON files.</p>", "</section>"]
    return "\n".join([
        "<!DOCTYPE html>", '<html lang="en">', "<head>", '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<title>wgdp benchmark report</title>", f"<style>{STYLE}</style>", "</head>", "<body>",
        *body, "</body>", "</html>", ""])
