"""What the words of an S3 service mean. One table; new codes go here.

A message of the service is never shown: some services repeat the request, keys included, in it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from restorekit.errors import (
    ConfigError,
    PointExpired,
    RestorekitError,
    SourceDamaged,
    SourceUnavailable,
)

_ANOTHER = "Choose another recovery point; live is untouched."
_LATER = "Is the endpoint reachable from here? Try again; live is untouched."
_RIGHTS = "Check the credentials and that they allow s3:ListBucket and s3:GetObject here."
_FROZEN = "It has to be thawed, perhaps once more: ask for the restore again. Live is untouched."
Told = tuple[type[RestorekitError], str, str]

_GONE: Told = (PointExpired, "the object is no longer in the bucket", _ANOTHER)
_KEYS: Told = (ConfigError, "the credentials are refused", _RIGHTS)
_STALE: Told = (SourceUnavailable, "the temporary credentials have expired", "They are read anew at the next attempt.")
_BUSY: Told = (SourceUnavailable, "the service cannot answer now", _LATER)
_BUCKET: Told = (SourceUnavailable, "there is no such bucket", "Check bucket, endpoint and region.")
_ELSEWHERE: Told = (ConfigError, "the bucket is in another region", "Set `region`.")
_BY_CODE: dict[str, Told] = {
    "NoSuchKey": _GONE,
    "NoSuchVersion": _GONE,
    "MethodNotAllowed": _GONE,  # a delete marker was asked for
    "404": _GONE,
    "405": _GONE,
    "PreconditionFailed": (PointExpired, "the object is no longer the one that was scanned", _ANOTHER),
    "412": (PointExpired, "the object is no longer the one that was scanned", _ANOTHER),
    "InvalidRange": (SourceDamaged, "the object is shorter than it was said to be", _ANOTHER),
    "416": (SourceDamaged, "the object is shorter than it was said to be", _ANOTHER),
    "InvalidObjectState": (SourceUnavailable, "the object rests in cold storage", _FROZEN),
    "NoSuchBucket": _BUCKET,
    "PermanentRedirect": _ELSEWHERE,
    "301": _ELSEWHERE,
    "AuthorizationHeaderMalformed": _ELSEWHERE,
    "AccessDenied": _KEYS,
    "403": _KEYS,
    "InvalidAccessKeyId": _KEYS,
    "SignatureDoesNotMatch": _KEYS,
    "AccountProblem": _KEYS,
    "InvalidToken": _KEYS,
    "ExpiredToken": _STALE,
    **dict.fromkeys(("RequestTimeout", "408", "429", "TooManyRequests", "OperationAborted", "409"), _BUSY),
    "RequestTimeTooSkewed": (SourceUnavailable, "this machine's clock is wrong", "Set the clock: `timedatectl`."),
}
_BY_KIND: tuple[tuple[tuple[type[Exception], ...], Told], ...] = (
    (
        (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError),
        (ConfigError, "there are no credentials", "Set credentials_file or credentials_command."),
    ),
    (
        (boto.ProfileNotFound, boto.ParamValidationError, boto.NoRegionError, boto.InvalidRegionError),
        (ConfigError, "the settings cannot be used", "Check bucket, endpoint, region and profile."),
    ),
    (
        (boto.FlexibleChecksumError, boto.ChecksumError),
        (SourceDamaged, "what came does not have its own checksum", _ANOTHER),
    ),
    (
        (boto.IncompleteReadError, boto.ResponseStreamingError, boto.ReadTimeoutError),
        (SourceUnavailable, "the connection broke in the middle", _LATER),
    ),
    ((ResponseParserError,), (SourceUnavailable, "what answers there does not speak S3", "Check `endpoint`.")),
)
_REFUSED: Told = (ConfigError, "the service refuses the request", "Check the settings, and rights to keys of KMS, too.")
_SILENT: Told = (SourceUnavailable, "the service does not answer", _LATER)
EXPLAINED = (boto.ClientError, boto.BotoCoreError, ResponseParserError)


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Inside, errors of boto become those of the house; `where` begins the sentence."""
    try:
        yield
    except EXPLAINED as error:
        raised, sentence, hint = _told(error)
        raise raised(f"{where}: {sentence}", hint=hint, details=(f"S3: {code_of(error)}",)) from error


def code_of(error: Exception) -> str:
    """The service's code (`NoSuchKey`), or the name of what went wrong on the way to it."""
    if isinstance(error, boto.ClientError):
        return str(error.response.get("Error", {}).get("Code", "")) or "unknown"
    return type(error).__name__


def _told(error: Exception) -> Told:
    if isinstance(error, boto.ClientError):
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))
        return _BY_CODE.get(code_of(error), _REFUSED if 400 <= status < 500 else _BUSY)
    return next((told for kinds, told in _BY_KIND if isinstance(error, kinds)), _SILENT)
