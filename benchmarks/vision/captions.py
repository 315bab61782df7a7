"""Captions of drawings: the whole, one property, the requested parts with their number, or counts.

A model trained on whole pictures alone can ignore the question; captions of parts teach it to read the question.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from benchmarks.vision.drawings import COLOURS, SHAPES, Drawing, Shape, farthest
from langchain_memlora.experts.vision import DESCRIBE

WORDS = ("none", "one", "two", "three", "four")
Caption = tuple[str, str]


def caption(drawing: Drawing, rng: random.Random) -> Caption:
    """Return a request and its caption."""
    return rng.choice((_whole, _whole, _of_form, _of_colour, _of_side, _in_numbers))(drawing, rng)


def _whole(drawing: Drawing, rng: random.Random) -> Caption:
    colours = " and ".join(shape.colour for shape in drawing.shapes)
    forms = " and ".join(shape.form for shape in drawing.shapes)
    return rng.choice(
        [(DESCRIBE, drawing.caption), ("Which shapes are there?", forms), ("Which colors are there?", colours)]
    )


def _of_form(drawing: Drawing, rng: random.Random) -> Caption:
    form = rng.choice([*SHAPES, *(shape.form for shape in drawing.shapes)])
    return f"Describe the {form}s.", _each([shape for shape in drawing.shapes if shape.form == form])


def _of_colour(drawing: Drawing, rng: random.Random) -> Caption:
    colour = rng.choice([*COLOURS, *(4 * [shape.colour for shape in drawing.shapes])])
    return f"Describe the {colour} shapes.", _each([shape for shape in drawing.shapes if shape.colour == colour])


def _of_side(drawing: Drawing, rng: random.Random) -> Caption:
    found = farthest(drawing.shapes)
    if not found:
        return _whole(drawing, rng)
    side = rng.choice(sorted(found))
    return f"Describe the {side} shape.", _described([found[side]])


def _in_numbers(drawing: Drawing, rng: random.Random) -> Caption:
    if rng.random() < 0.5:
        counts = Counter(shape.colour for shape in drawing.shapes)
        parts = [f"{WORDS[count]} {colour}" for colour, count in sorted(counts.items())]
        what = "colors"
    else:
        counts = Counter(shape.form for shape in drawing.shapes)
        parts = [f"{WORDS[count]} {form}{'s' if count > 1 else ''}" for form, count in sorted(counts.items())]
        what = "forms"
    return f"Count the {what}.", f"{WORDS[len(drawing.shapes)]} : {' and '.join(parts)}"


def _each(shapes: Sequence[Shape]) -> str:
    return f"{WORDS[len(shapes)]} : {_described(shapes)}" if shapes else WORDS[0]


def _described(shapes: Sequence[Shape]) -> str:
    return " and ".join(f"a {shape.colour} {shape.form}" for shape in shapes)
