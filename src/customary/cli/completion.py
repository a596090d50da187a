"""The command that prints what a shell needs to complete commands and options."""

import sys
from typing import Annotated, Literal

from cyclopts import Parameter


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], Parameter(name="SHELL", help="bash, zsh or fish.")], /
) -> None:
    """Print the completion script of a shell.

    Example: customary completion bash > ~/.local/share/bash-completion/completions/customary
    Example: customary completion zsh > ~/.zsh/completions/_customary
    Example: customary completion fish > ~/.config/fish/completions/customary.fish
    Or have it put in place: customary --install-completion
    """
    from customary.cli.commands import app

    sys.stdout.write(app.generate_completion(shell=shell))
