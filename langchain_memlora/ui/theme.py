"""Colours and fonts of Gradio's own parts; `static/page.css` does the rest.

The fonts are part of Gradio, so no request leaves this machine. Most of its fonts lack Latin letters in some weight;
regular and bold IBM Plex are complete.
"""

from __future__ import annotations

import gradio as gr
from gradio.themes.utils import colors, fonts

WEIGHTS = (400, 700)


def theme() -> gr.themes.Base:
    """Return a plain theme."""
    return gr.themes.Base(
        primary_hue=colors.indigo,
        neutral_hue=colors.stone,
        font=[fonts.LocalFont("IBM Plex Sans", WEIGHTS), "system-ui", "sans-serif"],
        font_mono=[fonts.LocalFont("IBM Plex Mono", WEIGHTS), "ui-monospace", "monospace"],
    )
