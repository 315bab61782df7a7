"""How good it is: data sets, metrics, judges, statistics and reports."""
