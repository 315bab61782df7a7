"""Colours and fonts of Gradio's own parts. The fonts come with Gradio, so no request leaves this machine."""

from __future__ import annotations

import gradio as gr
from gradio.themes.utils import colors, fonts


def theme() -> gr.themes.Base:
    """A plain theme; `static/page.css` does the rest."""
    return gr.themes.Base(
        primary_hue=colors.indigo,
        neutral_hue=colors.stone,
        font=[fonts.LocalFont("Source Sans 3"), "system-ui", "sans-serif"],
        font_mono=[fonts.LocalFont("IBM Plex Mono"), "ui-monospace", "monospace"],
    )
