"""A process that migrates the database at the address given to it, as a deployment would."""

import sys

from webapp import migrating

migrating.upgrade(sys.argv[1])
