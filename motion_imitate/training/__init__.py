"""Samples, losses and backbones that training and evaluation share."""
