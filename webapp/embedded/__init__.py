"""PostgreSQL from the wheel: started on first need, shared by every process that needs it, stopped with the last.

The wheel's own server class is not used. It counts its users by pid in a file, so one `kill -9` keeps the server up for
good; it locks a file in the shared temporary folder, which a second user cannot open; it gives a crashed server ten
seconds to recover; and as root it makes every folder above the data readable. Here users hold a file lock, which the
kernel gives back however they die, and a keeper process waits for the last of them.

Only the standard library is imported, so that the keeper stays small.
"""

from webapp.embedded.programs import EmbeddedError
from webapp.embedded.server import Cluster
from webapp.embedded.use import Handle, acquire

__all__ = ["Cluster", "EmbeddedError", "Handle", "acquire"]
