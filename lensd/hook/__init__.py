"""The hook: a training process loads it to report its W&B metrics to lensd.

It wraps `init`, `Run.log` and `Run.finish` of the wandb that is installed, and reports from background
threads. It never blocks training, never raises into it, and does not change what wandb records.

Standard library and relative imports only, in the syntax of Python 3.8: `lensd hook install` copies this
folder as `lensd_hook` into environments that have no lensd.

Where the hook is installed, every Python loads this module and nothing else of it. It puts a finder on
`sys.meta_path` that waits for `import wandb`. The finder replaces neither the spec nor the loader of wandb,
so that `importlib.resources` and `pkgutil` still find its files; it only follows one call of `exec_module`.
"""

import os
import sys

_MARK = "_lensd_hook_finder"


def activate() -> None:
    """Hook wandb now, or as soon as it is imported. Further calls, from a second copy too, do nothing."""
    if _switched_off() or any(hasattr(finder, _MARK) for finder in sys.meta_path):
        return
    wandb = sys.modules.get("wandb")
    if wandb is not None and hasattr(wandb, "init"):
        _intercept(wandb)
    else:
        sys.meta_path.insert(0, WandbFinder())  # type: ignore[arg-type]  # a finder needs find_spec only


class WandbFinder:
    """Notices the import of wandb; finds nothing itself."""

    _lensd_hook_finder = True

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        if name != "wandb":
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            if hasattr(finder, _MARK) or find is None:
                continue
            spec = find(name, path, target)
            if spec is not None:
                self._follow(spec.loader)
                return spec
        return None

    def _follow(self, loader: object) -> None:
        """Hook the module after this loader's next `exec_module`, and then restore the loader."""
        original = getattr(loader, "exec_module", None)
        if original is None:  # a namespace package, as any folder called wandb is
            return

        def exec_module(module: object) -> None:
            try:
                del loader.exec_module  # type: ignore[attr-defined]  # reveals the class's own
            finally:
                original(module)
            sys.meta_path[:] = [finder for finder in sys.meta_path if not hasattr(finder, _MARK)]
            _intercept(module)

        try:
            loader.exec_module = exec_module  # type: ignore[attr-defined]
        except AttributeError:  # a loader without a __dict__: wandb works, but is not hooked
            return


def _intercept(wandb: object) -> None:
    from .guard import guarded
    from .interception import intercept

    guarded(intercept)(wandb)


def _switched_off() -> bool:
    # Not `settings.switch`: importing it would cost every Python time.
    value = os.environ.get("LENSD_WANDB_HOOK") or os.environ.get("PRIMUS_LENS_WANDB_HOOK") or "true"
    return value.strip().lower() in ("false", "0", "no", "off")
