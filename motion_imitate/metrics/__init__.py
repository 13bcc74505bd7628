"""Metrics for motion and images."""
