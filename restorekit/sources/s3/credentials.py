"""Keys to a bucket, read anew for each client: they may be rotated, and are kept nowhere else."""

import configparser
import json
import shlex
from pathlib import Path
from typing import NamedTuple

from restorekit import shell
from restorekit.errors import ConfigError, SourceUnavailable, Temporary
from restorekit.sources.s3.settings import S3Settings

_NAMES = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
_JSON = dict(zip(("AccessKeyId", "SecretAccessKey", "SessionToken"), _NAMES, strict=True))


class Credentials(NamedTuple):
    """An access key; `token` only for temporary ones."""

    key: str
    secret: str
    token: str | None

    def __repr__(self) -> str:
        """Nothing that opens anything."""
        return "Credentials(***)"


def credentials(settings: S3Settings, base: Path) -> Credentials | None:
    """What file or command say, or None where the environment or the machine's role is to be asked.

    Raises ConfigError for what cannot be read or understood, SourceUnavailable when the command fails.
    """
    if settings.credentials_file is not None:
        path = base / settings.credentials_file
        return _understood(_content(path), settings.profile, str(path))
    if settings.credentials_command is not None:
        return _understood(_said(settings.credentials_command), settings.profile, "credentials_command")
    return None


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(f"the credentials file {path} cannot be read: {reason}") from error


def _said(command: str) -> str:
    try:
        done = shell.run(shell.Spec(shlex.split(command)), timeout_s=60)
    except Temporary as failed:
        text = "the credentials command did not answer"
        raise SourceUnavailable(text, hint="Try credentials_command by hand.") from failed
    if done.returncode != 0:
        text = f"the credentials command ended with code {done.returncode}"
        raise SourceUnavailable(text, hint="Try credentials_command by hand; is the vault reachable?")
    return done.stdout.decode("utf-8", "replace")


def _understood(text: str, profile: str, where: str) -> Credentials:
    """Without causes: the words of a parser repeat the line they do not like."""
    told = _of_json(text) if text.lstrip().startswith("{") else _of_ini(text, profile)
    key, secret, token = (told.get(name, "") for name in _NAMES)
    if not key or not secret:
        text = f"{where} names no access key with its secret for profile {profile!r}"
        raise ConfigError(text, hint="aws_access_key_id and aws_secret_access_key in an INI, or JSON.")
    return Credentials(key, secret, token or None)


def _of_json(text: str) -> dict[str, str]:
    try:
        told = json.loads(text)
    except ValueError:
        return {}
    return {_JSON[k]: v for k, v in told.items() if k in _JSON and isinstance(v, str)}


def _of_ini(text: str, profile: str) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None, default_section="\0")
    try:
        parser.read_string(text)
    except configparser.Error:
        return {}
    name = next((s for s in (profile, f"profile {profile}") if parser.has_section(s)), None)
    return dict(parser.items(name)) if name else {}
