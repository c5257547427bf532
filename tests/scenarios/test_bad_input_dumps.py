"""Dumps that are not what they should be: cut, empty, or made to do something else than hold a database."""

from collections.abc import Iterator

import pytest
from scenarios.ground import DAMAGE, Customer, Ground
from servers.mariadb import LiveServer


@pytest.fixture(scope="module")
def ground(live: LiveServer) -> Iterator[Ground]:
    with Ground.open(live) as ground:
        yield ground


@pytest.fixture
def shop(ground: Ground) -> Iterator[Customer]:
    with ground.shop() as shop:
        yield shop


def cut_at_statement(dump: bytes) -> bytes:
    """Everything before the last table: loads with exit code 0 into any client."""
    return dump[: dump.index(b"DROP TABLE IF EXISTS `visits`")]


def cut_after_bracket(dump: bytes) -> bytes:
    """In a list of rows, between two of them."""
    return dump[: dump.index(b"),\n(", dump.index(b"INSERT INTO `orders`")) + 1]


def cut_in_string(dump: bytes) -> bytes:
    return dump[: dump.index(b"Neill")]


@pytest.mark.parametrize(
    ("cut", "code"),
    [
        (cut_at_statement, "proof_failed"),
        (cut_after_bracket, "dump_incomplete"),
        (cut_in_string, "dump_incomplete"),
    ],
)
def test_cut(ground: Ground, shop: Customer, cut, code: str) -> None:
    point = shop.snapshot(cut(shop.dump()))
    shop.sql(DAMAGE)
    with ground.untouched():
        ground.refused("restore", shop.database, "--point", point, "--yes", code=code, exit_code=5)
