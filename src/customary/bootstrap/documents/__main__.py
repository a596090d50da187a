"""Writes the documents: ``python -m customary.bootstrap.documents docs/openapi``."""

import sys
from pathlib import Path

from customary.bootstrap.documents import regenerate

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m customary.bootstrap.documents FOLDER")
    regenerate(Path(sys.argv[1]))
