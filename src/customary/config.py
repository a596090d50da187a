"""Every setting of the server, in one table, and the one way in which they are read.

The table is the class :class:`Settings`: a field's name, type, default and its :class:`Setting` are all there
is to know about it; the environment variables' names, ``docs/settings.md`` and the refusals are derived.
A value is taken from the first of: the command line, ``CUSTOMARY_NAME``, the file named by
``CUSTOMARY_NAME_FILE``, ``customary.toml``, the default. A name that nobody knows is refused, because a
misspelt setting is a setting that silently does not hold.

This module must never know what the settings are used for, must never put a value into a message (a secret in
the wrong variable would be printed), and reads no clock and no environment but the one it is given.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_type_hints

import msgspec

from customary.shapes import (
    DATABASE,
    HOST,
    KEY,
    NETWORKS,
    ORIGIN,
    PATH,
    SWITCH,
    TEXT,
    TOKEN,
    TRANSIT_KEY,
    ConfigurationError,
    Network,
    Secret,
    Shape,
    one_of,
    some_of,
    whole,
)

PREFIX = "CUSTOMARY_"
FILE_NAME = "customary.toml"
FILE_VARIABLE = "CUSTOMARY_CONFIG"
FILE_BYTES_MAX = 65_536

Presentation = Literal["hawk", "hmac-sha256", "basic"]
MaskedField = Literal["taxId", "nationalId", "personId", "driverLicense.number", "dateOfBirth"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["json", "text"]


class Setting(msgspec.Struct, frozen=True):
    """What the table says of a field beside its name, type and default."""

    shape: Shape
    doc: str
    secret: bool = False


MASKED = some_of("taxId", "nationalId", "personId", "driverLicense.number", "dateOfBirth", needs="taxId")
PRESENTED = some_of("hawk", "hmac-sha256", "basic")

ROOT_KEY = """Root key that seals all other keys; where it is given, no key file is read. Its `_FILE` variant,
`CUSTOMARY_ROOT_KEY_FILE`, names a file with the key in this text form, such as a mounted secret."""
ROOT_KEY_PATH = """Key file that the server makes on its first start; not set: `root.key` in the data folder.
Not to be confused with `CUSTOMARY_ROOT_KEY_FILE`, which belongs to `root_key` and never makes a file."""
PREVIOUS = """Root key that the data were sealed with before, needed while `customary keys rotate root` goes
over to another one; see [keys](keys.md)."""
COMMAND = "Command that prints the root key, such as `pass show customary/root`; it is run without a shell."
KMS = """Id, alias or ARN of the AWS KMS key that locks the root key, which then lies locked in the key file
(`root.key.locked` in the data folder); needs `pip install 'customary[aws]'`."""
TRANSIT = """Key of the transit engine of HashiCorp Vault or OpenBao that locks the root key, as
`https://vault.example.com:8200/transit/customary`; the root key then lies locked in the key file
(`root.key.locked` in the data folder)."""
DATABASE_URL = """PostgreSQL, 15 or newer, in place of the file in the data folder; see
[PostgreSQL](postgresql.md). Several hosts may be named, and `sslmode` and `target_session_attrs` be given."""
POOLER = """A pooler in transaction mode (PgBouncer) stands before `database_url`: nothing outlives a
transaction, and no statement is prepared."""
DURABILITY = """What an acknowledged write survives: `local`, a crash of the database; `replicated`, the loss
of its host, too: nothing is acknowledged unless commits wait for a standby (`synchronous_standby_names`)."""
PUBLIC_URL = """Scheme, host and port as clients see them when a proxy stands in front,
e.g. `https://api.example.com`; signatures are verified against it."""
CLEAR_HTTP = "Start although Basic credentials would travel unencrypted to an address that is not loopback."
NOT_FOUND = "HTTP status with which the Trustly API answers for a customer that it does not have."
BIRTH = "Guard the date of birth as tax ids are, in all APIs and commands."
REASON = "Show guarded fields in clear only to those who give a reason (`X-Reason`, `--reason`)."
CHECKPOINT_DIR = """Folder to which signed checkpoints of the audit trail are appended: outside the data
folder, best on another machine. It must be there."""
AUDIT_GRACE = """Seconds for which the audit trail, its checkpoints included, may fail to be kept before
changes and clear readings are refused."""
PROXIES = "Networks of the proxies whose `Forwarded` and `X-Forwarded-*` headers are believed."


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The table. The order of the fields is the order of the documentation.

    >>> Settings(data=Path("/srv/customary")).root_key_file
    PosixPath('/srv/customary/root.key')
    """

    data: Annotated[Path, Setting(PATH, "Folder of database and root key.")] = Path("customary-data")
    database_url: Annotated[Secret | None, Setting(DATABASE, DATABASE_URL, secret=True)] = None
    database_pooler: Annotated[bool, Setting(SWITCH, POOLER)] = False
    database_migrate: Annotated[
        bool, Setting(SWITCH, "Bring the schema of `database_url` up to date at the start of a server.")
    ] = True
    durability: Annotated[
        Literal["local", "replicated"], Setting(one_of("local", "replicated"), DURABILITY)
    ] = "local"
    host: Annotated[str, Setting(HOST, "Address on which the server listens.")] = "127.0.0.1"
    port: Annotated[int, Setting(whole(0, 65_535), "TCP port of the server; 0 takes a free one.")] = 8080
    root_key: Annotated[Secret | None, Setting(KEY, ROOT_KEY, secret=True)] = None
    root_key_path: Annotated[Path | None, Setting(PATH, ROOT_KEY_PATH)] = None
    root_key_command: Annotated[str | None, Setting(TEXT, COMMAND)] = None
    root_key_kms: Annotated[str | None, Setting(TEXT, KMS)] = None
    root_key_transit: Annotated[str | None, Setting(TRANSIT_KEY, TRANSIT)] = None
    root_key_transit_token: Annotated[
        Secret | None, Setting(TOKEN, "Token for `root_key_transit`.", secret=True)
    ] = None
    root_key_previous: Annotated[Secret | None, Setting(KEY, PREVIOUS, secret=True)] = None
    public_url: Annotated[str | None, Setting(ORIGIN, PUBLIC_URL)] = None
    trusted_proxies: Annotated[tuple[Network, ...], Setting(NETWORKS, PROXIES)] = ()
    allow_clear_http: Annotated[bool, Setting(SWITCH, CLEAR_HTTP)] = False
    trustly_not_found_status: Annotated[Literal[404, 400], Setting(one_of(404, 400), NOT_FOUND)] = 404
    trustly_masked_fields: Annotated[
        tuple[MaskedField, ...], Setting(MASKED, "Fields that the Trustly API shows masked.")
    ] = ("taxId",)
    date_of_birth_guarded: Annotated[bool, Setting(SWITCH, BIRTH)] = False
    reason_required: Annotated[bool, Setting(SWITCH, REASON)] = False
    presentations: Annotated[
        tuple[Presentation, ...], Setting(PRESENTED, "Ways of presenting a credential that are accepted.")
    ] = ("hawk", "hmac-sha256", "basic")
    requests_per_minute: Annotated[
        int, Setting(whole(0, 10_000_000), "Quota of requests per credential and minute; 0 sets none.")
    ] = 0
    idempotency_hours: Annotated[
        int, Setting(whole(1, 8_760), "Hours for which the answer to an `Idempotency-Key` is kept.")
    ] = 24
    log_level: Annotated[
        LogLevel, Setting(one_of("debug", "info", "warning", "error"), "Least level that is logged.")
    ] = "info"
    log_format: Annotated[
        LogFormat,
        Setting(one_of("json", "text"), "Form of the log on stderr, a line an event."),
    ] = "json"
    request_log: Annotated[bool, Setting(SWITCH, "Log one line for each request.")] = True
    metrics: Annotated[bool, Setting(SWITCH, "Serve `/metrics`.")] = True
    checkpoint_dir: Annotated[Path | None, Setting(PATH, CHECKPOINT_DIR)] = None
    checkpoints_to_stdout: Annotated[
        bool, Setting(SWITCH, "Write checkpoints of the audit trail to standard output, too.")
    ] = False
    audit_grace_seconds: Annotated[int, Setting(whole(0, 3_600), AUDIT_GRACE)] = 5
    shutdown_seconds: Annotated[
        int, Setting(whole(0, 3_600), "Seconds for which a stop waits for requests in flight.")
    ] = 30

    @property
    def root_key_file(self) -> Path:
        """The key file that holds: the one that was set, or the one in the data folder."""
        locked = self.root_key_kms is not None or self.root_key_transit is not None
        return self.root_key_path or self.data / ("root.key.locked" if locked else "root.key")


