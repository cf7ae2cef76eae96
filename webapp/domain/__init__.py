"""The pure core: money, quotes, orders, positions, risk. Standard library only; no clock, no randomness, no float."""
