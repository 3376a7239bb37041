"""The report's plots, as PNG. Their colours (Okabe and Ito's, and cividis) can be told apart by the colour-blind."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
MOST_IN_A_GROUP = 40
LINES = ("-", "--", "-.", ":")
STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "figure.dpi": 150,
    "savefig.bbox": "tight",
}
PARTS = (
    ("worked", "in the stage", COLOURS[0]),
    ("queued", "in its queue", COLOURS[4]),
    ("transport", "on the way to it", "#999999"),
)


def draw(report: dict, folder: Path) -> dict[str, str]:
    """Draws what the report has figures for; gives the files' names by what they show."""
    found = report["classification"]
    wanted = {
        "confusion": (_confusion, found),
        "reliability": (_reliability, found),
        "risk_coverage": (_risk_coverage, [one for one in found if one["risk_coverage"]["coverage"]]),
        "groups": (_groups, {name: group for name, group in report["groups"].items() if _can_be_drawn(group)}),
        "latency": (_latency, report["latency_ms"]),
    }
    drawn = {}
    with pyplot.rc_context(STYLE):
        for name, (function, figures) in wanted.items():
            path = folder / f"{name}.png"
            path.unlink(missing_ok=True)
            if figures:
                function(figures).savefig(path)
                pyplot.close("all")
                drawn[name] = path.name
    return drawn


def draw_reliability(found: list[dict], path: Path) -> None:
    """The reliability diagrams of what has `name`, `target`, `metrics` and `reliability`, in one picture."""
    with pyplot.rc_context(STYLE):
        _reliability(found).savefig(path)
        pyplot.close("all")


def _title(one: dict) -> str:
    return one["name"] if one["target"] == "sentiment" else f"{one['name']} ({one['target']})"


def _confusion(found: list[dict]):
    widths = [1.2 + 0.75 * len(one["confusion"]["predicted"]) for one in found]
    tallest = max(len(one["confusion"]["classes"]) for one in found)
    figure, axes = pyplot.subplots(
        1,
        len(found),
        figsize=(sum(widths) + 0.8, 1.6 + 0.75 * tallest),
        width_ratios=widths,
        squeeze=False,
        layout="constrained",
    )
    for axis, one in zip(axes[0], found, strict=True):
        confusion = one["confusion"]
        # A column for files without a prediction only where there are some.
        some = any(counts[-1] for counts in confusion["files"])
        columns = len(confusion["predicted"]) - (not some)
        counts = [row[:columns] for row in confusion["files"]]
        shares = [[count / max(sum(row), 1) for count in row] for row in counts]
        image = axis.imshow(shares, cmap="cividis", vmin=0, vmax=1)
        for down, row in enumerate(counts):
            for across, count in enumerate(row):
                dark = shares[down][across] < 0.5
                text = f"{100 * shares[down][across]:.0f} %\n{count}"
                axis.text(across, down, text, ha="center", va="center", color="white" if dark else "black", fontsize=8)
        axis.set_xticks(range(columns), confusion["predicted"][:columns], rotation=35, ha="right")
        axis.set_yticks(range(len(counts)), confusion["classes"])
        axis.set(title=_title(one), xlabel="predicted", ylabel="labelled")
        axis.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes[0].tolist(), label="share of the labelled class", fraction=0.04, pad=0.02)
    return figure


