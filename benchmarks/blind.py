"""Records what blind readers found right of what the default bundle stores of unseen exchanges.

    python -m benchmarks.blind

The labels are in docs/recorded/blind_labels.jsonl, one JSON object a line: `{"id": ..., "texts": [...], "facts": [...],
"forgets": [...]}`, with a label for each stored text (`right`, `wrong`, `vague`, `invented`, `not told`, `repeat`), each stated
fact (`found`, `partly`, `missed`) and each request to forget that was followed (`right`, `wrong`). The exchanges themselves are
not part of the project.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from benchmarks.record import RECORDED, read_figures, write_figures
from langchain_memlora.bundles import load_bundle

FILE, LABELS = RECORDED / "blind.json", RECORDED / "blind_labels.jsonl"


def scores(items: list[dict[str, Any]]) -> dict[str, float | int]:
    """Return the shares of labels over all exchanges."""
    texts = Counter(label for item in items for label in item["texts"])
    facts = Counter(label for item in items for label in item["facts"])
    silent = [not item["texts"] for item in items if not item["facts"]]
    return {
        "exchanges": len(items),
        "texts": texts.total(),
        "facts": facts.total(),
        "right": round(texts["right"] / texts.total(), 3),
        "wrong": round((texts["wrong"] + texts["invented"]) / texts.total(), 3),
        "vague": round(texts["vague"] / texts.total(), 3),
        "not_told": round(texts["not told"] / texts.total(), 3),
        "found": round(facts["found"] / facts.total(), 3),
        "found_or_partly": round((facts["found"] + facts["partly"]) / facts.total(), 3),
        "silent": round(sum(silent) / len(silent), 3),
    }


def main() -> None:
    """Replace the default bundle's record."""
    items = [json.loads(line) for line in LABELS.read_text(encoding="utf-8").splitlines()]
    bundle = load_bundle()
    weights = (bundle.path / "extraction" / "adapter_model.safetensors").read_bytes()
    record = read_figures(FILE)
    run = {
        "bundle": bundle.card.name,
        "date": f"{datetime.now(UTC):%Y-%m}",
        **scores(items),
        "extraction": hashlib.sha256(weights).hexdigest(),
    }
    record["runs"] = [run, *(other for other in record["runs"] if other["bundle"] != run["bundle"])]
    write_figures(FILE, record)
    print(json.dumps(run, indent=1))


if __name__ == "__main__":
    main()
