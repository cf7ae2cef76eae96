"""What this desk says it is."""

VERSION = "0.1.0"
