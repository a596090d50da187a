"""The steps that make the PostgreSQL schemas: the store, and the customer keys beside it.

Every table of a tenant starts with ``tenant_id``, and row-level security is forced on it: the role that works
for a tenant sees that tenant's rows alone, whatever a statement forgets. What is looked up before a tenant is
known (credentials and the like) is in small tables that this role may not touch; the other role, the house's,
may. Neither owns anything.

Instants are integers, microseconds since 1970 in UTC. Row, leaf and entry numbers count within one tenant.
"""

from typing import Final

from customary.storage.schema import numbered

APP_ROLE: Final = "customary_app"
HOUSE_ROLE: Final = "customary_house"
TENANT_SETTING: Final = "customary.tenant"
SCHEMAS: Final = ("customary", "customary_keys")

REFERENCE_TABLES: Final = (
    "customary.tenants",
    "customary.tenant_keys",
    "customary.merchants",
    "customary.credentials",
    "customary.credential_secrets",
    "customary.generations",
    "customary.meta",
    "customary.checkpoints",
)
"""Small, and needed before a tenant is known; on a cluster every node has them whole."""

TENANT_TABLES: Final = (
    "customary.counters",
    "customary.customers",
    "customary_keys.customer_keys",
    "customary.unique_tags",
    "customary.tags",
    "customary.versions",
    "customary.leaves",
    "customary.outbox",
    "customary.answers",
    "customary.blocks",
    "customary.postings",
    "customary.tombstones",
    "customary.holds",
    "customary.retention",
    "customary.kept",
    "customary_keys.kept_keys",
    "customary.used_nonces",
)
"""Each row is one tenant's; on a cluster they lie together by ``tenant_id``."""


def _guarded(table: str) -> tuple[str, ...]:
    """Return the statements that let a tenant's work see that tenant's rows, and the house all."""
    return (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        # The subquery is reckoned once a statement, not once a row.
        f"CREATE POLICY of_tenant ON {table} TO {APP_ROLE}"
        f" USING (tenant_id = (SELECT nullif(current_setting('{TENANT_SETTING}', true), '')::uuid))",
        f"CREATE POLICY of_house ON {table} TO {HOUSE_ROLE} USING (true)",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {APP_ROLE}, {HOUSE_ROLE}",
    )


STEPS = numbered(
    f"GRANT USAGE ON SCHEMA customary TO {APP_ROLE}, {HOUSE_ROLE}",
    "CREATE SCHEMA customary_keys",
    f"GRANT USAGE ON SCHEMA customary_keys TO {APP_ROLE}, {HOUSE_ROLE}",
    "CREATE TABLE customary.meta (name text PRIMARY KEY, value bytea NOT NULL)",
    "CREATE TABLE customary.generations (name text PRIMARY KEY, number bigint NOT NULL)",
    "INSERT INTO customary.generations (name, number) VALUES ('registry', 0)",
    """
    CREATE TABLE customary.tenants (
        tenant_id uuid PRIMARY KEY,
        name text NOT NULL,
        created_at bigint NOT NULL
    )
    """,
    """
    CREATE TABLE customary.tenant_keys (
        tenant_id uuid NOT NULL REFERENCES customary.tenants,
        purpose text NOT NULL,
        key_version bigint NOT NULL,
        wrapped bytea NOT NULL,
        PRIMARY KEY (tenant_id, purpose, key_version)
    )
    """,
    """
    CREATE TABLE customary.merchants (
        tenant_id uuid NOT NULL REFERENCES customary.tenants,
        merchant_no bigint NOT NULL,
        merchant_id text NOT NULL CONSTRAINT merchants_merchant_id UNIQUE,
        name text NOT NULL,
        created_at bigint NOT NULL,
        PRIMARY KEY (tenant_id, merchant_no)
    )
    """,
    """
    CREATE TABLE customary.credentials (
        key_id text PRIMARY KEY,
        tenant_id uuid NOT NULL REFERENCES customary.tenants,
        scheme text NOT NULL,
        merchant_no bigint,
        permissions text NOT NULL,
        created_at bigint NOT NULL,
        expires_at bigint,
        revoked_at bigint,
        last_used_at bigint,
        fields text NOT NULL
    )
    """,
    "CREATE INDEX credentials_of_tenant ON customary.credentials (tenant_id, created_at)",
    """
    CREATE TABLE customary.credential_secrets (
        key_id text NOT NULL REFERENCES customary.credentials,
        place bigint NOT NULL,
        kept bytea NOT NULL,
        expires_at bigint,
        PRIMARY KEY (key_id, place)
    )
    """,
    """
    CREATE TABLE customary.checkpoints (
        checkpoint_no bigint PRIMARY KEY,
        at bigint NOT NULL,
        complete boolean NOT NULL,
        line bytea NOT NULL
    )
    """,
    "CREATE INDEX checkpoints_complete ON customary.checkpoints (checkpoint_no) WHERE complete",
    *(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {HOUSE_ROLE}" for table in REFERENCE_TABLES),
    # A tenant's work looks whether the keys that it has remembered are still the newest.
    f"GRANT SELECT ON customary.generations TO {APP_ROLE}",
    # One row a tenant, updated by every batch that writes: room in its page lets the updates stay there. Its
    # lock is what puts the commits of one tenant in a row, so that numbers are given in their order.
    """
    CREATE TABLE customary.counters (
        tenant_id uuid PRIMARY KEY,
        row_no bigint NOT NULL,
        leaf_no bigint NOT NULL,
        entry_no bigint NOT NULL
    ) WITH (fillfactor = 10)
    """,
    """
    CREATE TABLE customary.customers (
        tenant_id uuid NOT NULL,
        row_no bigint NOT NULL,
        customer_id text NOT NULL,
        customer_number text NOT NULL,
        merchant_no bigint NOT NULL,
        version bigint NOT NULL,
        created_at bigint NOT NULL,
        updated_at bigint NOT NULL,
        sealed bytea NOT NULL,
        guarded bytea,
        PRIMARY KEY (tenant_id, row_no)
    )
    """,
    "CREATE UNIQUE INDEX customers_by_id ON customary.customers (tenant_id, customer_id)",
    "CREATE INDEX customers_of_merchant ON customary.customers (tenant_id, merchant_no, row_no)",
    """
    CREATE TABLE customary_keys.customer_keys (
        tenant_id uuid NOT NULL,
        row_no bigint NOT NULL,
        wrapped bytea NOT NULL,
        PRIMARY KEY (tenant_id, row_no)
    )
    """,
    """
    CREATE TABLE customary.unique_tags (
        tenant_id uuid NOT NULL,
        kind bigint NOT NULL,
        tag bytea NOT NULL,
        row_no bigint NOT NULL,
        PRIMARY KEY (tenant_id, kind, tag)
    )
    """,
    """
    CREATE TABLE customary.tags (
        tenant_id uuid NOT NULL,
        kind bigint NOT NULL,
        tag bytea NOT NULL,
        row_no bigint NOT NULL,
        PRIMARY KEY (tenant_id, kind, tag, row_no)
    )
    """,
    # Superseded versions only: the current one is in customers. What never changes is there, too.
    """
    CREATE TABLE customary.versions (
        tenant_id uuid NOT NULL,
        row_no bigint NOT NULL,
        version bigint NOT NULL,
        updated_at bigint NOT NULL,
        sealed bytea NOT NULL,
        guarded bytea,
        PRIMARY KEY (tenant_id, row_no, version)
    )
    """,
    """
    CREATE TABLE customary.leaves (
        tenant_id uuid NOT NULL,
        leaf_no bigint NOT NULL,
        at bigint NOT NULL,
        body bytea NOT NULL,
        PRIMARY KEY (tenant_id, leaf_no)
    )
    """,
    """
    CREATE TABLE customary.outbox (
        tenant_id uuid NOT NULL,
        entry_no bigint NOT NULL,
        at bigint NOT NULL,
        body bytea NOT NULL,
        PRIMARY KEY (tenant_id, entry_no)
    )
    """,
    """
    CREATE TABLE customary.answers (
        tenant_id uuid NOT NULL,
        key_tag bytea NOT NULL,
        request_tag bytea NOT NULL,
        customer_id text NOT NULL,
        version bigint NOT NULL,
        at bigint NOT NULL,
        PRIMARY KEY (tenant_id, key_tag)
    )
    """,
    # For the sweep alone, which must not look at every answer there is.
    "CREATE INDEX answers_by_age ON customary.answers (at)",
    """
    CREATE TABLE customary.blocks (
        tenant_id uuid NOT NULL,
        block_no bigint NOT NULL,
        leaf_no_first bigint NOT NULL,
        leaf_no_last bigint NOT NULL,
        at bigint NOT NULL,
        digests bytea NOT NULL,
        link bytea NOT NULL,
        signature bytea NOT NULL,
        PRIMARY KEY (tenant_id, block_no)
    )
    """,
    # Where the leaves are that tell of somebody; made when they are sealed.
    """
    CREATE TABLE customary.postings (
        tenant_id uuid NOT NULL,
        key bigint NOT NULL,
        leaf_no bigint NOT NULL,
        PRIMARY KEY (tenant_id, key, leaf_no)
    )
    """,
    """
    CREATE TABLE customary.tombstones (
        tenant_id uuid NOT NULL,
        customer_id text NOT NULL,
        customer_number text NOT NULL,
        merchant_no bigint NOT NULL,
        number bigint NOT NULL,
        at bigint NOT NULL,
        certificate bytea NOT NULL,
        key_tag bytea NOT NULL,
        request_tag bytea NOT NULL,
        scrubbed boolean NOT NULL,
        PRIMARY KEY (tenant_id, customer_id)
    )
    """,
    "CREATE UNIQUE INDEX tombstones_by_number ON customary.tombstones (tenant_id, number)",
    "CREATE INDEX tombstones_unscrubbed ON customary.tombstones (tenant_id) WHERE NOT scrubbed",
    """
    CREATE TABLE customary.holds (
        tenant_id uuid NOT NULL,
        customer_id text NOT NULL,
        at bigint NOT NULL,
        actor text NOT NULL,
        sealed_reason bytea NOT NULL,
        PRIMARY KEY (tenant_id, customer_id)
    )
    """,
    "CREATE TABLE customary.retention (tenant_id uuid PRIMARY KEY, rules bytea NOT NULL)",
    # What is kept of erased customers for a while; its keys are with those of the living.
    """
    CREATE TABLE customary.kept (
        tenant_id uuid NOT NULL,
        customer_id text NOT NULL,
        part text NOT NULL,
        until bigint NOT NULL,
        sealed bytea NOT NULL,
        PRIMARY KEY (tenant_id, customer_id, part)
    )
    """,
    "CREATE INDEX kept_until ON customary.kept (until)",
    """
    CREATE TABLE customary_keys.kept_keys (
        tenant_id uuid NOT NULL,
        customer_id text NOT NULL,
        part text NOT NULL,
        wrapped bytea NOT NULL,
        PRIMARY KEY (tenant_id, customer_id, part)
    )
    """,
    """
    CREATE TABLE customary.used_nonces (
        tenant_id uuid NOT NULL,
        digest bytea NOT NULL,
        expires_at bigint NOT NULL,
        PRIMARY KEY (tenant_id, digest)
    )
    """,
    "CREATE INDEX used_nonces_by_expiry ON customary.used_nonces (expires_at)",
    *(statement for table in TENANT_TABLES for statement in _guarded(table)),
)
