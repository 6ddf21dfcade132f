"""A module that cannot be imported: it ends the process."""

import sys

sys.exit(4)
