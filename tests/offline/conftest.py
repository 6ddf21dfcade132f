"""One thread: small matrices gain nothing from more, and threads that wait for each other lose much."""

from __future__ import annotations

import torch

torch.set_num_threads(1)
