"""Reading: rows shaped for one screen or one answer. Nothing here writes, and nothing here knows of Flask."""
