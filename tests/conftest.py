"""Fixtures that every suite may use, and the account of statements at the end of a full run.

The account is kept where the reports arrive: in the controller when pytest-xdist runs the tests in workers,
else in the only process. It must never know what a statement means.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Here, because what one suite imports of another must not come before it.
pytest.register_assert_rewrite("merchant", "serving", "coverage.walked", "native.client", "native.erasing")

from engines import ENGINES, SQLITE, store_of  # noqa: E402  # only what is imported later is rewritten
from merchant import UNMASKED, Merchant, shop  # noqa: E402  # only what is imported later is rewritten
from serving import Server, Tenancy, installed, make_tenancy, serving  # noqa: E402  # as above
from statements import STATEMENTS, Account  # noqa: E402  # as above

# No deadline: the machine that builds is shared, and a slow example is no failure. The seed is printed.
settings.register_profile("customary", deadline=None, print_blob=True)
settings.load_profile("customary")

_ACCOUNT = pytest.StashKey[Account]()
_PROPERTY = "statement"
_SUITE = Path(__file__).parent / "dialects"
ON_EVERY_ENGINE = {Path(__file__).parent / folder for folder in ("dialects", "coverage")}


# ── statements ──


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known and open the account."""
    config.addinivalue_line("markers", "statement(*names): the statements of a contract that this test holds")
    config.stash[_ACCOUNT] = Account()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Write each test's statements where its reports carry them to the controller."""
    for item in items:
        for marker in item.iter_markers("statement"):
            for name in marker.args:
                if name not in STATEMENTS:
                    raise pytest.UsageError(f"{item.nodeid} names the unknown statement {name}")
                item.user_properties.append((_PROPERTY, name))


class _Reports:
    """Hears of every report, which the hook in a conftest would without knowing the account."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        names = [str(value) for name, value in report.user_properties if name == _PROPERTY]
        self._account.note(names, report.when or "", report.outcome)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Listen to the reports, unless this is a worker, whose reports the controller gets."""
    if not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(_Reports(session.config.stash[_ACCOUNT]), "statement-reports")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a full run that left a statement unheld."""
    if not _is_full_run(session.config) or exitstatus != pytest.ExitCode.OK:
        return
    if session.config.stash[_ACCOUNT].not_held():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table after a full run."""
    if not _is_full_run(config):
        return
    account = config.stash[_ACCOUNT]
    terminalreporter.section("statements of the contracts")
    for line in account.table():
        terminalreporter.write_line(line)
    if missing := account.not_held():
        terminalreporter.write_line(f"NOT HELD: {', '.join(missing)}", red=True)


def _is_full_run(config: pytest.Config) -> bool:
    """Return whether the whole conformance suite was asked for; a part of it proves nothing of the rest."""
    if hasattr(config, "workerinput") or config.option.collectonly:
        return False
    chosen = ("keyword", "markexpr", "lf", "deselect", "ignore", "ignore_glob", "stepwise", "maxfail")
    if any(getattr(config.option, name, None) for name in chosen):
        return False
    start = config.invocation_params.dir
    asked = [Path(start, argument.partition("::")[0]).resolve() for argument in config.args]
    return any(path == _SUITE or path in _SUITE.parents for path in asked)


# ── the server ──


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all workers of this session have in common."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def command(shared_folder: Path) -> Path:
    """The ``customary`` command, installed from the built wheel."""
    return installed(shared_folder / "product")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Ask every engine the same where what a caller sees is tested."""
    if "server" in metafunc.fixturenames and metafunc.definition.path.parent in ON_EVERY_ENGINE:
        metafunc.parametrize("server", ENGINES, indirect=True, scope="session")


@pytest.fixture(scope="session")
def server(
    request: pytest.FixtureRequest, command: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A running server with no tenant yet; every test worker has its own, one for each engine."""
    with (
        store_of(getattr(request, "param", SQLITE)) as settings,
        serving(command, tmp_path_factory.mktemp("server"), **settings) as running,
    ):
        yield running
        assert running.process is not None
        assert running.process.poll() is None, f"the server died:\n{running.log}"
        failures = [line for line in running.log.splitlines() if '"level":"error"' in line]
        assert not failures, "\n".join(failures)


@pytest.fixture(scope="session")
def tenancy(server: Server) -> Tenancy:
    """A tenant that all tests of a worker share: for what does not depend on who else was there."""
    return make_tenancy(server)


@pytest.fixture(scope="session")
def tenant(server: Server) -> Callable[..., Tenancy]:
    """A maker of tenants, each with a merchant and a Basic credential (three commands, about a second)."""

    def make(*permissions: str) -> Tenancy:
        return make_tenancy(server, permissions=permissions)

    return make


@pytest.fixture(scope="session")
def merchant(tenancy: Tenancy) -> Merchant:
    """A program of the shared merchant, with an ordinary credential."""
    return shop(tenancy)


@pytest.fixture(scope="session")
def trusted_merchant(tenancy: Tenancy) -> Merchant:
    """A program of the same merchant that may see guarded fields in clear."""
    return shop(tenancy, *UNMASKED)
