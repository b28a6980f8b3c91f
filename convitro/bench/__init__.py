"""Speed, measured: ours and its peers on the same layers in the same run, checked before it is timed.

`layers`, `formulations` what is computed · `contenders`, `runtimes` who computes it · `measure` how it is
timed · `roofline`, `machine` on what · `inference`, `training`, `overhead`, `aggregation` the suites ·
`run` all of them · `results` the file · `targets` what was promised · `table`, `report` what is shown ·
`command` what is typed.
"""
