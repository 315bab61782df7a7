"""How experts are made: annotated stories and conversations -> rows -> adapters -> a bundle."""
