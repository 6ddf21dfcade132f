"""The sandbox: small but real models, trained on the spot, on text tasks whose answers can be checked.

For newcomers without hub or GPU, and for long streams with known truth. :func:`build_sandbox` makes it once and finds
it again.
"""

from rewardrouter.sandbox.build import build_sandbox, using_verdicts
from rewardrouter.sandbox.layout import Sandbox
from rewardrouter.sandbox.tasks import is_right

__all__ = ["Sandbox", "build_sandbox", "is_right", "using_verdicts"]
