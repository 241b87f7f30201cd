"""The catalogue, plans and runs as pages that anybody on this machine may read."""

from .cache import Cache
from .catalog import catalog_routes
from .holdings import Library
from .home import home_routes
from .plans import plan_routes
from .reports import run_routes
from .runs import RunFolders, holds_runs
from .selection import Selection, selection_from

__all__ = [
    "Cache",
    "Library",
    "RunFolders",
    "Selection",
    "catalog_routes",
    "holds_runs",
    "home_routes",
    "plan_routes",
    "run_routes",
    "selection_from",
]
