"""The tables of docs/how-to/search.md, from the last `make measure WHAT=search`."""

from __future__ import annotations

from typing import Any

from benchmarks.record import RECORDED, read_figures, table

RECORD = RECORDED / "search.json"
NOTHING = "No run is recorded yet; `make measure WHAT=search` records one.\n"
_SEARCHED = {"turns": "turns only", "facts": "turns and annotated facts"}


def search() -> str:
    """Return what each stage finds, by set of conversations."""
    record = read_figures(RECORD)
    if not record:
        return NOTHING
    parts = []
    for name, measured in record["sets"].items():
        for kind, rows in measured["searched"].items():
            columns = [key for key in next(iter(rows.values())) if key not in {"ms", "questions"}]
            body = [[stage, *(_share(row[key]) for key in columns), f"{row['ms']:.0f}"] for stage, row in rows.items()]
            count = next(iter(rows.values()))["questions"]
            parts.append(f"{name}, {_SEARCHED[kind]} ({count} questions):\n\n{table(['stages', *columns, 'ms'], body)}")
    loads = ", ".join(f"{measured['load']} ({name})" for name, measured in record["sets"].items())
    note = (
        f"Medians of milliseconds a search on {record['machine']}, at a load of {loads}; where the load is above the number of "
        "cores, the machine did other work meanwhile."
    )
    return "\n".join([*parts, note]) + "\n"


def search_thresholds() -> str:
    """Return what thresholds on scores keep and let through, by set of conversations."""
    record = read_figures(RECORD)
    if not record:
        return NOTHING
    sets: dict[str, Any] = {name: measured["thresholds"] for name, measured in record["sets"].items()}
    first = next(iter(sets.values()))
    head = ["`min_score`"] + [f"{name}: {what}" for name in sets for what in ("evidence kept", "false recall")]
    rows = [
        [
            f"{step['min_score']:g}{' (the middleware)' if step['default'] else ''}",
            *(_share(steps[place][key]) for steps in sets.values() for key in ("kept", "false_recall")),
        ]
        for place, step in enumerate(first)
    ]
    return table(head, rows)


def _share(value: float) -> str:
    return f"{value:.2f}"
