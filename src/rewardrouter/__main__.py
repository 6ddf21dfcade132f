"""``python -m rewardrouter``, and ``accelerate launch -m rewardrouter``: the command line."""

import sys

from rewardrouter.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
