"""Reward models behind a server: one client for all, and the protocols of those that score texts."""
