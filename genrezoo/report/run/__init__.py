"""Figures of single runs and of predictions."""
