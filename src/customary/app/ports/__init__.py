"""What an engine, a vault and the dice are asked for: sealed rows, lookup tags, keys, time and chance.

The performer (``app.performer``) turns a use case into a *job*: a generator that yields the requests below
(``ReadRecord``, ``Write``, ...), which are all that an engine ever sees. A job can be run again, whole.
"""

from customary.app.ports.engine import Engine, Job
from customary.app.ports.keys import Dice, TenantVault, Vault
from customary.app.ports.records import (
    OutboxRow,
    ReadAnswer,
    ReadPage,
    ReadRecord,
    ReadTagged,
    ReadVersion,
    SealedCustomer,
    StoredAnswer,
    Sweep,
    Tag,
    TagKind,
    TagTaken,
    Write,
)
from customary.app.ports.registry import (
    CredentialRow,
    MarkUsed,
    ReadCredentials,
    ReadGeneration,
    ReadMerchants,
    ReadTenantKeys,
    ReadTenants,
    SecretRow,
    TenantKeyRow,
    WriteCredential,
    WriteMerchant,
    WriteTenant,
)
from customary.app.ports.trail import (
    BlockRow,
    LeafRow,
    ReadBlocks,
    ReadLeaves,
    ReadUnsealed,
    WriteBlocks,
)

__all__ = [
    "BlockRow",
    "CredentialRow",
    "Dice",
    "Engine",
    "Job",
    "LeafRow",
    "MarkUsed",
    "OutboxRow",
    "ReadAnswer",
    "ReadBlocks",
    "ReadCredentials",
    "ReadGeneration",
    "ReadLeaves",
    "ReadMerchants",
    "ReadPage",
    "ReadRecord",
    "ReadTagged",
    "ReadTenantKeys",
    "ReadTenants",
    "ReadUnsealed",
    "ReadVersion",
    "SealedCustomer",
    "SecretRow",
    "StoredAnswer",
    "Sweep",
    "Tag",
    "TagKind",
    "TagTaken",
    "TenantKeyRow",
    "TenantVault",
    "Vault",
    "Write",
    "WriteBlocks",
    "WriteCredential",
    "WriteMerchant",
    "WriteTenant",
]
