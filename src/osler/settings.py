"""All settings in one place: ``osler.toml`` and ``OSLER_*`` variables.

From strongest to weakest: arguments, ``OSLER_*`` environment variables, ``osler.toml`` in the
working folder, ``osler/osler.toml`` in the user's configuration folder, the defaults below.
Never imported by ``import osler``.
"""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from osler.core import BadFileError, InputError, UnknownNameError


def _user_folder(variable: str, unix: str, mac: str) -> Path:
    if os.environ.get(variable):
        return Path(os.environ[variable]) / "osler"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData/Local")) / "osler"
    return Path.home() / (mac if sys.platform == "darwin" else unix) / "osler"


def user_config_dir() -> Path:
    """Folder of the user's ``osler.toml`` and ``prices.toml``."""
    return _user_folder("XDG_CONFIG_HOME", ".config", "Library/Application Support")


def user_cache_dir() -> Path:
    """Default of ``cache_dir``."""
    return _user_folder("XDG_CACHE_HOME", ".cache", "Library/Caches")


class Settings(BaseSettings):
    """Every setting, with its default; each field is also the variable ``OSLER_<FIELD>``."""

    model_config = SettingsConfigDict(env_prefix="OSLER_", extra="forbid")

    offline: bool = Field(False, description="Refuse to reach any host but this machine.")
    cache_dir: Path = Field(
        default_factory=user_cache_dir, description="Downloads, trained heads, cached replies."
    )
    embedded_dir: Path | None = Field(
        None, description="Folder with your own copies of the embedded weight files."
    )
    runs_dir: Path = Field(Path("runs"), description="Where runs without --out are written.")
    price_file: Path | None = Field(
        None,
        description="Prices that add to or replace Osler's own (default: prices.toml in "
        "the user's configuration folder, if there).",
    )
    concurrency: int = Field(16, ge=1, le=1024, description="Requests in flight at once.")
    rpm: float | None = Field(None, gt=0, description="Requests a minute, at most.")
    tpm: float | None = Field(None, gt=0, description="Tokens a minute, at most.")
    timeout_s: float = Field(120.0, gt=0, description="Seconds to wait for one reply.")
    connect_timeout_s: float = Field(10.0, gt=0, description="Seconds to wait for a connection.")
    max_attempts: int = Field(5, ge=1, description="Attempts of one call before it has failed.")
    backoff_s: float = Field(
        0.5, ge=0, description="First wait after a failure; doubles each time."
    )
    max_wait_s: float = Field(60.0, gt=0, description="Longest wait between two attempts.")
    reuse_replies: bool = Field(
        False, description="Take equal calls from the reply cache shared by all runs."
    )
    confirm_usd: float = Field(5.0, ge=0, description="Ask before a run estimated above this.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        files = [user_config_dir() / "osler.toml", Path("osler.toml")]
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, files)


def settings(**overrides: Any) -> Settings:
    """The settings as they stand now; ``overrides`` that are None are ignored.

    Raises
    ------
    InputError
        For a value out of range, a file that is not TOML, or a name that is no setting.
    """
    try:
        return Settings(**{k: v for k, v in overrides.items() if v is not None})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise BadFileError(
            "osler.toml", f"is not valid TOML ({error})", "mend or remove it"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise UnknownNameError("setting", name, Settings.model_fields) from error
        raise InputError(
            f"setting {name} (OSLER_{name.upper()} or osler.toml): {first['msg'].lower()}, "
            f"got {first.get('input')!r}"
        ) from error
