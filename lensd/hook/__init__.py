"""The hook: what a training process loads so that its W&B metrics also reach lensd.

It wraps `wandb.init`, `run.log` and `finish` of whatever wandb is installed, and reports from background
threads. It never blocks training, never raises into it, and changes nothing that wandb itself records.

Standard library only, and relative imports only: `lensd hook install` copies this folder into environments
that have no lensd, where it is called `lensd_hook`. The syntax is that of Python 3.8.

This module is all that every Python loads where the hook is installed. It waits for `import wandb`, at no
cost: its finder stays on `sys.meta_path` until then, and replaces neither the spec nor its loader. Only one
call of `exec_module` is followed by ours, so that `importlib.resources` and `pkgutil` find wandb's files as
ever.
"""

import os
import sys

_MARK = "_lensd_hook_finder"


def activate() -> None:
    """Hook wandb now, or as soon as it is imported. Doing it twice, or under two names, does it once."""
    if _switched_off() or any(hasattr(finder, _MARK) for finder in sys.meta_path):
        return
    wandb = sys.modules.get("wandb")
    if wandb is not None and hasattr(wandb, "init"):
        _hand_over(wandb)
    else:
        sys.meta_path.insert(0, WandbFinder())  # type: ignore[arg-type]  # a finder needs find_spec only


class WandbFinder:
    """Notices the import of wandb, and nothing else."""

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
        """Let ours follow this loader's next `exec_module`; the loader is its own again afterwards."""
        original = getattr(loader, "exec_module", None)
        if original is None:  # a namespace package: a folder that happens to be called wandb
            return

        def exec_module(module: object) -> None:
            try:
                del loader.exec_module  # type: ignore[attr-defined]  # not the class's own
            finally:
                original(module)
            sys.meta_path[:] = [finder for finder in sys.meta_path if not hasattr(finder, _MARK)]
            _hand_over(module)

        try:
            loader.exec_module = exec_module  # type: ignore[attr-defined]
        except AttributeError:  # a loader that takes no attributes: wandb works, unhooked
            return


def _hand_over(wandb: object) -> None:
    from .guard import guarded
    from .interception import intercept

    guarded(intercept)(wandb)


def _switched_off() -> bool:
    given = os.environ.get("LENSD_WANDB_HOOK") or os.environ.get("PRIMUS_LENS_WANDB_HOOK") or "true"
    return given.strip().lower() in ("false", "0", "no", "off")
