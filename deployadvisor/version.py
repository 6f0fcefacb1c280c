"""The version, where the build reads it and the answer names it."""

__version__ = "0.2.0.dev0"
