"""The commands that look after an installation: the audit trail's, and the doctor."""

import os
from collections.abc import Generator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest

from command_line import CommandLine
from customary.app.ports import MarkUsed
from customary.bootstrap.house import House
from customary.cli import checks
from customary.config import Settings
from processes import ended


def found(line: CommandLine, check: str, state: str) -> list[str]:
    """Return what the doctor found in one check, in one state."""
    report = line("doctor", "--json").json
    return [one["what"] for one in report["findings"] if (one["check"], one["state"]) == (check, state)]


def test_the_trail_is_listed_in_order_and_in_parts(line: CommandLine, tenant_id: str) -> None:
    """Entries are numbered; --after and --limit cut out a part; --tenant leaves out the others'."""
    line.made("merchant", "create", "Shop", "--tenant", tenant_id)
    other = line.made("tenant", "create", "Other")["tenantId"]
    leaves = line.made("audit", "list")
    assert [one["action"] for one in leaves] == ["tenant.created", "merchant.created", "tenant.created"]
    assert [one["number"] for one in leaves] == [1, 2, 3]
    assert line.made("audit", "list", "--after", "1", "--limit", "1") == leaves[1:2]
    assert line.made("audit", "list", "--tenant", other) == leaves[2:]
    assert line.made("audit", "list", "--after", "3") == []
    assert line("audit", "list").out.count("\n") == 3
    assert line("audit", "list", "--limit", "0").code == 2


def test_a_condition_that_nothing_can_meet_is_refused(line: CommandLine, merchant_id: str) -> None:
    """An empty list says that nothing happened: so it must not come of a misspelt action, or another id."""
    assert line("audit", "list", "--action", "customer.deleted").code == 2
    (line.folder / "one.json").write_text('{"fullName": "Ann"}')
    line.made("customers", "import", "one.json")
    (made,) = line.made("customers", "list")
    expected = line.made("audit", "list", "--customer", made["id"])
    assert [entry["action"] for entry in expected] == ["customer.created"]
    for spelling in ("customerNumber", "guid"):
        assert line.made("audit", "list", "--customer", made[spelling]) == expected


def test_an_untouched_trail_is_intact(line: CommandLine, tenant_id: str) -> None:
    """verify counts what it looked at, and says what no server has sealed yet."""
    report = line.made("audit", "verify")
    with House(Settings(data=Path("customary-data"))) as house:
        assert report.pop("publicKey") == house.unsealed.trail_public_key.hex()
        assert line("audit", "public-key").out == house.unsealed.trail_public_key.hex() + "\n"
    assert report == {
        "intact": True, "leaves": 1, "blocks": 0, "unsealed": 1, "checkpoints": 0, "flawCount": 0,
        "flaws": [], "notes": [],
    }  # fmt: skip
    assert "intact" in line("audit", "verify").out


def test_a_new_installation_is_healthy_but_for_its_key_beside_the_data(
    line: CommandLine, merchant_id: str
) -> None:
    """The doctor exits 0 with a note that the root key lies beside the data, and changes nothing."""
    before = {path: path.read_bytes() for path in Path("customary-data").glob("*.db")}
    done = line("doctor", "--json")
    assert done.code == 0
    assert done.json["healthy"] is True
    assert found(line, "root key", "advice") == [
        "it lies beside the data, so whoever copies the folder can open it"
    ]
    assert {one["check"] for one in done.json["findings"]} == {
        "settings", "folder", "root key", "files", "disk", "server", "network", "database", "schema", "clock",
        "keys", "records",
    }  # fmt: skip
    assert {path: path.read_bytes() for path in Path("customary-data").glob("*.db")} == before
    assert "All is well" in line("doctor").out


