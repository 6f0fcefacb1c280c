"""Thin surfaces over the library: parse, call, print."""
