"""The catalogue, plans and runs as pages that anybody on this machine may read."""

from .cache import Cache
from .catalog import catalog_routes
from .home import home_routes
from .library import Library
from .selection import Selection, selection_from

__all__ = ["Cache", "Library", "Selection", "catalog_routes", "home_routes", "selection_from"]
