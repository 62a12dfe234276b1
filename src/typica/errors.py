"""The errors that typica raises on purpose, each with a message for a person.

Every message names the file or option at fault and the remedy. The command line prints them
without a traceback and exits with status 2; anything else that escapes is a fault of ours.
"""

__all__ = [
    "DAMAGE",
    "ConfigError",
    "DataError",
    "DependencyError",
    "RunError",
    "TypicaError",
    "WriteError",
    "damage",
    "reason",
]

_LONGEST = 300


class TypicaError(Exception):
    """The base of all deliberate errors: something outside the program needs a person."""


class DataError(TypicaError):
    """A file or folder that was given cannot be used; names the file and the remedy."""


class ConfigError(TypicaError):
    """An option has a value that cannot work; names the option and what would work."""


class RunError(TypicaError):
    """A run folder is missing, incomplete, of another version, or in use."""


class WriteError(TypicaError):
    """A file cannot be written: the disk is full, or the folder is read only."""


class DependencyError(TypicaError):
    """An optional package is needed; names the extra to install."""


DAMAGE: tuple[type[Exception], ...] = (
    ArithmeticError,
    AttributeError,
    ConfigError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What fails when values are rebuilt from a file that is damaged, whatever the damage.

For readers of files that we write: they catch all of these and say which file it is. RuntimeError
comes from torch, and from what is nested too deeply.
"""


def damage(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """`DAMAGE`, and what else a library raises for files of its own format."""
    return (*DAMAGE, *more)


def reason(error: BaseException) -> str:
    """What an exception says, for the parentheses of a message: one line, not too long."""
    text = f"no {error}" if isinstance(error, KeyError) else str(error)
    return " ".join(text.split())[:_LONGEST].rstrip(".") or type(error).__name__
