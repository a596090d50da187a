"""The commands that make tenants, merchants and keys: what they print, refuse and keep to themselves."""

import re
import stat

import pytest

from command_line import CommandLine


def test_the_first_tenant_makes_the_data_folder_and_says_so(line: CommandLine) -> None:
    """A fresh folder needs no server first; that a root key was made is said beside the result."""
    done = line("tenant", "create", "Acme Group", "--json")
    assert done.code == 0
    assert done.json["name"] == "Acme Group"
    assert "new root key" in done.err
    assert stat.S_IMODE((line.folder / "customary-data" / "root.key").stat().st_mode) == 0o600
    assert "root key" not in line("tenant", "create", "Another").err


def test_only_making_a_tenant_makes_a_data_folder(line: CommandLine) -> None:
    """A command that looks for something does not make an empty place to look in: that is exit code 3."""
    for command in (("tenant", "list"), ("key", "list"), ("customers", "list"), ("audit", "verify")):
        done = line(*command)
        assert done.code == 3
        assert "customary serve" in done.err
    assert not (line.folder / "customary-data").exists()


def test_data_may_be_named_by_option_or_variable(line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """--data goes before CUSTOMARY_DATA, which goes before the default."""
    line.made("tenant", "create", "In the option's", "--data", "here")
    monkeypatch.setenv("CUSTOMARY_DATA", "there")
    line.made("tenant", "create", "In the variable's")
    assert [one["name"] for one in line.made("tenant", "list")] == ["In the variable's"]
    assert [one["name"] for one in line.made("tenant", "list", "--data", "here")] == ["In the option's"]


def test_a_merchant_gets_the_id_it_was_given(line: CommandLine, tenant_id: str) -> None:
    """--merchant-id is 1 to 15 digits, and nobody else's."""
    create = ("merchant", "create", "Shop", "--tenant", tenant_id, "--merchant-id")
    assert line.made(*create, "1234")["merchantId"] == "1234"
    taken = line(*create, "1234")
    assert taken.code == 1
    assert "--merchant-id" in taken.err
    assert line(*create, "12a4").code == 1
    assert [one["merchantId"] for one in line.made("merchant", "list", "--tenant", tenant_id)] == ["1234"]


@pytest.mark.parametrize("unknown", ["0b1d3c52-6f0e-4b8c-9a77-2f6f3f0e9c11", "acme", "", "é"])
def test_an_unknown_tenant_is_refused_with_the_next_step(
    line: CommandLine, tenant_id: str, unknown: str
) -> None:
    """What is no tenant is refused, whatever it looks like, and the list of tenants is pointed to."""
    for command in (
        ("merchant", "create", "Shop", "--tenant", unknown),
        ("key", "create", "--scheme", "hmac", "--tenant", unknown),
        ("customers", "list", "--tenant", unknown),
        ("merchant", "list", "--tenant", unknown),
        ("key", "list", "--tenant", unknown),
        ("audit", "list", "--tenant", unknown),
    ):
        done = line(*command)
        assert done.code == 1
        assert "tenant list" in done.err


def test_a_key_is_printed_whole_once(line: CommandLine, tenant_id: str, merchant_id: str) -> None:
    """key create --json has all that a program needs; no other command prints a secret again."""
    made = line.made("key", "create", "--tenant", tenant_id, "--scheme", "basic")
    assert set(made) == {
        "keyId", "secret", "scheme", "tenantId", "merchantId", "permissions", "createdAt"
    }  # fmt: skip
    assert (made["scheme"], made["tenantId"], made["merchantId"]) == ("basic", tenant_id, merchant_id)
    assert made["permissions"] == ["create_customer", "read_customers", "update_customer"]
    shown = line("key", "create", "--tenant", tenant_id, "--scheme", "hmac")
    assert "this once" in shown.err
    for later in (line("key", "list"), line("key", "list", "--json"), line("audit", "list")):
        assert made["secret"] not in later.out + later.err
    assert made["keyId"] in [one["keyId"] for one in line.made("key", "list")]


def test_permissions_and_expiry_are_what_was_asked_for(line: CommandLine, tenant_id: str) -> None:
    """--permission may be repeated or take several; --expires-on is the last day on which the key works."""
    made = line.made(
        "key", "create", "--tenant", tenant_id, "--scheme", "hmac", "--expires-on", "2099-12-31",
        "--permission", "read_customers", "create_customer", "--permission", "read_customers:unmasked",
    )  # fmt: skip
    assert made["permissions"] == ["create_customer", "read_customers", "read_customers:unmasked"]
    assert made["expiresAt"] == "2100-01-01T00:00:00Z"
    assert made["merchantId"] is None


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (("--scheme", "basic"), 1),  # no merchant to belong to
        (("--scheme", "digest"), 2),
        (("--scheme", "hmac", "--permission", "everything"), 2),
        (("--scheme", "hmac", "--expires-on", "20991231"), 2),
        (("--scheme", "hmac", "--expires-on", "2099-02-30"), 2),
        (("--scheme", "hmac", "--expires-on", "9999-12-31"), 2),
        (("--scheme", "hmac", "--expires-on", "2001-01-01"), 1),
        (("--scheme", "hmac", "--merchant", "999"), 1),
        ((), 2),
    ],
)
def test_a_key_that_cannot_be_made_is_not(
    line: CommandLine, tenant_id: str, wrong: tuple[str, ...], code: int
) -> None:
    """Wrong usage is 2, a refusal 1, and nothing is stored either way."""
    done = line("key", "create", "--tenant", tenant_id, *wrong)
    assert done.code == code
    assert done.err
    assert line.made("key", "list") == []


