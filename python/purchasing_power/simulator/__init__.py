"""A shop of any size with everything known about it: what the logs show, and the truth that they hide.

`docs/simulator.md` says what the process is and where it comes from. Each module holds one part of it; the
hidden life of customers (`dynamics`) knows nothing of what is logged about it (`sessions`, `orders`,
`reviews`), and the dirt changes only what was logged.
"""

from purchasing_power.simulator.config import ShopConfig
from purchasing_power.simulator.run import simulate

__all__ = ["ShopConfig", "simulate"]