def _reliability(found: list[dict]):
    figure, axes = pyplot.subplots(
        2,
        len(found),
        figsize=(max(3.4 * len(found), 4.4), 4.9),
        height_ratios=(3, 1),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    for above, below, one in zip(*axes, found, strict=True):
        bins = one["reliability"]
        width = bins[0]["to"] - bins[0]["above"]
        full = [part for part in bins if part["files"]]
        middles = [(part["above"] + part["to"]) / 2 for part in full]
        above.plot((0, 1), (0, 1), color="#666666", linestyle=":", label="calibrated")
        above.bar(
            middles, [part["accuracy"] for part in full], width, color=COLOURS[0], edgecolor="white", label="accuracy"
        )
        confidences = [part["confidence"] for part in full]
        above.plot(confidences, confidences, "o", markersize=4, color=COLOURS[1], label="mean confidence")
        ece = one["metrics"]["ece"]["value"]
        above.set(
            title=f"{_title(one)}\nECE {100 * ece:.1f} %" if ece is not None else _title(one), ylim=(0, 1), xlim=(0, 1)
        )
        below.bar(middles, [part["files"] for part in full], width, color="#999999", edgecolor="white")
        below.set(xlabel="confidence (highest probability)")
    axes[0][0].set_ylabel("share of right predictions")
    axes[1][0].set_ylabel("files")
    handles = axes[0][0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def _risk_coverage(found: list[dict]):
    figure, axis = pyplot.subplots(figsize=(5.6, 3.8), layout="constrained")
    for place, one in enumerate(found):
        curve = one["risk_coverage"]
        style = {"color": COLOURS[place % len(COLOURS)], "linestyle": LINES[place % len(LINES)]}
        axis.plot(
            [100 * share for share in curve["coverage"]],
            [100 * share for share in curve["risk"]],
            drawstyle="steps-post",
            clip_on=False,
            label=_title(one),
            **style,
        )
    axis.set(xlabel="answered, the most confident first (% of files)", ylabel="wrong of these (%)", xlim=(0, 100))
    axis.set_ylim(bottom=0)
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)
    return figure


def _can_be_drawn(group: dict) -> bool:
    return len(group) <= MOST_IN_A_GROUP and any(one["metrics"] for one in group.values())


def _groups(groups: dict):
    rows = [(f"{column} {value}", one) for column, group in groups.items() for value, one in group.items()]
    rows = [row for row in rows if row[1]["metrics"]]
    systems = list(dict.fromkeys(name for _, one in rows for name in one["metrics"]))
    figure, axis = pyplot.subplots(figsize=(6.8, 1.4 + 0.3 * len(rows)), layout="constrained")
    for number, name in enumerate(systems):
        style = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
        for place, (_, one) in enumerate(rows):
            if name in one["metrics"]:
                _point(axis, one["metrics"][name]["accuracy"], place + 0.22 * (number - (len(systems) - 1) / 2), style)
        axis.plot([], [], linestyle="", label=name, markersize=5, **style)
    axis.set_yticks(range(len(rows)), [f"{name} ({one['files']})" for name, one in rows], fontsize=8)
    axis.set(xlabel="accuracy (%), with its 95 % interval where there are two speakers", xlim=(-1, 101))
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside upper center", ncols=len(systems), frameon=False, fontsize=9)
    return figure


def _point(axis, accuracy: dict, place: float, style: dict) -> None:
    if accuracy["low"] is not None:
        axis.plot((100 * accuracy["low"], 100 * accuracy["high"]), (place, place), color=style["color"], linewidth=1.5)
    axis.plot(100 * accuracy["value"], place, markersize=4.5, clip_on=False, **style)


def _latency(latency: dict):
    # The source stamps a message when it sends it: nothing is known of what was before.
    stages = [stage for stage in latency if any(latency[stage][part]["p95"] for part, _, _ in PARTS)]
    longest = max((latency[stage][part]["p95"] for stage in stages for part, _, _ in PARTS), default=1.0)
    ticks = [tick for tick in (0, 1, 10, 100, 1_000, 10_000, 100_000) if tick <= longest]
    figure, axes = pyplot.subplots(
        1, 2, figsize=(8.4, 1.2 + 0.36 * len(stages)), sharey=True, sharex=True, layout="constrained"
    )
    for axis, at, title in zip(axes, ("p50", "p95"), ("median", "95th percentile"), strict=True):
        for offset, (part, label, colour) in enumerate(PARTS):
            values = [latency[stage][part][at] for stage in stages]
            axis.barh(
                [place + 0.27 * (offset - 1) for place in range(len(stages))], values, 0.26, color=colour, label=label
            )
        axis.set(title=title, xlabel="ms a result")
        axis.set_yticks(range(len(stages)), stages)
        axis.set_xscale("symlog", linthresh=1)
        axis.set_xticks(ticks, [f"{tick:,}".replace(",", " ") for tick in ticks])
        axis.set_xlim(0, 1.3 * longest)
        axis.grid(axis="x", alpha=0.3)
    axes[0].invert_yaxis()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure
