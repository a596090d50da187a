"""The rules that let the same SQL run on one PostgreSQL and on a cluster, held over every statement.

The statements are found, not listed: every constant of the engine's modules that parses as one.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from itertools import product

import pytest
import sqlglot
from sqlglot import exp

from customary.storage import postgres
from customary.storage.postgres import reads
from customary.storage.schema.postgres import REFERENCE_TABLES, STEPS, TENANT_TABLES

# What may look at more than one tenant: the sealer, the sweeper, who lists the whole trail, and what is due
# of erased customers.
ADMINISTRATIVE = {
    "trail.LEAVES",
    "trail.UNSEALED",
    "trail.LAST_BLOCKS",
    "trail.HAS_BLOCK",
    "trail.ADD_BLOCKS",
    "trail.SWEEP_SOME",
    "trail.ADD_POSTINGS",
    "erasures.ERASED",
    "erasures.UNSCRUBBED",
    "erasures.KEPT_DUE",
    "nonces.FORGET",
}
# Run once at a start, and not while anybody works.
AT_START = {"migrations", "guard"}
LOCKS_AT_START = {"migrations._LOCK", "engine._SETUP_LOCK"}
FORBIDDEN_WORDS = (
    *("NOTIFY", "LISTEN", "MERGE", "TRIGGER", "TEMP", "TEMPORARY", "SERIAL", "BIGSERIAL", "SEQUENCE"),
    *("NEXTVAL", "NOW", "CURRENT_TIMESTAMP", "CLOCK_TIMESTAMP", "GEN_RANDOM_UUID", "RANDOM", "EXTENSION"),
    *("SKIP", "IDENTITY", "FUNCTION", "PROCEDURE"),
)


def _modules() -> Iterator[tuple[str, object]]:
    for found in pkgutil.iter_modules(postgres.__path__):
        yield found.name, importlib.import_module(f"{postgres.__name__}.{found.name}")


def _statements() -> Iterator[tuple[str, str]]:
    for module, content in _modules():
        for name, value in vars(content).items():
            if isinstance(value, str) and value.lstrip().startswith(
                ("SELECT ", "INSERT ", "UPDATE ", "DELETE ", "CREATE ", "ALTER ", "GRANT ", "WITH ")
            ):
                yield f"{module}.{name}", value
    for tag_count, of_merchant, newest_first in product(range(3), (False, True), (False, True)):
        for what, sql in zip(
            ("list", "count"), reads.page_statements(tag_count, of_merchant, newest_first), strict=True
        ):
            yield f"reads.page {what} {tag_count} {of_merchant} {newest_first}", sql


STATEMENTS = dict(_statements())
AT_WORK = {name: sql for name, sql in STATEMENTS.items() if name.partition(".")[0] not in AT_START}


def _parsed(sql: str) -> exp.Expression:
    (statement,) = sqlglot.parse(sql, dialect="postgres")
    assert isinstance(statement, exp.Expression)
    return statement


def _tables(statement: exp.Expression) -> set[str]:
    return {f"{table.db}.{table.name}" for table in statement.find_all(exp.Table) if table.db}


def _select_of(table: exp.Table) -> exp.Expression:
    """The statement or subquery in which a table stands."""
    found = table.find_ancestor(exp.Select, exp.Update, exp.Delete, exp.Insert)
    assert found is not None
    return found


def _bound_aliases(scope: exp.Expression) -> set[str]:
    """The tables of a scope whose ``tenant_id`` is compared with an argument or another's ``tenant_id``."""
    bound = set()
    for comparison in scope.find_all(exp.EQ):
        columns = [side for side in (comparison.left, comparison.right) if isinstance(side, exp.Column)]
        for column in columns:
            if column.name == "tenant_id":
                bound.add(column.table)
    return bound


def test_the_statements_are_found() -> None:
    """The rules below look at all there is: each module that speaks SQL has statements here."""
    assert {name.partition(".")[0] for name in STATEMENTS} >= {
        "reads",
        "writes",
        "trail",
        "registry",
        "engine",
    }
    assert len(STATEMENTS) > 60
    assert set(STATEMENTS) >= ADMINISTRATIVE | LOCKS_AT_START


def _unbound(sql: str) -> list[str]:
    """The tenants' tables in a statement that are not bound to a tenant."""
    found = []
    for table in _parsed(sql).find_all(exp.Table):
        if f"{table.db}.{table.name}" not in TENANT_TABLES:
            continue
        scope = _select_of(table)
        if isinstance(scope, exp.Insert):
            target = scope.this
            bound = isinstance(target, exp.Schema) and target.expressions[0].name == "tenant_id"
        else:
            bound = bool(_bound_aliases(scope) & {table.alias_or_name, ""})
        if not bound:
            found.append(table.name)
    return found


