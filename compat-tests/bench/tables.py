"""What was found, as Markdown and as a table of plain text."""

from judge import LIMITS, OURS, REFERENCE, SIDES, ratio
from targets import METRICS, TARGETS

BEGIN, END = "<!-- bench: begin, written by scripts/bench -->", "<!-- bench: end -->"
HEADER = ["row", "", REFERENCE, OURS, "ratio", "must", "aim", "verdict"]
HEADER_RIGHT = range(2, 5)
FIGURES = ["rate", "p50", "p99", "cpu"]
MILLISECONDS_FROM = 10_000
QUICK_RUN = "A quick run, which shows that the tool works; its figures mean nothing."


def number(value):
    """Three digits that count, or all those before the point."""
    if value is None:
        return "–"
    digits = 0 if abs(value) >= 100 or value == int(value) else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def with_unit(metric, value):
    unit = METRICS[metric].unit
    if unit == "µs" and value is not None and value >= MILLISECONDS_FROM:
        value, unit = value / 1000, "ms"
    return number(value) + ("" if value is None or not unit else unit if unit.startswith(("/", "%")) else f" {unit}")


def bound_text(bound, metric):
    parts = []
    if bound.ratio is not None:
        parts.append(f"≥ {bound.ratio:g}x" if METRICS[metric].more else f"≤ {fraction(bound.ratio)}")
    if bound.most is not None:
        parts.append(f"≤ {with_unit(metric, bound.most)}")
    if bound.echoes is not None:
        parts.append(f"≤ {bound.echoes:g}x echo")
    if bound.over is not None:
        parts.append(f"≤ sync + echo + {bound.over:g} µs")
    return ", ".join(parts)


def fraction(ratio):
    whole = round(1 / ratio) if ratio > 0 else 0
    return f"1/{whole}" if whole >= 3 and abs(1 / ratio - whole) < 0.05 else f"{ratio:g}"


def ratio_text(value):
    if value is None:
        return "–"
    return f"1/{1 / value:.1f}" if 0 < value < 0.5 else f"{value:.2f}" if value < 2 else f"{value:.1f}x"


def target_lines(verdicts):
    """The cells of each target; the name of a row stands once."""
    lines, before = [], None
    for verdict in verdicts:
        target, metric = verdict.target, verdict.target.metric
        lines.append([target.row if target.row != before else "", METRICS[metric].label, with_unit(metric, verdict.reference), with_unit(metric, verdict.ours),
                      ratio_text(ratio(verdict.reference, verdict.ours)), bound_text(target.must, metric), bound_text(target.aim, metric), verdict.says])
        before = target.row
    return lines


def figure_lines(rows):
    """What each row bore and cost on both sides."""
    lines = []
    for row, sides in rows.items():
        if any("p50" in sides[side] for side in SIDES):
            cells = [" / ".join(number(sides[side].get(metric)) for side in SIDES) for metric in FIGURES]
            lines.append([row, *cells])
    return lines


def limit_lines(limits):
    return [[name, *(number(limits[name].get(metric)) for metric in FIGURES)] for name in LIMITS if name in limits]


def tally(verdicts):
    """How many of the targets are met."""
    said = [verdict.says for verdict in verdicts]
    known = len(said) - said.count("-")
    text = f"{known - said.count('MISSED')} of {known} targets met, {said.count('aim')} of them as aimed"
    return text + (f"; {said.count('-')} without figures" if "-" in said else "")


def rails_text(rails):
    broken = [rail for rail in rails if not rail.holds]
    head = f"Guard rails: {len(rails) - len(broken)} of {len(rails)} hold."
    return [head, *(f"{rail.row}: {rail.what}: {rail.seen}" for rail in broken)]


def markdown(results, rows, limits, verdicts, rails, chart="chart.svg"):
    head, *broken = rails_text(rails)
    lines = [*(line for line in about(results)), "", f"{tally(verdicts)}. {head}", ""]
    lines += [f"* {text}" for text in broken] + ([""] if broken else [])
    lines += [f"![How many times better]({chart})", "", *markdown_table(HEADER, target_lines(verdicts), HEADER_RIGHT), ""]
    columns = [METRICS[metric].label + (f" {METRICS[metric].unit}" if METRICS[metric].unit == "µs" else "") for metric in FIGURES]
    lines += [f"{REFERENCE} / {OURS}:", "", *markdown_table(["row", *columns], figure_lines(rows), range(1, 5)), ""]
    lines += ["The limits of the machine:", "", *markdown_table(["limit", *columns], limit_lines(limits), range(1, 5))]
    return "\n".join(lines) + "\n"


def about(results):
    """Machine, date and manner, one sentence each."""
    rounds = results["rounds"]
    manner = QUICK_RUN if results["quick"] else \
        f"{'One round' if rounds == 1 else f'Medians of {rounds} rounds'}, both servers in turn, each on an empty directory; the load on the same machine."
    return [f"{circumstances(results)}.", manner]


def circumstances(results):
    """Date, machine and both releases."""
    machine = results["machine"]
    return f"{results['date']}, {machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, Linux {machine['kernel']}, {machine['disk']}; " \
           f"{REFERENCE} {results['reference']}, {OURS} {results['ours']}"


def plain(verdicts):
    """The same for a terminal."""
    return "\n".join(plain_table(HEADER, target_lines(verdicts), HEADER_RIGHT))


def put_between(text, block):
    """The text with what stands between the markers replaced."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there is no place for it: {BEGIN} and {END} on lines of their own")
    return f"{head}{BEGIN}\n{block.strip()}\n{END}{tail}"


def markdown_table(header, lines, right=()):
    """Its lines; the columns of `right` end together."""
    rules = ["---:" if column in right else "---" for column in range(len(header))]
    return [f"| {' | '.join(cells)} |" for cells in (header, rules, *lines)]


def plain_table(header, lines, right=()):
    """The same for a terminal."""
    lines = [header, *lines]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return ["  ".join(cell.rjust(width) if column in right else cell.ljust(width) for column, (cell, width) in enumerate(zip(line, widths))).rstrip()
            for line in lines]


assert set(METRICS) >= {target.metric for target in TARGETS}
