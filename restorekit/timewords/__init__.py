"""Words + clock + zone → Resolution. Pure: an own small grammar of German and English, no I/O."""

from restorekit.timewords.echo import echo
from restorekit.timewords.resolving import resolve

__all__ = ["echo", "resolve"]
