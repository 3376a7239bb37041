"""The report for people, as Markdown."""

from .report import PARTS

NAMES = {
    "accuracy": "accuracy",
    "uar": "unweighted average recall",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "ece": "expected calibration error (15 bins)",
    "brier": "Brier score (multi-class, 0 to 2)",
    "log_loss": "log-loss (nats)",
}
SHARES = ("accuracy", "uar", "macro_f1", "weighted_f1", "ece")
HAPPENED = {"gap": "audio was lost", "late": "something was done with less effort"}
LISTED = 50
NOTHING = "–"


def write(report: dict, plots: dict[str, str]) -> str:
    """The whole report; `plots` are files by what they show."""
    parts = [
        _head(report),
        _classification(report["classification"], plots),
        _folds(report["folds"]),
        _confusions(report["classification"], plots),
        _words(report),
        _groups(report["groups"], plots),
        _voice_activity(report["voice_activity"]),
        _answers(report["results"]),
        _exceptions(report["exceptions"]),
        _latency(report["latency_ms"], plots),
        _cost(report),
        _wrong(report["labels"]),
        _how(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(report: dict) -> str:
    labels, graph, bootstrap = report["labels"], report["graph"], report["bootstrap"]
    lines = [
        "# Evaluation",
        "",
        f"{graph['file']} on {labels['name']}: {labels['files']} recordings, {labels['seconds']:,.0f} s of audio, "
        f"{bootstrap['clusters']} {bootstrap['over']}. Rows left out: {len(labels['wrong'])}.",
    ]
    lines += [f"\nChanged for this run: `{node}` with `{given}`." for node, given in graph["arguments"].items()]
    lines += [f"\nThis graph has {lack}." for lack in graph["lacks"]]
    if labels["unused_columns"]:
        lines.append(f"\nColumns of the table that are not used: {', '.join(labels['unused_columns'])}.")
    return "\n".join(lines)


def _classification(found: list[dict], plots: dict[str, str]) -> str:
    if not found:
        return ""
    rows = [["files", *(str(one["files"]) for one in found)]]
    rows += [["… without a prediction", *(str(len(one["without_prediction"])) for one in found)]]
    for key, name in NAMES.items():
        rows.append([name, *(interval(one["metrics"][key], key in SHARES) for one in found)])
    text = "## How well it tells\n\n" + table(["", *_titles(found)], rows)
    return text + _picture(plots, "reliability") + _picture(plots, "risk_coverage")


def _folds(found: list[dict]) -> str:
    if not found:
        return ""
    rows = [[NAMES[key], *(_spread(one["metrics"][key], key in SHARES) for one in found)] for key in NAMES]
    count = len(found[0]["metrics"]["uar"]["values"])
    return f"## Folds\n\nMean and deviation over {count} folds by speaker.\n\n" + table(["", *_titles(found)], rows)


def _titles(found: list[dict]) -> list[str]:
    return [one["name"] if one["target"] == "sentiment" else f"{one['name']}, {one['target']}" for one in found]


def _spread(over_folds: dict, share: bool) -> str:
    factor, digits = (100, 1) if share else (1, 3)
    mean, deviation = factor * over_folds["mean"], factor * over_folds["deviation"]
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}{' %' if share else ''}"


def _confusions(found: list[dict], plots: dict[str, str]) -> str:
    parts = []
    for one in found:
        confusion = one["confusion"]
        rows = [
            [name, *map(str, counts), _share(counts[place] / sum(counts)) if sum(counts) else NOTHING]
            for place, (name, counts) in enumerate(zip(confusion["classes"], confusion["files"], strict=True))
        ]
        header = [f"{one['name']}: labelled", *(f"→ {name}" for name in confusion["predicted"]), "recall"]
        parts.append(table(header, rows))
    return "## Confusion\n\n" + "\n\n".join(parts) + _picture(plots, "confusion") if parts else ""


def _words(report: dict) -> str:
    if not report["words"]:
        return ""
    rows = [
        [
            wire,
            str(one["files"]),
            str(one["words"]),
            str(one["errors"]),
            *(interval(one["rates"][key], True) for key in ("wer", "substitutions", "deletions", "insertions")),
        ]
        for wire, one in report["words"].items()
    ]
    header = ["", "files", "words", "errors", "word error rate", "substituted", "deleted", "inserted"]
    return f"## Words\n\n{table(header, rows)}\n\nBoth texts normalised by {report['normaliser']}."


def _groups(groups: dict, plots: dict[str, str]) -> str:
    parts = []
    for column, found in groups.items():
        parts.append(f"### By {column}\n\n{_group(column, found)}")
    return "## Groups\n\n" + "\n\n".join(parts) + _picture(plots, "groups") if parts else ""


def _group(column: str, found: dict) -> str:
    """All averages of the first predictions, accuracy and recall of the others, and the words."""
    systems = list(dict.fromkeys(name for one in found.values() for name in one["metrics"]))
    columns = [(name, key) for name in systems for key in SHARES[: 4 if name == systems[0] else 2]]
    rows = []
    largest = sorted(found, key=lambda value: -found[value]["files"])[:LISTED]
    for value, one in [(value, found[value]) for value in found if value in largest]:
        cells = [interval(one["metrics"].get(name, {}).get(key), True) for name, key in columns]
        rows.append([value, str(one["files"]), *cells, interval(one["wer"], True)])
    header = [column, "files", *(f"{name}: {NAMES[key]}" for name, key in columns), "word error rate"]
    # A column in which nothing is known is left out.
    kept = [place for place in range(len(header)) if any(row[place] != NOTHING for row in rows)]
    more = (
        f"\n\nThe {LISTED} with the most files of {len(found)}; all are in report.json." if len(found) > LISTED else ""
    )
    return table([header[place] for place in kept], [[row[place] for place in kept] for row in rows]) + more


def _voice_activity(found: dict) -> str:
    parts = []
    for wire, one in found.items():
        before, behind = (1000 * seconds for seconds in one["collar_seconds"])
        rows = [
            [name, *(interval(rates[key], True) for key in ("accuracy", "miss", "false_alarm"))]
            for name, rates in one["frames"].items()
        ]
        parts.append(
            f"`{wire}`: {one['found_segments']} segments for {one['reference_segments']} of the reference in "
            f"{one['files']} files, {one['matched_segments']} of them matched.\n\n"
            + table(["frames of 10 ms", "accuracy", "missed speech", "false alarms"], rows)
            + "\n\n"
            + table(["matched segments", "median", "median of |error|", "90th percentile of |error|"], _edges(one))
            + f"\n\nA segment has padding on purpose. *With collar* leaves frames without speech out of the score that "
            f"lie up to {before:.0f} ms before or {behind:.0f} ms behind speech of the reference; *without padding* "
            "cuts so much off the segments instead. Late is above zero."
        )
    return "## Voice activity\n\n" + "\n\n".join(parts) if parts else ""


def _edges(one: dict) -> list[list[str]]:
    named = (("onset", one["onset_seconds"]), ("end", one["end_seconds"]))
    return [
        [
            name,
            _milliseconds(errors["median"], "+"),
            _milliseconds(errors["absolute_median"]),
            f"{1000 * errors['absolute_p90']:.0f} ms",
        ]
        for name, errors in named
        if errors
    ]


def _milliseconds(estimate: dict, sign: str = "") -> str:
    text = lambda seconds: f"{1000 * seconds:{sign}.0f}"
    bounds = "" if estimate["low"] is None else f" [{text(estimate['low'])}, {text(estimate['high'])}]"
    return f"{text(estimate['value'])} ms{bounds}"


def _answers(results: dict) -> str:
    if not results or not results["segments"]:
        return ""
    profiles = ", ".join(f"{name} {count}" for name, count in results["profiles"].items())
    silent, degraded = results["files_without_prediction"], results["degraded"]
    anomalies = "not looked for" if results["anomalies"] is None else _share(results["anomalies"])
    text = (
        f"## Answers\n\n{results['segments']} segments with a result ({profiles}). Abstained: "
        f"{_share(results['abstained'])}; anomalies (voice unlike clean speech): {anomalies}; made with less effort "
        f"because the graph was late: {degraded['segments']} ({_share(degraded['share'])}). "
        f"Files without a prediction: {len(silent)}"
    )
    return text + (", counted as wrong:\n\n" + _listed(silent) if silent else ".")


def _exceptions(found: list[dict]) -> str:
    """What happened to the runs and ended none of them."""
    if not found:
        return ""
    counts = {kind: sum(one["kind"] == kind for one in found) for kind in HAPPENED}
    told = ", ".join(f"{what}: {counts[kind]}" for kind, what in HAPPENED.items())
    lines = [f"{one['place']}, {one.get('session') or 'all sessions'}: {one['text']}" for one in found]
    return f"## What happened to the runs\n\nTold by the nodes ({told}):\n\n{_listed(lines)}"


def _latency(latency: dict, plots: dict[str, str]) -> str:
    if not latency:
        return ""
    rows = [
        [stage, *(f"{parts[part][at]:.1f}" for part in PARTS for at in ("p50", "p95"))]
        for stage, parts in latency.items()
    ]
    header = ["ms a result", *(f"{part}, {at}" for part in PARTS for at in ("p50", "p95"))]
    return (
        f"## Latency by stage\n\n{table(header, rows)}\n\nThe recordings came as fast as the graph took them, so "
        "messages waited in queues and on the way for what was before them, and stages competed for the processor: "
        "`worked` is what a stage itself took, and the rest is not what it would be at the pace of the clock."
        + _picture(plots, "latency")
    )


def _cost(report: dict) -> str:
    cost, host = report["cost"], report["host"]
    if not cost["runs"]:
        return ""
    return (
        f"## Cost\n\n{cost['processor_seconds_per_audio_second']:.3f} s of processor time and "
        f"{cost['real_time_factor']:.3f} s of wall time for a second of audio, in {cost['runs']} runs of the graph "
        f"over {cost['audio_seconds']:,.0f} s, on {host.get('cores', '?')} cores ({host.get('cpu', 'unknown')}). That "
        "is all of the graph's processes, their start and the loading of models included, dora, and the recorder that is "
        "part of the measurement."
    )


def _wrong(labels: dict) -> str:
    if not labels["wrong"]:
        return ""
    rows = [[wrong["where"], wrong["file"], wrong["reason"]] for wrong in labels["wrong"]]
    more = f"\n\n… and {len(rows) - LISTED} more, in report.json." if len(rows) > LISTED else ""
    return "## Rows left out\n\n" + table(["row", "file", "why"], rows[:LISTED]) + more


def _how(report: dict) -> str:
    bootstrap = report["bootstrap"]
    models = sorted(
        {
            (name, digest[:12])
            for node in report["nodes"].values()
            for name, digest in (node.get("models") or {}).items()
        }
    )
    return (
        f"## How it was measured\n\nIn brackets: 95 % intervals, percentiles of {bootstrap['resamples']:,} resamples "
        f"of {bootstrap['clusters']} {bootstrap['over']} (seed {bootstrap['seed']}); none where there are not two. A "
        "file's probabilities are the mean of those of its segments, weighted by their durations. A file without a prediction "
        "counts as wrong, and is not in calibration. Averages over classes are over those that the files have. What "
        "came of each file is in files.csv.\n\n"
        + table(["model file", "SHA-256"], [[name, digest] for name, digest in models])
    )


def interval(estimate: dict | None, share: bool) -> str:
    """A value with its bounds, as percent or with three digits."""
    if not estimate or estimate["value"] is None:
        return NOTHING
    text = (lambda value: f"{100 * value:.1f}") if share else (lambda value: f"{value:.3f}")
    bounds = "" if estimate["low"] is None else f" [{text(estimate['low'])}, {text(estimate['high'])}]"
    return f"{text(estimate['value'])}{' %' if share else ''}{bounds}"


def _share(value: float | None) -> str:
    return NOTHING if value is None else f"{100 * value:.1f} %"


def _listed(names: list[str]) -> str:
    more = [f"- … and {len(names) - LISTED} more, in report.json"] if len(names) > LISTED else []
    return "\n".join([*(f"- {name}" for name in names[:LISTED]), *more])


def table(header: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    cells = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in cells)


def _picture(plots: dict[str, str], name: str) -> str:
    return f"\n\n![{name.replace('_', ' and ')}]({plots[name]})" if name in plots else ""
