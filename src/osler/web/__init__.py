"""The web application: people review what the router sent them."""

from .app import create_app

__all__ = ["create_app"]
