"""Activates the hook when imported: `import lensd.hook.auto`, before `import wandb`."""

from __future__ import annotations

from . import activate

activate()
