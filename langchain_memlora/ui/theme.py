"""Colours and fonts of Gradio's own parts; `static/page.css` does the rest.

The fonts come with Gradio, so no request leaves this machine. Most of those that it brings lack the Latin letters of some
weight; the regular and bold IBM Plex are whole.
"""

from __future__ import annotations

import gradio as gr
from gradio.themes.utils import colors, fonts

WEIGHTS = (400, 700)


def theme() -> gr.themes.Base:
    """A plain theme."""
    return gr.themes.Base(
        primary_hue=colors.indigo,
        neutral_hue=colors.stone,
        font=[fonts.LocalFont("IBM Plex Sans", WEIGHTS), "system-ui", "sans-serif"],
        font_mono=[fonts.LocalFont("IBM Plex Mono", WEIGHTS), "ui-monospace", "monospace"],
    )
