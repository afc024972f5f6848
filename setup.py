"""The one thing that pyproject.toml cannot say: a machine that cannot compile gets the package in plain Python.

`KAFKASTATIC_IMPL=compiled` makes that an error, `KAFKASTATIC_IMPL=plain` does not even try.
"""

import os
import sys

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

WANTED = os.environ.get("KAFKASTATIC_IMPL", "")


class BuildIfPossible(build_ext):
    """Compiles, or says in one sentence why the package does without."""

    def run(self):
        self._try(super().run)

    def build_extension(self, ext):
        self._try(super().build_extension, ext)

    def _try(self, step, *arguments):
        try:
            step(*arguments)
        except Exception as error:  # no compiler, no headers, no SDK: each platform has errors of its own
            if WANTED == "compiled":
                raise
            print(f"kafkastatic is not compiled here, and works in plain Python, only slower: {error}", file=sys.stderr)


RECORDS = Extension(
    "kafkastatic._records._compiled",
    ["kafkastatic/_records/_compiled.pyx"],
    optional=WANTED != "compiled",
)
RECORDS.cython_c_in_temp = True  # Cython's own option: the generated C is no source

setup(ext_modules=[] if WANTED == "plain" else [RECORDS], cmdclass={"build_ext": BuildIfPossible})
