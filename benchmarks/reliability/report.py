"""Writes `docs/reliability.md` from the recorded figures."""

from __future__ import annotations

from typing import Any

from benchmarks.record import RECORDED, ROOT, fill_page, table
from benchmarks.reliability import soak as soak_test

FIGURES = RECORDED / "reliability.json"
PAGE = ROOT / "docs" / "reliability.md"
CREWS = {"one process": "", "processes": ", a Chroma server", "one folder": " on one folder"}
SHOWN = ("false memory stored", "known memory changed", "left the block")


def kills(found: dict[str, Any]) -> str:
    """Return the kills, by how they were chosen."""
    names = {"random": "at random moments", "points": "at fault points", "real": "at random moments, real model"}
    rows = [
        [names[kind], part["kills"], part.get("deeds acknowledged", "one of each method"), len(part["broken"])]
        for kind, part in found.items()
        if kind in names
    ]
    rows.append(["**all**", sum(row[1] for row in rows), "", sum(row[3] for row in rows)])
    return table(["SIGKILL", "kills", "acknowledged writes and reads", "broken promises"], rows)


def faults(found: dict[str, Any]) -> str:
    """Return the faults, one a row."""
    rows = [[what, "no" if what in found["broken"] else "yes"] for what in found["injected"]]
    rows += [[what, why] for what, why in found["not injected"].items()]
    return table(["fault", "survived"], rows) + f"\n{found['survived']} of {len(found['injected'])} survived.\n"


def concurrency(found: dict[str, Any]) -> str:
    """Return the operations and how many were lost."""
    rows = [
        [
            _crew(found[name]) + where,
            found[name]["operations"],
            found[name].get("kills", 0),
            found[name].get("looks", ""),
            found[name].get("stale", ""),
            found[name]["wrong"],
        ]
        for name, where in CREWS.items()
        if found.get(name)
    ]
    head = ["concurrent", "operations", "kills", "reads checked", "stale reads", "lost, doubled, stale or inconsistent"]
    return table(head, rows)


def tenants(found: dict[str, Any]) -> str:
    """Return probes and leaks."""
    return table(["probes of other users' memories", "leaks"], [[found["probes"], found["leaked"]]])


def fuzz(found: dict[str, Any]) -> str:
    """Return outputs and crashes."""
    kinds = {"random": found, "guided by coverage": found.get("guided")}
    rows = [[name, kind["outputs"], kind["wrong"]] for name, kind in kinds.items() if kind]
    return table(["model outputs", "number", "crashes, or ids that were not shown"], rows)


def soak(found: dict[str, Any]) -> str:
    """Return memory and open files after the second tenth and at the end; the first tenth still imports."""
    resident, files = found["resident MB"], found["open files"]
    rows = [[found["operations"], resident[1], resident[-1], files[1], files[-1]]]
    head = ["operations", "MB after a fifth", "MB at the end", "files after a fifth", "files at the end"]
    allowed = (
        f"The test allows for noise: it fails if memory at the end is over {soak_test.GROWTH - 1:.0%} above that after a "
        f"fifth, or if more than {soak_test.MORE_FILES} more files are open."
    )
    return f"{table(head, rows)}\n{allowed}\n"


def hostile(found: dict[str, Any]) -> str:
    """Return the effects of hostile texts, without guards and with them."""
    head = [
        "attempts",
        "number",
        *(f"{what}: without guards" for what in SHOWN),
        *(f"{what}: with guards" for what in SHOWN),
    ]
    rows = [
        [kind, mine["attempts"], *(found[state][kind][what] for state in ("unguarded", "guarded") for what in SHOWN)]
        for kind, mine in found["guarded"].items()
    ]
    return table(head, [*rows, ["**all**", *(sum(column) for column in zip(*(row[1:] for row in rows), strict=True))]])


def loop(found: dict[str, Any]) -> str:
    """Return the delays of the event loop beside those of an idle one."""
    rows = [[name, *found[name].values()] for name in ("memory", "idle process")]
    return table(["event loop of", "ticks", "late by over 50 ms", "latest (ms)"], rows)


PARTS = {part.__name__: part for part in (kills, faults, concurrency, soak, tenants, fuzz, hostile, loop)}


def write_page(found: dict[str, Any]) -> int:
    """Write the page; return 1 if anything in it was broken."""

    def part(name: str) -> str:
        if name not in found:
            return "Not measured yet.\n"
        return PARTS[name](found[name]) + f"\n{found[name]['took seconds']} s on {found[name]['machine']}.\n"

    fill_page(PAGE, part)
    return int(any(is_broken(part) for part in found.values()))


def is_broken(part: Any) -> bool:
    """Return whether a part's figures, or any below them, report something broken."""
    if not isinstance(part, dict):
        return False
    return bool(part.get("broken")) or any(is_broken(inner) for inner in part.values())


def _crew(found: dict[str, Any]) -> str:
    names = ("processes", "threads", "tasks")
    return ", ".join(f"{found[name]} {name}" for name in names if name in found)
