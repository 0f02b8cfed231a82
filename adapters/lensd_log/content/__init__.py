"""Whether a file whose name says nothing can be a record of training: a bounded look at what it holds.

A record of training has counters that count, and names that training prints. A data set lacks one or the
other. What passes here is read; whether it becomes points is still for the reader to decide.
"""

from lensd_log.content.look import look, set_aside

__all__ = ["look", "set_aside"]
