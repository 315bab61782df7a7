"""Recorded figures and the generated parts of pages."""

from __future__ import annotations

from pathlib import Path

from benchmarks.record import fill_page, read_figures, table, write_figures

PAGE = "# Title\n\n<!-- generated: speed -->\nold\n<!-- end -->\n\nText.\n"


def test_figures_are_read_as_written(tmp_path: Path) -> None:
    file = tmp_path / "recorded" / "speed.json"
    assert read_figures(file) == {}
    write_figures(file, {"seconds": 1.5, "machine": "é"})
    assert read_figures(file) == {"seconds": 1.5, "machine": "é"}


def test_table() -> None:
    assert table(["", "rows"], [["a", 1200], ["b", "1.0"]]) == "|  | rows |\n|---|---|\n| a | 1,200 |\n| b | 1.0 |\n"


def test_generated_part_is_replaced_and_the_rest_kept(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    assert fill_page(page, lambda name: f"new {name}\n", write=False)
    assert page.read_text() == PAGE
    assert fill_page(page, lambda name: f"new {name}\n")
    assert page.read_text() == PAGE.replace("old", "new speed")
    assert not fill_page(page, lambda name: f"new {name}\n")
