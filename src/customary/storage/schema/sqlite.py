"""The steps that make the two SQLite databases: the store, and the customer keys beside it.

Every random b-tree that a create touches writes a page to the WAL and again at the checkpoint. So tables are
clustered by a row number that only grows, indexes are few, and the tags of all kinds share one table.

Instants are integers, microseconds since 1970 in UTC. A tenant is the 16 bytes of its GUID.
"""

from customary.storage.schema import numbered

STORE_STEPS = numbered(
    "CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE generations (name TEXT NOT NULL PRIMARY KEY, number INTEGER NOT NULL) STRICT",
    # The row number is that of the customer's key, so that creation order and key share one number.
    """
    CREATE TABLE customers (
        row_no INTEGER PRIMARY KEY,
        tenant_id BLOB NOT NULL,
        customer_id TEXT NOT NULL,
        customer_number TEXT NOT NULL,
        merchant_no INTEGER NOT NULL,
        version INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        sealed BLOB NOT NULL,
        guarded BLOB
    ) STRICT
    """,
    "CREATE UNIQUE INDEX customers_by_id ON customers (tenant_id, customer_id)",
    # Both end in the row number, as every index does, and so give the order of creation without sorting.
    "CREATE INDEX customers_of_tenant ON customers (tenant_id)",
    "CREATE INDEX customers_of_merchant ON customers (tenant_id, merchant_no)",
    """
    CREATE TABLE unique_tags (
        tenant_id BLOB NOT NULL,
        kind INTEGER NOT NULL,
        tag BLOB NOT NULL,
        row_no INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, kind, tag)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE tags (
        tenant_id BLOB NOT NULL,
        kind INTEGER NOT NULL,
        tag BLOB NOT NULL,
        row_no INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, kind, tag, row_no)
    ) STRICT, WITHOUT ROWID
    """,
    # Superseded versions only: the current one is in customers. What never changes is there, too.
    """
    CREATE TABLE versions (
        row_no INTEGER NOT NULL,
        version INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        sealed BLOB NOT NULL,
        guarded BLOB,
        PRIMARY KEY (row_no, version)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE leaves (
        leaf_no INTEGER PRIMARY KEY,
        tenant_id BLOB NOT NULL,
        at INTEGER NOT NULL,
        body BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE outbox (
        entry_no INTEGER PRIMARY KEY,
        tenant_id BLOB NOT NULL,
        at INTEGER NOT NULL,
        body BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE answers (
        tenant_id BLOB NOT NULL,
        key_tag BLOB NOT NULL,
        request_tag BLOB NOT NULL,
        customer_id TEXT NOT NULL,
        version INTEGER NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, key_tag)
    ) STRICT, WITHOUT ROWID
    """,
    # For the sweep alone, which runs between requests and must not look at every answer there is.
    "CREATE INDEX answers_by_age ON answers (at)",
    """
    CREATE TABLE tenants (
        tenant_id BLOB NOT NULL PRIMARY KEY CHECK (length(tenant_id) = 16),
        name TEXT NOT NULL,
        created_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE tenant_keys (
        tenant_id BLOB NOT NULL REFERENCES tenants,
        purpose TEXT NOT NULL,
        key_version INTEGER NOT NULL,
        wrapped BLOB NOT NULL,
        PRIMARY KEY (tenant_id, purpose, key_version)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE merchants (
        tenant_id BLOB NOT NULL REFERENCES tenants,
        merchant_no INTEGER NOT NULL,
        merchant_id TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, merchant_no)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE credentials (
        key_id TEXT NOT NULL PRIMARY KEY,
        tenant_id BLOB NOT NULL REFERENCES tenants,
        scheme TEXT NOT NULL,
        merchant_no INTEGER,
        permissions TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER,
        revoked_at INTEGER,
        last_used_at INTEGER
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX credentials_of_tenant ON credentials (tenant_id, created_at)",
    """
    CREATE TABLE credential_secrets (
        key_id TEXT NOT NULL REFERENCES credentials,
        place INTEGER NOT NULL,
        kept BLOB NOT NULL,
        expires_at INTEGER,
        PRIMARY KEY (key_id, place)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE blocks (
        tenant_id BLOB NOT NULL,
        block_no INTEGER NOT NULL,
        leaf_no_first INTEGER NOT NULL,
        leaf_no_last INTEGER NOT NULL,
        at INTEGER NOT NULL,
        digests BLOB NOT NULL,
        link BLOB NOT NULL,
        signature BLOB NOT NULL,
        PRIMARY KEY (tenant_id, block_no)
    ) STRICT, WITHOUT ROWID
    """,
    # So that what is kept elsewhere about this store, its checkpoints, is not taken for another's.
    "INSERT INTO meta (name, value) VALUES ('store_id', randomblob(16))",
    # Numbers that only go forward, each under its name.
    "CREATE TABLE marks (name TEXT NOT NULL PRIMARY KEY, number INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    """
    CREATE TABLE checkpoints (
        checkpoint_no INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        complete INTEGER NOT NULL,
        line BLOB NOT NULL
    ) STRICT
    """,
    "CREATE INDEX checkpoints_complete ON checkpoints (checkpoint_no) WHERE complete = 1",
    # Where a key is random, as a customer's is, so is the page its row is put on. An epoch is a stretch of
    # the trail: within one there are few pages, and the older ones are never written again.
    """
    CREATE TABLE postings (
        epoch INTEGER NOT NULL,
        key INTEGER NOT NULL,
        leaf_no INTEGER NOT NULL,
        more BLOB,
        PRIMARY KEY (epoch, key, leaf_no)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE tombstones (
        tenant_id BLOB NOT NULL,
        customer_id TEXT NOT NULL,
        customer_number TEXT NOT NULL,
        merchant_no INTEGER NOT NULL,
        number INTEGER NOT NULL,
        at INTEGER NOT NULL,
        certificate BLOB NOT NULL,
        key_tag BLOB NOT NULL,
        request_tag BLOB NOT NULL,
        scrubbed INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, customer_id)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE UNIQUE INDEX tombstones_by_number ON tombstones (tenant_id, number)",
    "CREATE INDEX tombstones_unscrubbed ON tombstones (scrubbed) WHERE scrubbed = 0",
    """
    CREATE TABLE holds (
        tenant_id BLOB NOT NULL,
        customer_id TEXT NOT NULL,
        at INTEGER NOT NULL,
        actor TEXT NOT NULL,
        sealed_reason BLOB NOT NULL,
        PRIMARY KEY (tenant_id, customer_id)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE retention (
        tenant_id BLOB NOT NULL PRIMARY KEY REFERENCES tenants,
        rules BLOB NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    # What is kept of erased customers for a while; its keys are with those of the living, in the other file.
    """
    CREATE TABLE kept (
        tenant_id BLOB NOT NULL,
        customer_id TEXT NOT NULL,
        part TEXT NOT NULL,
        until INTEGER NOT NULL,
        key_no INTEGER NOT NULL,
        sealed BLOB NOT NULL,
        PRIMARY KEY (tenant_id, customer_id, part)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX kept_until ON kept (until)",
    # The fields that a key is limited to, as a JSON array; an empty one is no limit.
    "ALTER TABLE credentials ADD COLUMN fields TEXT NOT NULL DEFAULT '[]'",
)

KEYS_STEPS = numbered(
    "CREATE TABLE key_meta (name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID",
    # The engine takes a new customer's row number from here, so that no number is ever used for two keys.
    "CREATE TABLE customer_keys (row_no INTEGER PRIMARY KEY, wrapped BLOB NOT NULL) STRICT",
    # These are deleted, so AUTOINCREMENT alone keeps a number from being given twice: a part whose row was
    # left behind by an interrupted commit must not find another part's key under its number.
    "CREATE TABLE kept_keys (key_no INTEGER PRIMARY KEY AUTOINCREMENT, wrapped BLOB NOT NULL) STRICT",
)
