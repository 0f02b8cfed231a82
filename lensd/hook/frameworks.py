"""The frameworks that are recognised: the modules and environment variables that give them away.

The hook collects these signs and lensd judges them (`lensd.wandb.framework`). Names and signs are those of
AMD Primus-Lens (primus-lens-wandb-exporter 0.2.0 and telemetry-processor of November 2025).
"""

from __future__ import annotations

#: Frameworks that run other frameworks, outermost first; all others are bases.
WRAPPERS = ("primus", "lightning", "pytorch_lightning", "transformers_trainer")
BASES = ("megatron", "deepspeed", "jax", "transformers")

#: Modules that are loaded when a framework is in use.
WRAPPER_MODULES = {
    "primus": ("primus",),
    "lightning": ("lightning.pytorch", "pytorch_lightning"),
    "transformers_trainer": ("transformers.trainer",),
}
BASE_MODULES = {
    "megatron": ("megatron.core", "megatron.training", "megatron"),
    "deepspeed": ("deepspeed",),
    "jax": ("jax",),
    "transformers": ("transformers",),
}
#: Modules that count when they are loaded beside torch, the most telling first.
MODULES_WITH_TORCH = ("lightning", "deepspeed", "megatron", "transformers")

#: Environment variables that only users of a framework set, the most telling framework first.
VARIABLES = {
    "primus": ("PRIMUS_CONFIG", "PRIMUS_VERSION", "PRIMUS_BACKEND"),
    "deepspeed": ("DEEPSPEED_CONFIG", "DS_CONFIG", "DEEPSPEED_VERSION"),
    "megatron": ("MEGATRON_CONFIG", "MEGATRON_LM_PATH"),
    "jax": ("JAX_BACKEND", "JAX_PLATFORMS"),
}
#: Words in the configuration key `trainer` that name a framework.
IN_TRAINER = ("deepspeed", "megatron")
