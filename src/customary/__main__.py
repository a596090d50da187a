"""``python -m customary`` is ``customary``."""

from customary.cli import main

main()
