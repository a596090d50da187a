"""The commands that list and change a tenant's retention rules."""

import sys
from functools import partial
from typing import Annotated, Literal

from cyclopts import App, Parameter

from customary.cli.chosen import choose
from customary.cli.frame import AsJson, Data, done, open_house, print_json, print_table
from customary.cli.registry import TenantOption
from customary.domain.access import Permission
from customary.domain.erasure import COVERABLE, Origin, Part, Rule

retention = App(
    name="retention", help="List and change what must be kept of an erased customer, and how long."
)


@retention.command(name="list", sort_key=1)
def list_rules(*, tenant_id: TenantOption = None, data: Data = None, as_json: AsJson = False) -> None:
    """List the retention rules of a tenant; until it changes any, the defaults.

    Example: customary retention list
    """
    from customary.app import retention as use_cases

    with open_house(data) as house:
        principal = choose(house, tenant_id).operator(Permission.MANAGE_HOLDS)
        rules = house.engine.read_now(partial(use_cases.list_rules, principal))
    _tell(rules, as_json=as_json)


@retention.command(name="set", sort_key=2)
def set_rule(
    rule_id: Annotated[str, Parameter(name="RULE", help="Id of the rule: lower-case letters and hyphens.")],
    /,
    *,
    covers: Annotated[
        Literal["record", "versions", "identity", "aml", "sessions", "payments", "deliveries"],
        Parameter(help="The part of what is held about a customer that is kept."),
    ],
    period: Annotated[str, Parameter(help="For how long: P5Y, P18M or P30D.")],
    counted_from: Annotated[
        Literal["relationship_ended", "erasure_requested"],
        Parameter(name="--from", help="From when the period counts; without an end on record, the request."),
    ] = "relationship_ended",
    basis: Annotated[str, Parameter(help="The law or contract that demands it; it stands in certificates.")],
    tenant_id: TenantOption = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Add a retention rule, or change the one of that id.

    Of several rules for one part that holds which keeps it longest. Erasures that
    were carried out keep the dates of their certificates.

    Example: customary retention set kyc --covers record --period P5Y --basis Policy
    """
    from customary.app import retention as use_cases

    rule = Rule(rule_id, Part(covers), period, Origin(counted_from), basis)
    with open_house(data) as house:
        principal = choose(house, tenant_id).operator(Permission.MANAGE_HOLDS)
        rules = done(house, partial(use_cases.set_rule, principal, house.dice, rule))
    _tell(rules, as_json=as_json)


@retention.command(name="remove", sort_key=3)
def remove_rule(
    rule_id: Annotated[str, Parameter(name="RULE", help="Id of the rule.")],
    /,
    *,
    tenant_id: TenantOption = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Take a retention rule away; what it covered is then destroyed by an erasure.

    Example: customary retention remove payment-records
    """
    from customary.app import retention as use_cases

    with open_house(data) as house:
        principal = choose(house, tenant_id).operator(Permission.MANAGE_HOLDS)
        rules = done(house, partial(use_cases.remove_rule, principal, house.dice, rule_id))
    _tell(rules, as_json=as_json)


def _tell(rules: tuple[Rule, ...], *, as_json: bool) -> None:
    if as_json:
        print_json(list(rules))
        return
    print_table(
        ("rule", "covers", "for", "from", "basis"),
        [(one.rule_id, one.covers, one.period, one.counted_from, one.basis) for one in rules],
        empty="There is no rule: an erasure destroys everything.",
    )
    covered = {one.covers for one in rules}
    others = [part for part in COVERABLE if part not in covered]
    print(f"Not covered, and destroyed at once: {', '.join(others)}.", file=sys.stderr)
