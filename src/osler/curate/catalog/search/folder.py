"""The cache folder, without the cost of all settings where none is set.

A first answer on the command line waits for every import; that of the settings takes a fifth of
it. Where no ``osler.toml`` is there and a variable says nothing of it, the folder is the default or
the variable's, which needs none of that. Anything else is :func:`osler.settings.settings`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """``cache_dir`` of the settings; raises what :func:`osler.settings.settings` raises."""
    found = None if "osler.settings" in sys.modules else _plain()
    if found is not None:
        return found
    from osler.settings import settings

    return settings().cache_dir


def _plain() -> Path | None:
    """The folder where no file of settings has a say; None: ask the settings."""
    if sys.platform in ("win32", "darwin"):
        return None
    home = Path.home()
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    if Path("osler.toml").exists() or (config / "osler" / "osler.toml").exists():
        return None
    if "OSLER_CACHE_DIR" in os.environ:
        return Path(os.environ["OSLER_CACHE_DIR"])
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "osler"
