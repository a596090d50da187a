"""The commands that let a shell complete commands and options."""

import sys
from typing import Annotated, Literal

from cyclopts import Parameter

from customary.cli.refusals import WrongUsage

Shell = Literal["bash", "zsh", "fish"]


def completion(shell: Annotated[Shell, Parameter(name="SHELL", help="bash, zsh or fish.")], /) -> None:
    """Print the completion script of a shell.

    Example: customary completion bash >> ~/.bash_completion
    Example: customary completion zsh > ~/.zsh/completions/_customary
    Example: customary completion fish > ~/.config/fish/completions/customary.fish
    Or have it put in place: customary --install-completion
    """
    from customary.cli.commands import app

    sys.stdout.write(app.generate_completion(shell=shell))


def install_completion(
    *, shell: Annotated[Shell | None, Parameter(help="bash, zsh or fish; yours if not given.")] = None
) -> None:
    """Put the completion script of your shell in place.

    Example: customary --install-completion --shell zsh
    """
    from cyclopts.completion.detect import ShellDetectionError

    from customary.cli.commands import app

    try:
        place = app.install_completion(shell=shell)
    except ShellDetectionError:
        raise WrongUsage("Your shell cannot be found out; name it with --shell") from None
    print(f"Completion is in {place}; the next shell you start uses it.")
