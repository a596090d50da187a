"""The command that prints what a shell needs to complete commands and options."""

import sys
from typing import Annotated, Literal

from cyclopts import Parameter


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], Parameter(name="SHELL", help="bash, zsh or fish.")], /
) -> None:
    """Print the completion script of a shell; each line of help says where it belongs.

    bash: customary completion bash > ~/.local/share/bash-completion/completions/customary
    zsh: customary completion zsh > ~/.zsh/completions/_customary
    fish: customary completion fish > ~/.config/fish/completions/customary.fish
    Or let it be put in place: customary --install-completion
    """
    from customary.cli.commands import app

    sys.stdout.write(app.generate_completion(shell=shell))
