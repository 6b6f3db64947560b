"""`completion`: what makes a shell complete our commands, options and names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from conformance.cli.command import ConformanceCommand, Named
from conformance.model.errors import SuiteError

SHELLS = ("bash", "zsh", "fish")


@click.command("completion", cls=ConformanceCommand, short_help="Print what makes a shell complete.")
@click.argument("shell", type=Named("shell", SHELLS), metavar=f"[{'|'.join(SHELLS)}]")
@click.pass_context
def completion(ctx: click.Context, shell: str) -> int:
    """Print the script that makes a SHELL complete commands, options, and the names that these take.

    To be loaded when the shell starts, as by `eval "$(statum-conformance completion bash)"` in ~/.bashrc.
    """
    root = ctx.find_root()
    made = get_completion_class(shell)
    if made is None:
        raise SuiteError(f"click knows no completion for {shell}")
    program = root.info_name or ""
    click.echo(made(root.command, {}, program, variable_of(program)).source(), nl=False)
    return 0


def variable_of(program: str) -> str:
    """The variable by which a shell asks the program to complete; it is click's."""
    return f"_{program.replace('-', '_').upper()}_COMPLETE"
