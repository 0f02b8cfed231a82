"""Reads scalars of TensorBoard event files as they are written, without importing TensorBoard or protobuf."""

from lensd_tensorboard.adapter import TensorBoardAdapter

__all__ = ["TensorBoardAdapter"]
