"""How many points texts that are no training give: none, it should be.

`python -m tests.log.precision` gathers the texts on the machine when it runs: what programs print, what lies
in its folders, and data sets that it makes. What the machine has not got is left out.
"""
