"""The workshop: training, selection and evaluation. It may need extras; the runtime never imports it."""
