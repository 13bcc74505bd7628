"""Estimators see people in frames."""
