"""Code in a dump that would run on live with rights which are not the customer's."""

import pytest
from scenarios.ground import Customer, Ground


def smuggled(dump: bytes, text: str) -> bytes:
    """The dump, whole, with something more in its body."""
    head, end, tail = dump.partition(b"/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */")
    assert end
    return head + text.encode() + b"\n" + end + tail


REFUSING = {"default": Ground.playbook.replace("swap: {", "swap: {privileged_definers: refuse, ")}
ROOT = "CREATE DEFINER=`root`@`localhost`"


@pytest.mark.parametrize(
    "attack",
    [
        f"{ROOT} PROCEDURE loot() SELECT * FROM mysql.global_priv;",
        pytest.param(f"{ROOT} VIEW loot AS SELECT * FROM orders;", marks=pytest.mark.long),
        pytest.param(
            f"{ROOT} TRIGGER loot BEFORE INSERT ON visits FOR EACH ROW SET NEW.who = USER();", marks=pytest.mark.long
        ),
        pytest.param(
            "CREATE DEFINER=`other`@`localhost` PROCEDURE loot() SELECT * FROM neighbour.t;", marks=pytest.mark.long
        ),
    ],
    ids=["procedure of root", "view of root", "trigger of root", "procedure of a neighbour"],
)
def test_a_dump_cannot_give_its_code_the_rights_of_others(ground: Ground, shop: Customer, attack: str) -> None:
    shop.sql("CREATE OR REPLACE USER other@localhost; GRANT SELECT ON neighbour.* TO other@localhost")
    point = shop.file(smuggled(shop.dump(), attack))
    with ground.untouched(), ground.configured(playbooks=REFUSING):
        words = ("restore", shop.database, "--point", point, "--yes")
        told = ground.refused(*words, code="preflight_refused", exit_code=9, says=["loot", "privileged_definers"])
        assert told["state"] == "failed"
    shop.sql("DROP USER other@localhost")


def test_what_root_owned_before_comes_back(ground: Ground, shop: Customer) -> None:
    """Untouched, a refusing playbook lets it pass; dropped, it comes back where that is accepted, and is named."""
    shop.sql("CREATE DEFINER=root@localhost VIEW totals AS SELECT SUM(amount) FROM orders")
    point = shop.file()
    shop.sql("DELETE FROM visits")
    with ground.configured(playbooks=REFUSING):
        answer = shop.restore("--point", point, "--yes")
    assert (answer.code, answer.json["state"]) == (0, "swapped"), answer
    shop.sql("DROP VIEW totals")
    waiting = shop.restore("--point", point)
    assert waiting.code == 6, waiting
    assert (
        "with rights beyond this database: view totals of root@localhost"
        in ground.house.ok("status", waiting.json["id"]).out
    )
    ground.house.ok("approve", waiting.json["id"])
    assert shop.live.one("SELECT definer FROM information_schema.views WHERE table_name = 'totals'") == "root@localhost"
