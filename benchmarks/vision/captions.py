"""What a drawing is said to show: all of it, one property, the parts that are asked for and how many they are, or numbers.

Whoever is only ever told of whole pictures need not listen to what is asked. Parts teach a model to.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from benchmarks.vision.drawings import COLOURS, SHAPES, Drawing, Shape, farthest
from langchain_memlora.experts.vision import DESCRIBE

WORDS = ("none", "one", "two", "three", "four")
Caption = tuple[str, str]


def caption(drawing: Drawing, chance: random.Random) -> Caption:
    """What is asked for, and the caption."""
    return chance.choice((_whole, _whole, _of_form, _of_colour, _of_side, _in_numbers))(drawing, chance)


def _whole(drawing: Drawing, chance: random.Random) -> Caption:
    colours = " and ".join(shape.colour for shape in drawing.shapes)
    forms = " and ".join(shape.form for shape in drawing.shapes)
    return chance.choice(
        [(DESCRIBE, drawing.caption), ("Which shapes are there?", forms), ("Which colors are there?", colours)]
    )


def _of_form(drawing: Drawing, chance: random.Random) -> Caption:
    form = chance.choice([*SHAPES, *(shape.form for shape in drawing.shapes)])
    return f"Describe the {form}s.", _each([shape for shape in drawing.shapes if shape.form == form])


def _of_colour(drawing: Drawing, chance: random.Random) -> Caption:
    colour = chance.choice([*COLOURS, *(4 * [shape.colour for shape in drawing.shapes])])
    return f"Describe the {colour} shapes.", _each([shape for shape in drawing.shapes if shape.colour == colour])


def _of_side(drawing: Drawing, chance: random.Random) -> Caption:
    found = farthest(drawing.shapes)
    if not found:
        return _whole(drawing, chance)
    side = chance.choice(sorted(found))
    return f"Describe the {side} shape.", _told([found[side]])


def _in_numbers(drawing: Drawing, chance: random.Random) -> Caption:
    if chance.random() < 0.5:
        counts = Counter(shape.colour for shape in drawing.shapes)
        parts = [f"{WORDS[count]} {colour}" for colour, count in sorted(counts.items())]
        what = "colors"
    else:
        counts = Counter(shape.form for shape in drawing.shapes)
        parts = [f"{WORDS[count]} {form}{'s' if count > 1 else ''}" for form, count in sorted(counts.items())]
        what = "forms"
    return f"Count the {what}.", f"{WORDS[len(drawing.shapes)]} : {' and '.join(parts)}"


def _each(shapes: Sequence[Shape]) -> str:
    return f"{WORDS[len(shapes)]} : {_told(shapes)}" if shapes else WORDS[0]


def _told(shapes: Sequence[Shape]) -> str:
    return " and ".join(f"a {shape.colour} {shape.form}" for shape in shapes)
