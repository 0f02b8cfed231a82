"""Run in tbparse's environment: reads the event file at argv[1] and prints how many scalars it holds."""

import sys

from tbparse import SummaryReader

# Scalars that TF2 wrote are tensors to tbparse; their values lie in another frame.
read = SummaryReader(sys.argv[1])
print(len(read.scalars) or len(read.tensors))
