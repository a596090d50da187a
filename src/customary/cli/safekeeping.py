"""The commands that back a data folder up while it is in use, and put a backup back.

They must never know how a database is copied or a record opened.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from customary.cli.frame import AsJson, Data, print_facts, print_json, settings_for
from customary.cli.refusals import Advised
from customary.cli.started import data_option, program
from customary.domain.errors import Conflict

KeysFile = Annotated[
    Path | None,
    Parameter(name="--keys", help="File of the customer keys; FILE with .keys after its name if not given."),
]


_BACK_UP = "back it up and restore it with PostgreSQL's own tools (docs/operating.md)"


def backup(
    file: Annotated[Path, Parameter(name="FILE", help="Where the backup goes; nothing may be there yet.")],
    /,
    *,
    keys: KeysFile = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Back up the data folder while the server runs: the records into FILE, their keys into another.

    The copy is checked, counted and, where the root key is at hand, opened record
    by record before it gets its name. Keep the keys' file apart from FILE, and not
    for long: an erased customer stays erased only as long as no copy of the keys
    from before has its key. The root key is in neither file.

    Example: customary backup /backups/2026-03-01.db --keys /vault/2026-03-01.keys
    """
    from customary.bootstrap.engines import require_folder
    from customary.bootstrap.house import House
    from customary.bootstrap.safekeeping import back_up, pair_of
    from customary.cli.advice import advised, no_data
    from customary.storage.sqlite.files import STORE

    settings = settings_for(data)
    require_folder(settings, _BACK_UP)
    if not (settings.data / STORE).exists():
        raise no_data(settings)
    pair = pair_of(file.absolute(), None if keys is None else keys.absolute())
    with advised(settings), House(settings, may_make=False) as house, _progress() as told:
        account = back_up(house, pair, told)
    if as_json:
        print_json({"file": str(pair.store), "keysFile": str(pair.keys), **_counted(account)})
        return
    print_facts({"file": str(pair.store), "keys file": str(pair.keys), **_facts(account)})
    print("Keep the two apart, and the keys no longer than erased customers may come back.", file=sys.stderr)


def restore(
    file: Annotated[Path, Parameter(name="FILE", help="A backup, as `customary backup` made it.")],
    /,
    *,
    keys: KeysFile = None,
    ledger: Annotated[
        tuple[Path, ...],
        Parameter(
            name="--ledger",
            show_default=False,
            help="A copy of the erasure ledger that goes further than the one at hand; may be repeated.",
        ),
    ] = (),
    force: Annotated[
        bool,
        Parameter(
            name="--force",
            show_default=False,
            help="Although there are data; they are set aside in the data folder, not deleted.",
        ),
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Put a backup into the data folder, which no server may serve meanwhile.

    The copy is checked, brought up to date and opened record by record before it
    takes its place. Customers who were erased after the backup are erased again, as
    the erasure ledger says: the one in the data folder, that of the backup, or the
    one that is named, whichever goes furthest. The root key must be at hand, as a setting or in the data
    folder: it is in no backup.

    Example: customary restore /backups/2026-03-01.db --keys /vault/2026-03-01.keys
    """
    from customary.bootstrap.engines import require_folder
    from customary.bootstrap.safekeeping import pair_of
    from customary.bootstrap.safekeeping import restore as put_back
    from customary.cli.advice import advised

    settings = settings_for(data)
    require_folder(settings, _BACK_UP)
    pair = pair_of(file.absolute(), None if keys is None else keys.absolute())
    with advised(settings), _advising_force(), _progress() as told:
        done = put_back(settings, pair, told, force=force, ledgers=[one.absolute() for one in ledger])
    if as_json:
        aside = None if done.set_aside is None else str(done.set_aside)
        print_json(
            {
                "data": str(settings.data),
                "setAside": aside,
                "erasedAgain": done.erased_again,
                **_counted(done.account),
            }
        )
        return
    facts = {"data": str(settings.data), **_facts(done.account)}
    print_facts(facts | {"erased again": str(done.erased_again)})
    if done.set_aside is not None:
        print(f"What was there is in {done.set_aside}. {_DELETE_IT}", file=sys.stderr)
    print(f"Next: {program()} doctor{data_option(settings)}", file=sys.stderr)


_DELETE_IT = "Delete it when you are sure: it has keys of customers who may be erased since."


@contextmanager
def _advising_force() -> Iterator[None]:
    """Point to --force where data are in the way, and to nothing else."""
    try:
        yield
    except Conflict as conflict:
        if not conflict.public.startswith("There are data in "):
            raise
        step = "name an empty folder with --data, or set them aside with --force."
        raise Advised(conflict, step) from None


def _counted(account: object) -> dict[str, object]:
    import msgspec

    counted: dict[str, object] = msgspec.to_builtins(account)
    return counted


def _facts(account: object) -> dict[str, str]:
    counted = _counted(account)
    opened = counted.pop("opened")
    meanwhile = counted.pop("erasedMeanwhile")
    facts = {name: str(count) for name, count in counted.items()}
    facts["erased while copying"] = str(meanwhile)
    facts["opened"] = "none: the root key is not here" if opened is None else f"all {opened} records"
    return facts


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar on a terminal for each thing that is copied or opened."""
    if not sys.stderr.isatty():
        yield lambda _what, _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def told(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done, total=total)

        yield told