@pytest.mark.parametrize("name", sorted(set(AT_WORK) - ADMINISTRATIVE))
def test_every_statement_names_its_tenant(name: str) -> None:
    """Each tenant's table in a statement is bound to a tenant, but in a short list of administrative ones."""
    assert _unbound(AT_WORK[name]) == []


@pytest.mark.parametrize(
    ("sql", "unbound"),
    [
        ("SELECT 1 FROM customary.customers WHERE row_no = $1", ["customers"]),
        (
            "SELECT 1 FROM customary.tags AS t JOIN customary.customers AS c ON c.row_no = t.row_no"
            " WHERE t.tenant_id = $1",
            ["customers"],
        ),
        ("UPDATE customary.customers AS c SET version = 1 WHERE c.row_no = $1", ["customers"]),
        ("DELETE FROM customary.answers WHERE at < $1", ["answers"]),
        ("INSERT INTO customary.tags (kind, tenant_id) VALUES ($1, $2)", ["tags"]),
        ("SELECT 1 FROM customary.tags WHERE tenant_id = $1", []),
    ],
)
def test_a_statement_without_its_tenant_is_noticed(sql: str, unbound: list[str]) -> None:
    """The rule sees what it is there for."""
    assert _unbound(sql) == unbound


@pytest.mark.parametrize("name", AT_WORK)
def test_no_statement_uses_what_a_cluster_has_not(name: str) -> None:
    """No triggers, sequences, clocks, chance, notifications, advisory locks or temporary tables."""
    tokens = {token.text.upper() for token in sqlglot.tokenize(AT_WORK[name], dialect="postgres")}
    assert not tokens & set(FORBIDDEN_WORDS)
    assert name in LOCKS_AT_START or not any("ADVISORY" in token for token in tokens)


@pytest.mark.parametrize("name", AT_WORK)
def test_every_conflict_is_within_a_tenant(name: str) -> None:
    """ON CONFLICT on a tenant's table names a key that contains the tenant."""
    statement = _parsed(AT_WORK[name])
    conflict = statement.find(exp.OnConflict)
    if conflict is None or not _tables(statement) & set(TENANT_TABLES):
        return
    keys = [key.name for key in conflict.args["conflict_keys"]]
    assert keys[0] == "tenant_id"


@pytest.mark.parametrize("name", AT_WORK)
def test_numbers_of_pages_are_bounded(name: str) -> None:
    """A LIMIT stands with every OFFSET, and every listing of the trail has one."""
    statement = _parsed(AT_WORK[name])
    if statement.find(exp.Offset) is not None:
        assert statement.find(exp.Limit) is not None


def test_every_key_of_a_tenants_table_starts_with_the_tenant() -> None:
    """Primary keys start with ``tenant_id``, unique indexes contain it; small reference tables are named."""
    made = {}
    for step in STEPS:
        statement = _parsed(step.sql) if step.sql.startswith("CREATE") and "POLICY" not in step.sql else None
        if not isinstance(statement, exp.Create):
            continue
        if statement.kind == "TABLE":
            table = statement.this.this
            made[f"{table.db}.{table.name}"] = statement
        elif statement.kind == "INDEX" and statement.args.get("unique"):
            columns = [column.name for column in statement.find_all(exp.Column)]
            assert "tenant_id" in columns, step.sql
    assert set(made) == {*TENANT_TABLES, *REFERENCE_TABLES}
    for name in TENANT_TABLES:
        columns = [column.name for column in made[name].this.expressions if isinstance(column, exp.ColumnDef)]
        assert columns[0] == "tenant_id", name
        whole = made[name].find(exp.PrimaryKey)
        keys = [key.name for key in whole.expressions] if whole is not None else columns[:1]
        assert keys[0] == "tenant_id", name
    for name, statement in made.items():
        assert not list(statement.find_all(exp.GeneratedAsIdentityColumnConstraint)), name


@pytest.mark.parametrize("step", STEPS, ids=lambda step: str(step.number))
def test_a_step_is_one_statement(step: object) -> None:
    """A migration takes one statement a step, so that it can be killed between any two."""
    sql = getattr(step, "sql", "")
    assert sql.count(";") == 0
    assert sql.split()[0] in {"CREATE", "ALTER", "GRANT", "INSERT"}
    if sql.startswith("ALTER"):
        assert "DROP" not in sql