def test_a_basic_key_needs_a_merchant_and_says_how_to_get_one(line: CommandLine, tenant_id: str) -> None:
    """Without a merchant the command that makes one is told; with several, the one that lists them."""
    wanted = ("key", "create", "--tenant", tenant_id, "--scheme", "basic")
    none_yet = line(*wanted)
    assert none_yet.code == 1
    assert len(none_yet.err.splitlines()) == 2
    assert f"customary merchant create 'Acme Shop' --tenant {tenant_id}" in none_yet.err
    for name in ("One", "Two"):
        line.made("merchant", "create", name, "--tenant", tenant_id)
    several = line(*wanted)
    assert several.code == 1
    assert f"`customary merchant list --tenant {tenant_id}`" in several.err


def test_a_key_that_cannot_touch_customers_says_so(
    line: CommandLine, tenant_id: str, merchant_id: str
) -> None:
    """A merchant's HMAC key is for payments unless told otherwise: a note says what that means today."""
    wanted = ("key", "create", "--tenant", tenant_id, "--scheme", "hmac")
    noted = line(*wanted, "--merchant", merchant_id)
    assert noted.code == 0
    assert "this key cannot touch customers; leave out --merchant for one that can" in noted.err
    asked_for = line(*wanted, "--permission", "read_payments")
    assert "cannot touch customers." in asked_for.err
    for fine in (wanted, (*wanted, "--merchant", merchant_id, "--permission", "read_customers")):
        assert "cannot touch" not in line(*fine).err


def test_the_help_tells_permissions_in_use_from_those_to_come(line: CommandLine) -> None:
    """Nobody should give a key a permission today that no route asks for, and think it does something."""
    told = " ".join(line("key", "create", "--help").out.replace("│", " ").split())
    in_use, _, to_come = told.partition("For routes to come:")
    for name in ("create_customer", "read_customers", "read_customers:unmasked", "update_customer"):
        assert re.search(rf"In use now:.*\b{name}\b", in_use)
        assert not re.search(rf"\b{name}\b", to_come)
    assert "create_payment" in to_come


def test_rotation_keeps_the_old_secret_for_the_overlap(line: CommandLine, tenant_id: str) -> None:
    """rotate prints a new secret for the same key; an overlap beyond a year is wrong usage."""
    made = line.made("key", "create", "--tenant", tenant_id, "--scheme", "hmac")
    rotated = line.made("key", "rotate", made["keyId"], "--overlap-hours", "1")
    assert rotated["keyId"] == made["keyId"]
    assert rotated["secret"] != made["secret"]
    assert line("key", "rotate", made["keyId"], "--overlap-hours", "9000").code == 2


def test_a_revoked_key_stays_revoked(line: CommandLine, tenant_id: str) -> None:
    """revoke can be repeated; a revoked key cannot be rotated; an unknown one is pointed to the list."""
    key_id = line.made("key", "create", "--tenant", tenant_id, "--scheme", "hmac")["keyId"]
    revoked = line.made("key", "revoke", key_id)
    assert revoked["revokedAt"]
    assert line.made("key", "revoke", key_id) == revoked
    assert line("key", "rotate", key_id).code == 1
    assert "revoked" in line("key", "list").out
    unknown = line("key", "revoke", "nobody's")
    assert unknown.code == 1
    assert "key list" in unknown.err


def test_names_cannot_steer_a_terminal(line: CommandLine) -> None:
    """Control characters are refused in names, and what is no text is refused as an argument."""
    assert line("tenant", "create", "red \x1b[31m").code == 1
    assert line("tenant", "create", "").code == 1
    assert line("key", "revoke", "\udcff").code == 2
