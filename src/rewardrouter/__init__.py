"""rewardrouter: send each preference pair to the one reward model most likely to judge it right.

The reference implementation of BayesianRouter ("Reward Model Routing in Alignment", arXiv 2510.02850).
"""

__version__ = "0.1.0"
