"""The version, where the build reads it and the answer names it."""

__version__ = "0.1.0"
