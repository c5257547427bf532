"""Words + clock + zone → Resolution. Pure: the own small grammar of German and English, no I/O."""

from restorekit.timewords.resolving import resolve

__all__ = ["resolve"]
