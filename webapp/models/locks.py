"""Numbers of the advisory locks, one namespace for the whole database.

TURN: one transaction at a time may change the book; the others wait for it outside the gate.
GATE: shared by every transaction that trades, exclusive for the one that halts or releases. TURN before GATE, always.
ENGINE_LEADER: held by the engine that leads, for as long as its connection lives.
MIGRATION: held while the schema changes.
Migrations and triggers carry copies of these numbers: changing one here needs a new migration.
"""

GATE = 0x50415045
ENGINE_LEADER = 0x50415046
MIGRATION = 0x50415047
TURN = 0x50415048
