"""Questions about drawings: easy-VQA's single shapes, and scenes of several shapes with counts and positions."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw

Split = Literal["train", "test"]
SIDE = 64
SHAPES = ("circle", "rectangle", "triangle")
COLOURS = {
    "black": (0, 0, 0),
    "blue": (0, 0, 255),
    "brown": (165, 42, 42),
    "gray": (128, 128, 128),
    "green": (0, 255, 0),
    "red": (255, 0, 0),
    "teal": (0, 128, 128),
    "yellow": (255, 255, 0),
}
CELLS = [(x, y) for x in (2, 34) for y in (2, 34)]
APART = 6


@dataclass(frozen=True, slots=True)
class Shape:
    """A shape of a drawing; `x` and `y` are the upper left corner of its box, if known."""

    form: str
    colour: str
    x: int = 0
    y: int = 0


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture, what is on it column by column from the left, and questions as (kind, question, answer)."""

    image: bytes
    shapes: tuple[Shape, ...]
    questions: tuple[tuple[str, str, str], ...]

    @property
    def caption(self) -> str:
        """Description of all shapes."""
        return " and ".join(f"a {shape.colour} {shape.form}" for shape in self.shapes)

    @property
    def forms(self) -> str:
        """Description of the forms only."""
        return " and ".join(f"a {shape.form}" for shape in self.shapes)


def easy_vqa(split: Split) -> list[Drawing]:
    """Return the drawings of the `easy-vqa` package (MIT), with its questions.

    A few are left out: those whose questions and answers do not determine a caption.
    """
    folder = Path(str(files("easy_vqa"))) / "data" / split
    asked: dict[int, list[tuple[str, str, str]]] = {}
    for question, answer, number in json.loads((folder / "questions.json").read_text()):
        kind = "yes/no" if answer in ("yes", "no") else "shape" if answer in SHAPES else "colour"
        asked.setdefault(number, []).append((kind, question, answer))
    shapes = {number: Shape(_named(SHAPES, found), _named(COLOURS, found)) for number, found in asked.items()}
    return [
        Drawing((folder / "images" / f"{number}.png").read_bytes(), (shape,), tuple(asked[number]))
        for number, shape in shapes.items()
        if shape.form and shape.colour
    ]


def _named(names: Iterable[str], questions: Sequence[tuple[str, str, str]]) -> str:
    """Return the name of the shape or its colour; empty if the questions do not determine it."""
    for name in names:
        for _, question, answer in questions:
            denied = " not " in question or " no " in question
            confirmed = answer == ("no" if denied else "yes")
            if answer == name or (confirmed and name in question):
                return name
    return ""


def scenes(split: Split, count: int) -> list[Drawing]:
    """Return drawings of two to four shapes in a two by two grid, with two questions on counts and two on positions each."""
    return [_scene(random.Random(f"{split} {number}")) for number in range(count)]


def _scene(rng: random.Random) -> Drawing:
    cells = sorted(rng.sample(CELLS, rng.randint(2, 4)))
    forms, colours = (rng.choices(names, k=len(cells)) for names in (SHAPES, sorted(COLOURS)))
    shapes = tuple(
        Shape(form, colour, x + rng.randint(0, 7), y + rng.randint(0, 7))
        for (x, y), form, colour in zip(cells, forms, colours, strict=True)
    )
    return Drawing(_drawn(shapes, rng), shapes, tuple(_counts(shapes, rng) + _places(shapes, rng)))


def _drawn(shapes: Sequence[Shape], rng: random.Random) -> bytes:
    image = Image.new("RGB", (SIDE, SIDE), tuple(rng.randint(230, 255) for _ in range(3)))
    draw = ImageDraw.Draw(image)
    for shape in shapes:
        width, height = rng.randint(15, 20), rng.randint(15, 20)
        box = (shape.x, shape.y, shape.x + width, shape.y + (width if shape.form == "circle" else height))
        match shape.form:
            case "circle":
                draw.ellipse(box, COLOURS[shape.colour])
            case "rectangle":
                draw.rectangle(box, COLOURS[shape.colour])
            case _:
                tip = (shape.x + rng.randint(3, width - 3), shape.y)
                draw.polygon([tip, (box[0], box[3]), (box[2], box[3])], COLOURS[shape.colour])
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _counts(shapes: Sequence[Shape], rng: random.Random) -> list[tuple[str, str, str]]:
    form = rng.choice(SHAPES)
    colour = rng.choice([*COLOURS, *[shape.colour for shape in shapes] * 3])
    return [
        ("count", "how many shapes are there?", str(len(shapes))),
        ("count", f"how many {form}s are there?", str(sum(shape.form == form for shape in shapes))),
        ("count", f"how many {colour} shapes are there?", str(sum(shape.colour == colour for shape in shapes))),
    ][rng.randint(0, 1) :][:2]


def farthest(shapes: Sequence[Shape]) -> dict[str, Shape]:
    """Return the sides to which one shape is clearly farther than all others, with that shape."""
    found = {}
    for side, key in (
        ("leftmost", lambda s: s.x),
        ("rightmost", lambda s: -s.x),
        ("topmost", lambda s: s.y),
        ("bottommost", lambda s: -s.y),
    ):
        first, *others = sorted(shapes, key=key)
        if others and key(others[0]) - key(first) >= APART:
            found[side] = first
    return found


def _places(shapes: Sequence[Shape], rng: random.Random) -> list[tuple[str, str, str]]:
    """Return two questions on shapes that are clearly farthest to one side."""
    found = []
    for side, shape in farthest(shapes).items():
        found += [
            ("position", f"what color is the {side} shape?", shape.colour),
            ("position", f"what shape is {side}?", shape.form),
        ]
    return rng.sample(found, min(2, len(found)))
