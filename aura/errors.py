"""The one error family that users see as a sentence instead of a traceback."""


class AuraError(Exception):
    """A problem the user can act on. The message is one clear sentence; commands exit with 1."""


class CorruptFile(AuraError):
    """A recording's file cannot be read; the message says which file and why."""


class MissingFile(CorruptFile, FileNotFoundError):
    """A file is not there."""


class OutsideRoot(CorruptFile):
    """A path that a data set's own files give leads out of its root, or names no file at all."""
