"""The errors that typica raises on purpose, each with a message for a person.

Every message names the file or option at fault and the remedy. The command line prints them
without a traceback and exits with status 2; anything else that escapes is a fault of ours.
"""

__all__ = ["ConfigError", "DataError", "DependencyError", "RunError", "TypicaError"]


class TypicaError(Exception):
    """The base of all deliberate errors: something outside the program needs a person."""


class DataError(TypicaError):
    """A file or folder that was given cannot be used; names the file and the remedy."""


class ConfigError(TypicaError):
    """An option has a value that cannot work; names the option and what would work."""


class RunError(TypicaError):
    """A run folder is missing, incomplete, of another version, or in use."""


class DependencyError(TypicaError):
    """An optional package is needed; names the extra to install."""
