"""What the settings promise an operator: where a value comes from; a wrong one is named and not shown."""

import ipaddress
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import pytest

from customary.config import DEFAULTS, TABLE, Settings, load, rendered_docs, variable
from customary.shapes import ConfigurationError

CANARY = "canary-3f9a"
KEY = bytes(range(32))
KEY_HEX = KEY.hex()
KEY_BASE64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    return tmp_path


def _load(cwd: Path, environ: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    return load(environ or {}, overrides=overrides, cwd=cwd)


def _refusal(cwd: Path, environ: Mapping[str, str] | None = None, **overrides: object) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load(environ or {}, overrides=overrides, cwd=cwd)
    assert CANARY not in "".join(traceback.format_exception(caught.value))  # nor the causes that are shown
    assert CANARY not in f"{caught.value!r} {caught.value.public} {caught.value.detail} {vars(caught.value)}"
    return caught.value


def test_nothing_set_gives_the_defaults(cwd: Path) -> None:
    """Without any source the table's defaults hold, and paths lie in the working directory."""
    settings = _load(cwd)
    expected = {**DEFAULTS, "data": cwd / "customary-data"}
    assert msgspec.structs.asdict(settings) == expected
    assert settings.root_key_file == cwd / "customary-data" / "root.key"


def test_each_source_gives_way_to_the_one_before_it(cwd: Path) -> None:
    """Command line > variable > file named by the variable > customary.toml > default."""
    assert _load(cwd).port == 8080
    (cwd / "customary.toml").write_text("port = 1001\n")
    assert _load(cwd).port == 1001
    (cwd / "port").write_text(" 1002 \n")
    assert _load(cwd, {"CUSTOMARY_PORT_FILE": "port"}).port == 1002
    assert _load(cwd, {"CUSTOMARY_PORT": "1003"}).port == 1003
    assert _load(cwd, {"CUSTOMARY_PORT": "1003"}, port=1004).port == 1004
    assert _load(cwd, {"CUSTOMARY_PORT": "1003"}, port=None).port == 1003


def test_a_variable_and_its_file_together_are_refused(cwd: Path) -> None:
    """Nobody can tell which of the two was meant, even where the command line would win."""
    environ = {"CUSTOMARY_PORT": "1", "CUSTOMARY_PORT_FILE": CANARY}
    refusal = _refusal(cwd, environ, port=5)
    assert refusal.setting == "port"
    assert "CUSTOMARY_PORT and CUSTOMARY_PORT_FILE" in refusal.public


def test_an_empty_variable_is_not_set(cwd: Path) -> None:
    """Compose files pass empty variables for what nobody set; they also do not quarrel with a _FILE."""
    (cwd / "port").write_text("1002")
    environ = {"CUSTOMARY_PORT": "", "CUSTOMARY_PORT_FILE": "port", "CUSTOMARY_HOST": ""}
    assert _load(cwd, environ).port == 1002
    assert _load(cwd, environ).host == "127.0.0.1"


def test_every_setting_is_read_from_every_source(cwd: Path) -> None:
    """A setting that one source cannot give would be a hole in the table's promise."""
    samples: dict[str, tuple[str, object]] = {
        "data": ("elsewhere", cwd / "elsewhere"),
        "database_url": (
            "postgresql://c@a,b:5433/c?sslmode=require",
            b"postgresql://c@a,b:5433/c?sslmode=require",
        ),
        "database_pooler": ("true", True),
        "database_migrate": ("false", False),
        "durability": ("replicated", "replicated"),
        "host": ("::1", "::1"),
        "port": ("9000", 9000),
        "root_key": (KEY_HEX, KEY),
        "root_key_path": ("/run/root.key", Path("/run/root.key")),
        "root_key_command": ("pass show 'a key'", "pass show 'a key'"),
        "root_key_kms": ("alias/customary", "alias/customary"),
        "root_key_transit": ("https://vault:8200/transit/c-1", "https://vault:8200/transit/c-1"),
        "root_key_transit_token": ("hvs.x", b"hvs.x"),
        "root_key_previous": (KEY_HEX, KEY),
        "public_url": ("https://API.example.com:8443/", "https://api.example.com:8443"),
        "trusted_proxies": (
            "10.0.0.0/8, ::1",
            (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1/128")),
        ),
        "allow_clear_http": ("true", True),
        "trustly_not_found_status": ("400", 400),
        "trustly_masked_fields": ("taxId,personId", ("taxId", "personId")),
        "date_of_birth_guarded": ("on", True),
        "reason_required": ("yes", True),
        "presentations": ("basic", ("basic",)),
        "requests_per_minute": ("600", 600),
        "idempotency_hours": ("48", 48),
        "log_level": ("warning", "warning"),
        "log_format": ("text", "text"),
        "request_log": ("off", False),
        "metrics": ("false", False),
        "checkpoint_dir": ("witness", cwd / "witness"),
        "checkpoints_to_stdout": ("on", True),
        "audit_grace_seconds": ("0", 0),
        "shutdown_seconds": ("5", 5),
    }
    assert set(samples) == set(TABLE)
    for name, (text, expected) in samples.items():
        assert expected != DEFAULTS[name], name
        (cwd / "customary.toml").unlink(missing_ok=True)
        (cwd / "value").write_text(f"{text}\n")
        assert getattr(_load(cwd, {variable(name): text}), name) == expected
        assert getattr(_load(cwd, {variable(name) + "_FILE": "value"}), name) == expected
        assert getattr(load({}, overrides={name: text}, cwd=cwd), name) == expected
        assert getattr(load({}, overrides={name: expected}, cwd=cwd), name) == expected
        (cwd / "customary.toml").write_text(f'{name} = "{text}"\n')
        assert getattr(_load(cwd), name) == expected


def test_toml_values_have_their_own_types(cwd: Path) -> None:
    """In a file a number is a number, a switch a boolean and a list an array."""
    (cwd / "customary.toml").write_text(
        'port = 9000\nmetrics = false\ntrustly_not_found_status = 400\npresentations = ["hawk", "basic"]\n'
        "trusted_proxies = []\n"
    )
    settings = _load(cwd)
    assert (settings.port, settings.metrics, settings.trustly_not_found_status) == (9000, False, 400)
    assert settings.presentations == ("hawk", "basic")
    assert settings.trusted_proxies == ()


def test_no_variable_of_one_setting_is_another_ones() -> None:
    """``CUSTOMARY_ROOT_KEY_FILE`` and ``CUSTOMARY_ROOT_KEY_PATH`` are close; none means two things."""
    names = [form for name in TABLE for form in (variable(name), f"{variable(name)}_FILE")]
    assert len({*names, "CUSTOMARY_CONFIG"}) == 2 * len(TABLE) + 1


def test_the_root_key_is_read_in_each_form_and_never_printed(cwd: Path) -> None:
    """Hex, base64 and url-safe base64 give the same 32 bytes; a printed record of settings hides them."""
    url_safe = KEY_BASE64.rstrip("=").replace("+", "-").replace("/", "_")
    for text in (KEY_HEX, KEY_HEX.upper(), KEY_BASE64, url_safe):
        settings = _load(cwd, {"CUSTOMARY_ROOT_KEY": text})
        assert settings.root_key == KEY
        shown = f"{settings!r} {settings} {settings.root_key} {settings.root_key!r}"
        assert repr(KEY) not in shown
        assert KEY_HEX not in shown
    assert "Secret(...)" in repr(settings)


def test_an_unknown_name_is_refused_with_the_nearest_known_one(cwd: Path) -> None:
    """A misspelt setting would silently not hold; the message gives both names and no value."""
    refusal = _refusal(cwd, {"CUSTOMARY_PROT": CANARY})
    assert refusal.setting == "CUSTOMARY_PROT"
    assert "CUSTOMARY_PORT" in refusal.public
    assert "CUSTOMARY_ROOT_KEY_FILE" in _refusal(cwd, {"CUSTOMARY_ROOTKEY_FILE": CANARY}).public
    assert "log_level" in _refusal(cwd, loglevel=CANARY).public
    (cwd / "customary.toml").write_text(f'public_uri = "{CANARY}"\n')
    refusal = _refusal(cwd)
    assert (refusal.setting, refusal.source) == ("public_uri", "customary.toml")
    assert "public_url" in refusal.public


def test_variables_of_other_programs_are_none_of_ours(cwd: Path) -> None:
    """Only the prefix is judged, so a shared environment does not stop the server."""
    assert _load(cwd, {"PATH": "/bin", "CUSTOM": "x", "customary_port": "1"}).port == 8080


BAD: Mapping[str, Sequence[object]] = {
    "data": ["~/customary", "a\x00b", "a\nb"],
    "database_url": [
        CANARY,
        f"mysql://{CANARY}/c",
        f"postgresql:///{CANARY}",
        f"postgresql://h/c#{CANARY}",
        5,
    ],
    "database_pooler": [CANARY],
    "database_migrate": [CANARY],
    "durability": [CANARY, "", True],
    "host": ["", " ", f"{CANARY} x", "http://x"],
    "port": ["65536", "-1", "1_0", "８０", "80.0", CANARY, True, 80.0],
    "root_key": [CANARY, KEY_HEX[:-1], KEY_HEX + "00", KEY_BASE64[:-2] + "9=", KEY_BASE64 + "AAAA", b"short"],
    "root_key_path": ["~root/key", 5],
    "root_key_command": ["", "a\nb", 5],
    "root_key_kms": ["", "a\x00b"],
    "root_key_transit": [
        CANARY,
        f"https://vault/{CANARY}",
        f"https://vault/transit/{CANARY}?x",
        f"https://user@vault/transit/{CANARY}",
        f"ftp://vault/transit/{CANARY}",
        f"https://vault/transit/{CANARY}/..%2f",
    ],
    "root_key_transit_token": ["", f"{CANARY}\n"],
    "root_key_previous": [CANARY, KEY_HEX[:-1]],
    "public_url": [
        CANARY,
        f"ftp://{CANARY}",
        f"https://{CANARY}/path",
        f"https://user:{CANARY}@example.com",
        f"https://example.com?{CANARY}",
        "https://example.com?",
        "https://example.com:99999",
        "https://[::1",
        "https://",
    ],
    "trusted_proxies": [CANARY, "10.0.0.1/8", "10.0.0.0/8,,::1", [167772160], ",".join(["::1"] * 65)],
    "allow_clear_http": [CANARY, "2", 1.0],
    "trustly_not_found_status": ["401", True, CANARY],
    "trustly_masked_fields": ["nationalId", "taxId,name", "", []],
    "date_of_birth_guarded": [CANARY, 2],
    "reason_required": [CANARY, "maybe", 2],
    "presentations": ["", [], "hawk,digest", {"hawk": 1}],
    "requests_per_minute": ["-1", "10000001", CANARY],
    "idempotency_hours": ["0", CANARY],
    "log_level": ["INFO", "trace", CANARY],
    "log_format": ["yaml", CANARY],
    "request_log": [CANARY, 2],
    "metrics": [CANARY, 2],
    "checkpoint_dir": ["~/witness", 7],
    "checkpoints_to_stdout": [CANARY, "2"],
    "audit_grace_seconds": ["-1", "3601", CANARY],
    "shutdown_seconds": ["3601", CANARY],
}


def test_a_bad_value_is_refused_by_name_source_and_expectation(cwd: Path) -> None:
    """Every setting refuses what it cannot use, says what it expects, and shows no value."""
    assert set(BAD) == set(TABLE)
    for name, values in BAD.items():
        for value in values:
            refusal = _refusal(cwd, None, **{name: value})
            assert (refusal.setting, refusal.source) == (name, "command line")
            assert TABLE[name].shape.expected in refusal.public
            if isinstance(value, str) and value:
                refusal = _refusal(cwd, {variable(name): value})
                assert refusal.source == f"environment variable {variable(name)}"


def test_a_value_file_that_cannot_be_used_is_refused_without_its_path(cwd: Path) -> None:
    """The path may be a secret that went into the wrong variable, so the reason is given, the path not."""
    refusal = _refusal(cwd, {"CUSTOMARY_ROOT_KEY_FILE": CANARY})
    assert (refusal.setting, refusal.source) == ("root_key", "file named by CUSTOMARY_ROOT_KEY_FILE")
    assert "No such file" in refusal.public
    (cwd / "binary").write_bytes(b"\xff\xfe")
    assert "UTF-8" in _refusal(cwd, {"CUSTOMARY_ROOT_KEY_FILE": "binary"}).public
    (cwd / "big").write_bytes(b"x" * 65_537)
    assert "larger" in _refusal(cwd, {"CUSTOMARY_ROOT_KEY_FILE": "big"}).public
    assert "directory" in _refusal(cwd, {"CUSTOMARY_ROOT_KEY_FILE": "."}).public
    (cwd / "empty").write_text("\n")
    assert "64 hexadecimal" in _refusal(cwd, {"CUSTOMARY_ROOT_KEY_FILE": "empty"}).public


def test_a_broken_toml_is_refused_by_place(cwd: Path) -> None:
    """The parser's own message may quote the file, so only line and column are passed on."""
    (cwd / "customary.toml").write_text(f'port = 1\nhost = "{CANARY}\n')
    assert "line 2" in _refusal(cwd).public
    (cwd / "customary.toml").write_text(f"[[{CANARY}\n")
    assert _refusal(cwd).source == "customary.toml"
    (cwd / "customary.toml").write_bytes(b"\xff")
    assert "UTF-8" in _refusal(cwd).public


def test_the_file_may_be_elsewhere_but_must_then_exist(cwd: Path) -> None:
    """``CUSTOMARY_CONFIG`` names the file; a name that leads nowhere is a mistake, not an absence."""
    (cwd / "other.toml").write_text('port = 1005\ndata = "here"\n')
    settings = _load(cwd, {"CUSTOMARY_CONFIG": "other.toml"})
    assert (settings.port, settings.data) == (1005, cwd / "here")
    assert "No such file" in _refusal(cwd, {"CUSTOMARY_CONFIG": CANARY}).public


def test_a_strange_name_is_shown_harmlessly(cwd: Path) -> None:
    """A name nobody knows may hold control characters, or be very long; the terminal is spared both."""
    refusal = _refusal(cwd, {"CUSTOMARY_\x1b[31m": "1"})
    assert "\x1b" not in refusal.public
    assert len(_refusal(cwd, {"CUSTOMARY_" + "X" * 5000: "1"}).public) < 250


def test_the_documentation_is_made_from_the_table() -> None:
    """``docs/settings.md`` is what ``rendered_docs`` returns, and has a row for each setting."""
    checked_in = Path(__file__).parent.parent / "docs" / "settings.md"
    assert checked_in.read_text(encoding="utf-8") == rendered_docs(), (
        "write rendered_docs() to docs/settings.md"
    )
    for name in TABLE:
        assert f"\n| `{name}` | `{variable(name)}` |" in rendered_docs()
    rows = [line for line in rendered_docs().splitlines() if line.startswith("| `")]
    assert {line.count(" | ") for line in rows} == {4}


def test_settings_load_without_what_they_do_not_need() -> None:
    """A start is quick and layered: no TOML parser without a file, no dialect, no HTTP, no logging."""
    code = (
        "import sys; from pathlib import Path; from customary.config import load;"
        "load({}, overrides={}, cwd=Path('/nonexistent'));"
        "print([m for m in sys.modules if m in ('tomllib', 'difflib', 'logging', 'structlog', 'starlette')"
        " or m.startswith('customary.') and m not in ('customary.config', 'customary.shapes')"
        " and not m.startswith('customary.domain')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
