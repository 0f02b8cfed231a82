"""Reads scalars of TensorBoard event files while they are written, without TensorBoard or protobuf."""

from lensd_tensorboard.adapter import TensorBoardAdapter

__all__ = ["TensorBoardAdapter"]
