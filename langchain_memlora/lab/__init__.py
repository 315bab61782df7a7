"""Training, selection, evaluation and scripts. This part needs extras; the runtime never imports it."""
