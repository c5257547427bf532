"""What every catalog must do, whatever it keeps its tables in. A subclass gives `store` and `clock`."""

from collections.abc import Iterator

import pytest
from contract.catalog_past import Pasts
from contract.catalog_points import Names, Owners, Points
from contract.catalog_runs import Approvals, Cancelling, Life, Parts, Requests, Undoing
from contract.catalog_values import act, nothing, request


class CatalogContract(Points, Owners, Names, Requests, Life, Approvals, Cancelling, Undoing, Parts, Pasts):
    """All of it. Give `store` and `clock` (with `tick()`)."""

    @pytest.fixture
    def run_id(self, store) -> Iterator[str]:
        return store.request(request(), (), act("restore"), nothing)
