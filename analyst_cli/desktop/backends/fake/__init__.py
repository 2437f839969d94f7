"""A desktop made of a JSON file, for tests, demos and trying things out: it ships with the product and needs no display."""

from analyst_cli.desktop.backends.fake.backend import FakeBackend, open_backend
from analyst_cli.desktop.backends.fake.script import ScriptProblem

__all__ = ["FakeBackend", "ScriptProblem", "open_backend"]