def _table() -> dict[str, Setting]:
    hints = get_type_hints(Settings, include_extras=True)
    return {name: hints[name].__metadata__[0] for name in Settings.__struct_fields__}


TABLE: Mapping[str, Setting] = _table()
DEFAULTS: Mapping[str, object] = dict(zip(TABLE, Settings.__struct_defaults__, strict=True))


def variable(name: str) -> str:
    """The environment variable of a setting.

    >>> variable("log_level")
    'CUSTOMARY_LOG_LEVEL'
    """
    return PREFIX + name.upper()


def _shown(name: str) -> str:
    """The name as it may be printed: nobody vouches for the length and the characters of an unknown one."""
    return name if len(name) <= 64 and name.isascii() and name.isprintable() else ascii(name[:64])


def _refuse_unknown(names: set[str], known: list[str], source: str) -> None:
    for name in sorted(names.difference(known)):
        from difflib import get_close_matches  # only a refusal needs it

        near = get_close_matches(name, known, n=1, cutoff=0.0)
        raise ConfigurationError(_shown(name), source, f"there is no such setting; the nearest is {near[0]}")


def _content(setting: str, source: str, path: Path) -> str:
    """The text of a small file; its path stays unspoken, for it might be a key in the wrong variable."""
    try:
        with path.open("rb") as opened:
            content = opened.read(FILE_BYTES_MAX + 1)
        if len(content) > FILE_BYTES_MAX:
            raise ConfigurationError(setting, source, f"the file is larger than {FILE_BYTES_MAX} bytes")
        return content.decode("utf-8")
    except OSError as error:
        raise ConfigurationError(setting, source, f"the file cannot be read: {error.strerror}") from None
    except ValueError:  # bytes that are no UTF-8, or a path with a NUL
        raise ConfigurationError(setting, source, "expected the path of a text file in UTF-8") from None


