"""What the native document says of erasure: its operations, schemas and examples."""

from typing import Any

import msgspec
from msgspec import UNSET

from customary.bootstrap.documents.limits import IDEMPOTENCY_KEY, REASON
from customary.bootstrap.documents.native_speech import (
    ASKING,
    CUSTOMER_ID,
    PAGING,
    PATH_ID,
    READING,
    SIGNED,
    SPEECH,
    WRITING,
)
from customary.bootstrap.documents.operations import Addition, request_body
from customary.bootstrap.documents.shapes import Schema, ref, schemas_of
from customary.domain.erasure import (
    COVERABLE,
    DEFAULT_RULES,
    FORM,
    NO_PREVIOUS,
    Block,
    Certificate,
    Going,
    Keeping,
    Part,
    Plan,
    Rule,
)
from customary.native import erasure

TAG = {"name": "Erasure", "description": "Who is erased, what is kept, and the proof of it"}

_KNOWN = {Part.KEY: 1, Part.RECORD: 1, Part.VERSIONS: 4, Part.TAGS: 2, Part.ANNOUNCEMENTS: 5}
_COVERED = {rule.covers for rule in DEFAULT_RULES}
_GOINGS = tuple(Going(part, _KNOWN.get(part, 0)) for part in Part if part not in _COVERED)
_KEPT = tuple(
    Keeping(rule.covers, 0, "2031-03-02T09:05:00.120Z", rule.rule_id, rule.basis) for rule in DEFAULT_RULES
)
_CERTIFICATE = Certificate(
    form=FORM,
    number=17,
    tenant_id="a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    customer_id=CUSTOMER_ID,
    customer_number="765342523452345",
    merchant_no=1,
    erased_at="2026-03-02T09:05:00.120Z",
    actor="9f0c4b7e-4c1e-4b1e-9c53-0d8f6a2b7c11",
    request_id="0b7cf0c1-7b1a-4a53-8a0e-4f4a4b1c9d10",
    destroyed=_GOINGS,
    kept=_KEPT,
    previous=NO_PREVIOUS,
    public_key="8d892b4958a9016dc447119ae96cec9b8d1cb375ad2ffe817126e5bcf62551b1",
    signature="1f2f4b27" * 16,
)
_HOLD = erasure.HoldView(CUSTOMER_ID, True, "2026-03-02T09:05:00.120Z", _CERTIFICATE.actor, "Court order 17")


def erasure_additions() -> dict[str, Addition]:
    """Return what the document says of the operations of this subject."""
    plan = erasure.ErasureView(CUSTOMER_ID, Plan(CUSTOMER_ID, _GOINGS, _KEPT, ()), UNSET, UNSET)
    done = erasure.ErasureView(CUSTOMER_ID, UNSET, _CERTIFICATE, True)
    page = erasure.ErasuresPage([done], None)
    return {
        "get-customers-id-erasure": Addition(
            prose="An erased customer answers with the certificate here, and with 410 everywhere else.",
            parameters=(PATH_ID,),
            granted=_granted("What would be done, or was", "Erasure", {"plan": plan, "certificate": done}),
            refusals=(*READING, "NotFound"),
            tag=TAG["name"],
        ),
        "post-customers-id-erasure": Addition(
            prose="The body may be left out. There is no way back. `scrubbed` becomes true within seconds. "
            "Of an `X-Reason` the trail tells that there was one; it is sealed under the destroyed key.",
            parameters=(PATH_ID, IDEMPOTENCY_KEY),
            body=_optional(
                request_body(
                    "Whether only to plan", ref("ErasureSent"), {"plan": ("A plan", {"dryRun": True})}
                )
            ),
            granted=_granted("The certificate, or the plan", "Erasure", {"plan": plan, "certificate": done}),
            refusals=(*WRITING, "NotFound", "Gone"),
            tag=TAG["name"],
        ),
        "get-erasures": Addition(
            prose="",
            parameters=PAGING,
            granted=_granted("One page of erasures", "ErasuresPage", {"page": page}),
            refusals=ASKING,
            tag=TAG["name"],
        ),
        **_holds(),
        **_rules(),
    }


def _holds() -> dict[str, Addition]:
    released = erasure.HoldView(CUSTOMER_ID, False)
    reason = {"court": ("A court has asked for it", {"reason": "Court order 17"})}
    return {
        "get-customers-id-hold": Addition(
            prose="",
            parameters=(PATH_ID,),
            granted=_granted("The hold", "Hold", {"held": _HOLD, "free": released}),
            refusals=(*READING, "NotFound", "Gone"),
            tag=TAG["name"],
        ),
        "post-customers-id-hold": Addition(
            prose="Sent again it is answered as the first time; another reason is a conflict. It may be in "
            "`X-Reason`; two that differ are refused.",
            parameters=(PATH_ID, IDEMPOTENCY_KEY),
            body=request_body("Why", ref("HoldSent"), reason),
            granted=_granted("The hold", "Hold", {"held": _HOLD}),
            refusals=(*WRITING, "NotFound", "Gone"),
            tag=TAG["name"],
        ),
        "delete-customers-id-hold": Addition(
            prose="A reason may be given, in a body or in `X-Reason`; it is sealed in the audit trail.",
            parameters=(PATH_ID, IDEMPOTENCY_KEY, REASON),
            body=_optional(request_body("Why", ref("HoldSent"), reason)),
            granted=_granted("There is no hold", "Hold", {"free": released}),
            refusals=(*WRITING, "NotFound", "Gone"),
            tag=TAG["name"],
        ),
    }


def _rules() -> dict[str, Addition]:
    rules = erasure.RulesView(list(DEFAULT_RULES))
    return {
        "get-retention": Addition(
            prose="",
            parameters=(),
            granted=_granted("The rules", "Retention", {"defaults": rules}),
            refusals=READING,
            tag=TAG["name"],
        ),
        "put-retention": Addition(
            prose=f"`covers` is one of {', '.join(f'`{part}`' for part in COVERABLE)}.",
            parameters=(IDEMPOTENCY_KEY,),
            body=request_body("All rules", ref("Retention"), {"defaults": ("The defaults", _as_sent(rules))}),
            granted=_granted("The rules", "Retention", {"rules": rules}),
            refusals=WRITING,
            tag=TAG["name"],
        ),
    }


def _granted(description: str, schema: str, examples: dict[str, Any]) -> Schema:
    shown = {name: _as_sent(example) for name, example in examples.items()}
    return SPEECH.granted(description, ref(schema), shown, SIGNED)


def _as_sent(example: object) -> Any:
    return msgspec.json.decode(msgspec.json.encode(example))


def _optional(body: Schema) -> Schema:
    return body | {"required": False}


def erasure_schemas() -> dict[str, Schema]:
    """Return the schemas of this subject."""
    return schemas_of(
        {
            "Erasure": erasure.ErasureView,
            "ErasuresPage": erasure.ErasuresPage,
            "ErasureSent": erasure.ErasureSent,
            "Certificate": Certificate,
            "Plan": Plan,
            "Going": Going,
            "Keeping": Keeping,
            "Block": Block,
            "Hold": erasure.HoldView,
            "HoldSent": erasure.HoldSent,
            "Retention": erasure.RulesView,
            "Rule": Rule,
        }
    )
