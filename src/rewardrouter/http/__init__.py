"""Asking servers: one client for reward models, judges and generators (timeouts, retries, a breaker, kept keys)."""
