"""The catalog's contract, on SQLite and PostgreSQL."""

from contract.catalog import CatalogContract


class TestCatalog(CatalogContract):
    pass
