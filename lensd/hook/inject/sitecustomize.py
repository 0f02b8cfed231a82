"""Loads the hook into every Python that `lensd run` starts, which has this folder on its PYTHONPATH, then
imports the `sitecustomize` that would have been imported without it."""

import importlib
import importlib.util
import os
import sys

_here = os.path.dirname(os.path.abspath(__file__))


def _load_hook() -> None:
    if "lensd_hook" in sys.modules:  # loaded by a .pth file
        return
    folder = os.path.dirname(_here)
    spec = importlib.util.spec_from_file_location(
        "lensd_hook", os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules["lensd_hook"] = module
    spec.loader.exec_module(module)
    module.activate()


def _import_next() -> None:
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != _here]
    own = sys.modules.pop("sitecustomize", None)
    try:
        importlib.import_module("sitecustomize")
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
        if own is not None:
            sys.modules["sitecustomize"] = own


try:
    _load_hook()
except Exception as error:  # noqa: BLE001 - a hook that cannot be loaded must not stop a Python
    sys.stderr.write(f"lensd hook: cannot be loaded: {error!r}\n")
_import_next()
