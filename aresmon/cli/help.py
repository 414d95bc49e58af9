"""Help texts without rich, which would take a third of a second to load: plain Click, with commands in sections."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from typer._click.core import Context
    from typer._click.formatting import HelpFormatter

_LOWEST_ALONE = re.compile(r"; x>=\d+(?=\]$)|  \[x>=\d+\]$")


class HelpCommand(TyperCommand):
    """A command whose usage line shows arguments as man pages do: `HOST`, `[HOST]`, `[HOST...]`."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Read the command line. An error about a number says in words which are accepted."""
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            error.message = _number_in_words(error.message)
            raise

    def collect_usage_pieces(self, ctx: Context) -> list[str]:
        """The words after the command's name."""
        return _usage(self, ctx)

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write arguments and options, with the range of a number in words, as in `[5 to 3600]`."""
        for heading, kind in (("Arguments", "argument"), ("Options", "option")):
            records = [each.get_help_record(ctx) for each in self.get_params(ctx) if each.param_type_name == kind]
            shown = [(name, _range_in_words(text)) for name, text in filter(None, records)]
            if shown:
                with formatter.section(heading):
                    formatter.write_dl(shown)


class HelpGroup(TyperGroup):
    """A group whose help lists its commands in `sections`, by heading and in this order; without any, in one list.

    Each description stands whole on one line: tests hold it to the width of a terminal of 80 columns.
    """

    sections: Mapping[str, Sequence[str]] = {}

    def list_commands(self, ctx: Context) -> list[str]:
        """The names of all commands, in the order of the help; those outside of the sections follow."""
        ordered = [name for names in self.sections.values() for name in names]
        return [*ordered, *(name for name in super().list_commands(ctx) if name not in ordered)]

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the commands, section by section, with all descriptions in one column."""
        names = [name for name in self.list_commands(ctx) if not self.commands[name].hidden]
        width = max(map(len, names))
        for heading, listed in (self.sections or {"Commands": names}).items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), self.commands[name].get_short_help_str()) for name in listed])


def _number_in_words(message: str) -> str:
    """Another message is returned as it is."""
    if found := re.fullmatch(r"(\S+) is not in the range (?:(\S+)<=x<=(\S+)|x>=(\S+))\.", message):
        given, lowest, highest, lowest_alone = found.groups()
        return (
            f"must be {lowest} to {highest}, not {given}" if lowest else f"must be {lowest_alone} or more, not {given}"
        )
    if found := re.fullmatch(r"('.*') is not a valid (int|float)(?: range)?\.", message):
        return f"must be a {'whole ' if found[2] == 'int' else ''}number, not {found[1]}"
    return message


def _range_in_words(text: str) -> str:
    """Without a range that has a lowest number alone: nobody tries a negative one."""
    return _LOWEST_ALONE.sub("", text.replace("<=x<=", " to "))


def _usage(command: TyperCommand, ctx: Context) -> list[str]:
    pieces = [command.options_metavar] if command.options_metavar else []
    for each in command.get_params(ctx):
        if each.param_type_name == "argument":
            name = f"{each.make_metavar(ctx)}{'...' if each.nargs != 1 else ''}"
            pieces.append(name if each.required else f"[{name}]")
    return pieces
