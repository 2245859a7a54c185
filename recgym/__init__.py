"""recgym: Gymnasium environments for recommendation whose simulated users are fitted from real logs.

Importing the package registers the environments and nothing more: no torch, no pandas, no numba, no matplotlib.
"""

from typing import TYPE_CHECKING, Any

from recgym import _interrupt as _interrupt  # first: Ctrl-C in the imports below ends in one line
from recgym.clash import refuse_clash as _refuse_clash
from recgym.envs import register_environments as _register_environments

if TYPE_CHECKING:
    from recgym.envs.counterfactuals import counterfactual

__all__ = ["__version__", "counterfactual"]
__version__ = "0.1.0"

_refuse_clash()
_register_environments()


def __getattr__(name: str) -> Any:
    """`counterfactual` is imported on use, so that the import stays light."""
    if name != "counterfactual":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from recgym.envs.counterfactuals import counterfactual

    return counterfactual
