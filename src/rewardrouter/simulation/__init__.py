"""Strategies measured on labelled pairs (paper 4.2 and 4.3)."""
