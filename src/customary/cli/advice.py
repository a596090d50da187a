"""What to do next where a refusal cannot know: names the folder, the key file and the command to type.

A refusal from inside knows neither how this program was started nor which folder it was given. It must never
know a command's own business.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from customary.cli.refusals import Advised
from customary.cli.started import data_option, program
from customary.config import Settings
from customary.domain.errors import NotFound, OutcomeUnknown, Unavailable

_WHERE_TO_LOOK = {
    "tenant": "`{program} tenant list{option}` shows the tenants.",
    "merchant": "`{program} merchant list{option}` shows the merchants.",
    "key": "`{program} key list{option}` shows the keys.",
    "customer": "`{program} customers list{option}` shows the customers.",
}


@contextmanager
def advised(settings: Settings) -> Iterator[None]:
    """Add to refusals of what is done inside what to do about them in the folder of these settings."""
    from customary.app.ledger import UndoneErasures
    from customary.vault.rootkey import RootKeyRefused  # it loads the ciphers, as does opening the house

    option = data_option(settings)
    try:
        yield
    except RootKeyRefused as refused:
        named = RootKeyRefused(f"{refused.public} ({root_key_source(settings)})", detail=refused.detail)
        raise Advised(named, f"{_OTHER_KEY} `{program()} doctor{option}` checks it.") from None
    except NotFound as absent:
        step = _WHERE_TO_LOOK.get(absent.kind, "")
        raise Advised(absent, step.format(program=program(), option=option)) from None
    except UndoneErasures as undone:
        step = f"`{program()} erasure replay{option}` erases them again; then go on."
        raise Advised(undone, step) from None
    except (Unavailable, OutcomeUnknown) as unavailable:
        raise Advised(unavailable, f"`{program()} doctor{option}` looks for the cause.") from None


_OTHER_KEY = "bring back the key that the data were sealed with, or name the folder that this one belongs to."


def root_key_source(settings: Settings) -> str:
    """Return in words where the root key is taken from."""
    from customary.bootstrap.roots import source_of

    return source_of(settings).told()


def no_data(settings: Settings) -> Advised:
    """Return the refusal of a command that needs a data folder where there is none."""
    return Advised(
        Unavailable(f"There is no data folder at {settings.data}"),
        f"name the right one with --data or CUSTOMARY_DATA, or make one here:"
        f" {program()} serve{data_option(settings)}",
    )


def sealed(settings: Settings) -> Advised:
    """Return the refusal of a command that needs the root key where it is not."""
    return Advised(
        Unavailable(
            f"The data folder {settings.data} is sealed: its root key is not at {settings.root_key_file}"
        ),
        "bring it back from where you keep it, or say where it is in CUSTOMARY_ROOT_KEY_PATH.",
    )
