"""Activates the hook on import, for code that asks for it: `import lensd.hook.auto` before `import wandb`."""

from __future__ import annotations

from . import activate

activate()
