"""One relay between source and engine: hashes, counts, reports, and holds back the last chunk.

The last chunk leaves only after the source has ended well (exit code, size, digests). A source that dies in
the middle therefore raises inside the reader's iteration while the reader still lacks the end of its stream:
no half statement can take effect.
"""

import hashlib
from collections.abc import Iterator

from restorekit.errors import SourceDamaged
from restorekit.ports import Delivery, Watch

CHUNK = 1 << 20


class Relay:
    """Iterate once; afterwards `size_bytes`, `sha256` and `digests_held` are known."""

    def __init__(self, delivery: Delivery, watch: Watch, phase: str = "stage") -> None:
        """Relay `delivery`, reporting to `watch` under `phase`."""
        self._delivery = delivery
        self._watch = watch
        self._phase = phase
        self._hash = hashlib.sha256()
        self.size_bytes = 0
        self.digests_held = False

    @property
    def sha256(self) -> str:
        """Hex digest of what has passed so far."""
        return self._hash.hexdigest()

    def __iter__(self) -> Iterator[bytes]:
        """Chunks of up to 1 MiB; raises what the source raises, and SourceDamaged for a wrong size."""
        held = b""
        while chunk := self._delivery.read(CHUNK):
            self._watch.check()
            self._hash.update(chunk)
            self.size_bytes += len(chunk)
            self._watch.progress(self._phase, self.size_bytes, self._delivery.size)
            if held:
                yield held
            held = chunk
        self.digests_held = self._delivery.finish()
        self._check_size()
        if held:
            yield held

    def _check_size(self) -> None:
        expected = self._delivery.size
        if expected is not None and expected != self.size_bytes:
            msg = f"the source announced {expected} bytes and delivered {self.size_bytes}"
            raise SourceDamaged(msg, hint="Choose another recovery point; live is untouched.")
