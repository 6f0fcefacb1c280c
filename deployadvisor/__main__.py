"""``python -m deployadvisor``."""

from deployadvisor.surfaces.cli import run

run()