def test_a_key_kept_elsewhere_needs_no_note(
    line: CommandLine, merchant_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the root key in another folder there is nothing left to say."""
    Path("elsewhere").mkdir(mode=0o700)
    Path("customary-data/root.key").rename("elsewhere/root.key")
    monkeypatch.setenv("CUSTOMARY_ROOT_KEY_PATH", "elsewhere/root.key")
    assert found(line, "root key", "advice") == []
    assert line("doctor").code == 0


def _open_key(line: CommandLine) -> None:
    Path("customary-data/root.key").chmod(0o644)


def _open_folder(line: CommandLine) -> None:
    Path("customary-data").chmod(0o755)


def _open_database(line: CommandLine) -> None:
    Path("customary-data/customary.db").chmod(0o640)


def _lost_key(line: CommandLine) -> None:
    Path("customary-data/root.key").unlink()


def _strange_key(line: CommandLine) -> None:
    Path("customary-data/root.key").write_text(os.urandom(32).hex())


def _lost_database(line: CommandLine) -> None:
    Path("customary-data/keys.db").unlink()


def _damaged_database(line: CommandLine) -> None:
    with Path("customary-data/customary.db").open("r+b") as file:
        file.write(b"no database at all")


def _misspelt_setting(line: CommandLine) -> None:
    Path("customary.toml").write_text("prot = 8080\n")


@pytest.mark.parametrize(
    ("harm", "check", "remedy"),
    [
        (_open_key, "root key", "chmod 600"),
        (_open_folder, "folder", "chmod 700"),
        (_open_database, "files", "chmod 600"),
        (_lost_key, "root key", "bring it back"),
        (_strange_key, "root key", "bring back the key"),
        (_lost_database, "database", "restore"),
        (_damaged_database, "database", "restore"),
        (_misspelt_setting, "settings", "docs/settings.md"),
    ],
)
def test_what_is_wrong_is_found_with_what_to_do(
    line: CommandLine, merchant_id: str, harm: Any, check: str, remedy: str
) -> None:
    """Each harm is a problem of its check, says what to do, and makes the exit code 1."""
    harm(line)
    done = line("doctor", "--json")
    assert done.code == 1
    assert done.json["healthy"] is False
    problems = [one for one in done.json["findings"] if one["state"] == "problem"]
    assert [one["check"] for one in problems] == [check]
    assert remedy in problems[0]["next"]
    assert "To act on: 1" in line("doctor").out


def test_a_place_for_checkpoints_that_is_gone_is_not_blamed_on_the_root_key(
    line: CommandLine, tenant_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is told to bring back a key might do so."""
    monkeypatch.setenv("CUSTOMARY_CHECKPOINT_DIR", str(line.folder / "unmounted"))
    done = line("doctor", "--json")
    assert done.code == 1
    (problem,) = [one for one in done.json["findings"] if one["state"] == "problem"]
    assert problem["check"] == "checkpoints"
    assert "unmounted" in problem["what"]
    assert "CUSTOMARY_CHECKPOINT_DIR" in problem["next"]
    (line.folder / "one.json").write_text('{"fullName": "Ann"}')
    monkeypatch.delenv("CUSTOMARY_CHECKPOINT_DIR")
    line.made("merchant", "create", "Shop", "--tenant", tenant_id)
    line.made("customers", "import", "one.json")
    line.made("erasure", "execute", line.made("customers", "list")[0]["id"])
    monkeypatch.setenv("CUSTOMARY_CHECKPOINT_DIR", str(line.folder / "unmounted"))
    problems = [
        one["check"] for one in line("doctor", "--json").json["findings"] if one["state"] == "problem"
    ]
    assert problems == ["checkpoints", "store"], "nor where a copy of the erasure ledger should be there, too"


def test_no_folder_is_a_finding_and_not_made(line: CommandLine) -> None:
    """The doctor looks at a place where there is nothing, says how to begin, and leaves nothing behind."""
    done = line("doctor")
    assert done.code == 1
    assert "serve" in done.out
    assert not Path("customary-data").exists()


def test_a_key_that_ends_soon_is_told(line: CommandLine, tenant_id: str) -> None:
    """Two weeks before a key's last day its owner can make another."""
    today = datetime.now(UTC).date().isoformat()
    made = line.made("key", "create", "--tenant", tenant_id, "--scheme", "hmac", "--expires-on", today)
    (told,) = found(line, "keys", "advice")
    assert told == f"{made['keyId']} works until {made['expiresAt']}"


def test_a_stranger_root_key_is_refused_by_every_command(line: CommandLine, merchant_id: str) -> None:
    """Nothing is opened, shown or made under a root key that is not the folder's."""
    _strange_key(line)
    place = str(line.folder / "customary-data" / "root.key")
    for command in (("tenant", "list"), ("tenant", "create", "X"), ("customers", "list")):
        done = line(*command)
        assert done.code == 1
        assert place in done.err
        assert "bring back the key" in done.err
    served = ended("serve", "--port", "0", folder=line.folder)  # it changes its process's log for good
    assert served.returncode == 1
    assert place in served.stderr
    _lost_key(line)
    for command in (("tenant", "list"), ("tenant", "create", "X")):
        assert line(*command).code == 3
    assert not Path("customary-data/root.key").exists()


def test_a_clock_behind_the_store_is_found(line: CommandLine, tenant_id: str) -> None:
    """What was stored cannot have happened in the future: then the clock has gone back."""
    key_id = line.made("key", "create", "--tenant", tenant_id, "--scheme", "hmac")["keyId"]

    def used() -> Generator[Any, Any, None]:
        yield MarkUsed(((tenant_id, key_id, datetime.now(UTC) + timedelta(minutes=5)),))

    with House(Settings(data=Path("customary-data"))) as house:
        house.engine.perform_now([used])
    assert found(line, "clock", "problem") == ["it is behind what is stored"]


def test_a_disk_that_fills_up_is_told_in_time(
    line: CommandLine, tenant_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First comes a note, then a problem."""
    monkeypatch.setattr(checks, "DISK_BYTES_ADVISED", 1 << 62)
    assert found(line, "disk", "advice")
    monkeypatch.setattr(checks, "DISK_BYTES_MIN", 1 << 62)
    assert found(line, "disk", "problem")


def test_clear_http_is_noted(line: CommandLine, tenant_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has allowed secrets to travel in clear is reminded of it."""
    assert found(line, "network", "fine")
    monkeypatch.setenv("CUSTOMARY_HOST", "0.0.0.0")
    monkeypatch.setenv("CUSTOMARY_ALLOW_CLEAR_HTTP", "true")
    assert found(line, "network", "advice")


def test_the_network_is_judged_as_the_server_judges_it(
    line: CommandLine, tenant_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every loopback address is one, and without Basic credentials nothing is sent in clear."""
    monkeypatch.setenv("CUSTOMARY_ALLOW_CLEAR_HTTP", "true")
    monkeypatch.setenv("CUSTOMARY_HOST", "127.8.9.10")
    assert found(line, "network", "fine")
    monkeypatch.setenv("CUSTOMARY_HOST", "0.0.0.0")
    monkeypatch.setenv("CUSTOMARY_PRESENTATIONS", "hawk")
    assert found(line, "network", "fine")


def test_a_record_that_does_not_open_is_found(line: CommandLine, tenant_id: str, merchant_id: str) -> None:
    """Some customers of each tenant are opened: a broken one is named by its id, and by nothing else."""
    Path("in.ndjson").write_text(
        "".join(f'{{"firstName": "canary", "orgId": "b{number}"}}\n' for number in range(9))
    )
    line.made("customers", "import", "in.ndjson")
    line.made("tenant", "create", "Without customers")
    assert found(line, "records", "fine") == ["9 of 9 were looked at, and open"]
    leaves = len(line.made("audit", "list"))
    customer_id = line.made("customers", "list", "--tenant", tenant_id)[4]["id"]
    with closing(apsw.Connection("customary-data/customary.db")) as connection:
        connection.execute(
            "UPDATE customers SET merchant_no = merchant_no + 1 WHERE customer_id = ?", (customer_id,)
        )
    done = line("doctor", "--json")
    assert done.code == 1
    (told,) = found(line, "records", "problem")
    assert customer_id in told
    assert "canary" not in done.out
    assert len(line.made("audit", "list")) == leaves


def test_schema_steps_that_wait_are_told_and_not_taken(line: CommandLine, tenant_id: str) -> None:
    """The doctor says that the next start will change the schema, and leaves it to that start."""
    with closing(apsw.Connection("customary-data/customary.db")) as connection:
        connection.execute("DELETE FROM schema_migrations WHERE number = 1")
        left = connection.execute("SELECT count(*) FROM schema_migrations").get
        assert found(line, "schema", "advice") == ["1 steps are not taken yet"]
        assert connection.execute("SELECT count(*) FROM schema_migrations").get == left


def test_the_doctor_makes_no_root_key(line: CommandLine) -> None:
    """A folder that was made and never used gets its key from the first start, not from a look at it."""
    with House(Settings(data=Path("customary-data"))):
        Path("customary-data/root.key").unlink()
    with closing(apsw.Connection("customary-data/customary.db")) as connection:
        connection.execute("DELETE FROM meta WHERE name IN ('root_keys', 'house_keys')")
    assert line("doctor").code == 1
    assert not Path("customary-data/root.key").exists()
