import pytest
from contract.source import SourceContract
from sources.s3_lab import Dumps, dumps, rclone_server

__all__ = ["dumps", "rclone_server"]


class TestS3(SourceContract):
    @pytest.fixture
    def lab(self, dumps: Dumps) -> Dumps:
        return dumps