def _from_environment(environ: Mapping[str, str], cwd: Path) -> dict[str, tuple[str, object]]:
    """What the environment sets, with its source; an empty variable (compose files leave them) is not set."""
    given = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    known = [form for name in TABLE for form in (variable(name), variable(name) + "_FILE")]
    _refuse_unknown(set(given), [*known, FILE_VARIABLE], "environment variable")
    found: dict[str, tuple[str, object]] = {}
    for name in TABLE:
        direct = variable(name)
        by_file = direct + "_FILE"
        value, path = given.get(direct, ""), given.get(by_file, "")
        if value and path:
            raise ConfigurationError(name, f"{direct} and {by_file}", "both are set; expected one of them")
        if value:
            found[name] = (f"environment variable {direct}", value)
        elif path:
            source = f"file named by {by_file}"
            found[name] = (source, _content(name, source, cwd / path).strip())
    return found


def _from_file(environ: Mapping[str, str], cwd: Path) -> dict[str, tuple[str, object]]:
    """What ``customary.toml`` sets; it may be absent unless ``CUSTOMARY_CONFIG`` names one."""
    named = environ.get(FILE_VARIABLE, "")
    path = cwd / (named or FILE_NAME)
    if not named and not path.exists():
        return {}
    import tomllib  # most servers have no such file, and a start should be quick

    source = f"file named by {FILE_VARIABLE}" if named else FILE_NAME
    try:
        content = tomllib.loads(_content("configuration file", source, path))
    except tomllib.TOMLDecodeError as error:  # its message may quote the file; where it is says enough
        place = re.search(r"line \d+, column \d+", str(error))
        where = place.group() if place else "the end"
        raise ConfigurationError("configuration file", source, f"it is no valid TOML at {where}") from None
    _refuse_unknown(set(content), list(TABLE), source)
    return {name: (source, value) for name, value in content.items()}


def load(environ: Mapping[str, str], *, overrides: Mapping[str, object], cwd: Path) -> Settings:
    """The settings that hold, or ConfigurationError.

    Relative paths are taken from ``cwd``, whatever names them. An override of None was not given.

    >>> load({"CUSTOMARY_PORT": "9000"}, overrides={}, cwd=Path("/")).port
    9000
    """
    given = {name: ("command line", value) for name, value in overrides.items() if value is not None}
    _refuse_unknown(set(given), list(TABLE), "command line")
    chosen = _from_file(environ, cwd) | _from_environment(environ, cwd) | given
    values = dict(DEFAULTS)
    for name, (source, value) in chosen.items():
        shape = TABLE[name].shape
        try:
            values[name] = shape.read(value)
        except ValueError:  # its message holds the value
            raise ConfigurationError(name, source, f"expected {shape.expected}") from None
    absolute = {name: cwd / value if isinstance(value, Path) else value for name, value in values.items()}
    return Settings(**cast("dict[str, Any]", absolute))


_INTRODUCTION = f"""# Settings

<!-- Made from the table in src/customary/config.py by customary.config.rendered_docs(); a test compares. -->

A setting is taken from the first of these that gives it:

1. an option of the command line, where the command has one;
2. the environment variable in the table;
3. the file that the same variable with `_FILE` after its name points to: its content, without white space
   around it, is the value; both variables together are refused;
4. `{FILE_NAME}` in the working directory, or the file that `{FILE_VARIABLE}` names;
5. the default.

Unknown `{PREFIX}…` variables and unknown keys are refused, so that no misspelt setting is silently without
effect. An empty variable counts as not set. Lists are comma separated in a variable, arrays in `{FILE_NAME}`.
Relative paths are taken from the working directory. No message shows the value of a setting.

| name | variable | value | default | meaning |
|---|---|---|---|---|
"""


def _default_text(value: object) -> str:
    if value in (None, ()):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{','.join(map(str, value))}`" if isinstance(value, tuple) else f"`{value}`"


def rendered_docs() -> str:
    """The text of ``docs/settings.md``, so that the documentation cannot miss a setting."""
    rows = (
        f"| `{name}` | `{variable(name)}` | {setting.shape.expected}{' (secret)' if setting.secret else ''} "
        f"| {_default_text(DEFAULTS[name])} | {' '.join(setting.doc.split())} |\n"
        for name, setting in TABLE.items()
    )
    return _INTRODUCTION + "".join(rows)
