"""The trading process: it leads, it beats, and on schedule it asks the services to trade. No SQL of its own trading."""
