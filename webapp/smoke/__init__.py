"""Operational checks against a Solana node. Nothing here knows the paper books."""
