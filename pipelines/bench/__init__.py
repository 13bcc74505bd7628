"""`python -m pipelines.bench`: benchmarks that print ratios."""
