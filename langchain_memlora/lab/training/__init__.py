"""Training of experts: annotated stories or a teacher's replies -> rows -> adapters -> a bundle."""
