"""recgym: Gymnasium environments for recommendation whose simulated users are fitted from real logs.

Importing the package registers the environments and nothing more: no torch, no pandas, no numba, no matplotlib.
"""

from recgym import _interrupt as _interrupt  # first: Ctrl-C in the imports below ends in one line
from recgym.clash import refuse_clash as _refuse_clash
from recgym.envs import register_environments as _register_environments

__version__ = "0.1.0"

_refuse_clash()
_register_environments()
