"""How every command begins, and how one ends that cannot do what it should."""

from typing import NoReturn

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

from polling_api import logs
from polling_api.settings import Settings


def read_settings() -> Settings:
    """Read the settings and set up logging; a setting that is wrong ends the command, without a traceback."""
    try:
        settings = Settings()
    except ValidationError as error:
        fail("\n".join(f"POLLING_{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}." for e in error.errors()))
    except SettingsError as error:
        fail(f"{error}. Lists are written as JSON.")
    logs.configure(settings.log_format, settings.log_level)
    return settings


def fail(message: str, status: int = 2) -> NoReturn:
    """End the command with a sentence on standard error: 2 where it was given wrongly, 1 where it cannot be done."""
    typer.secho(message, err=True, fg=typer.colors.RED)
    raise typer.Exit(status)
