"""Speed, measured: ours and its peers on the same layers in the same run, checked before it is timed.

`layers` what is computed · `contenders`, `runtimes` who computes it · `measure` how it is timed · `roofline`
what the processor could do · `blocks`, `training`, `overhead` the suites · `results` the file · `table`,
`report` what is shown.
"""
