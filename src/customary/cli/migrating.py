"""The command that brings the database's schema up to date."""

import sys

from customary.cli.frame import AsJson, Data, print_json, settings_for


def migrate(*, data: Data = None, as_json: AsJson = False) -> None:
    """Bring the schema of the PostgreSQL database up to date.

    A server does so itself at its start, unless database_migrate is off. Run this
    where the server logs in as a user who owns nothing: with the owner's address in
    CUSTOMARY_DATABASE_URL. It may be run while servers work, and on several hosts
    at once. A data folder is brought up to date whenever it is opened.

    Example: customary migrate
    """
    from customary.bootstrap.engines import migrated
    from customary.cli.advice import advised

    settings = settings_for(data)
    with advised(settings):
        steps = migrated(settings)
    if as_json:
        print_json({"steps": steps or 0, "database": steps is not None})
    elif steps is None:
        print(
            "There is no database_url: a data folder is brought up to date when it is opened.",
            file=sys.stderr,
        )
    else:
        print(f"Steps taken: {steps}." if steps else "The schema is up to date.")
