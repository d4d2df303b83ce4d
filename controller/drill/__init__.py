"""The drill: a hotline under load is hurt on purpose, and what its callers and agents saw of it is counted.

`town.py` are the callers and agents (real SIP phones), `ledger.py` is what they saw, `judge.py` counts (pure),
`faults.py` hurts, `proxy.py` stands between controller and Asterisk where that is wanted, `run.py` is the command.
"""
