"""Reward models behind a server that scores texts: their protocols, and what is sent to each."""
