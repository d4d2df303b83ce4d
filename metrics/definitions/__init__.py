"""Every figure of the hotline as data: its name and version, what it means, what is divided by what.

`measure.py` says what a definition is and what a value carries; `rows.py` what definitions look at; `of_calls.py`,
`of_tickets.py` and `of_agents.py` have the definitions; `window.py` the worst of any continuous 24 hours; `fold.py`
makes values of rows, and the calls on which two definitions differ. `catalogue()` is all of them. Pure.

A definition that changes its meaning gets the next version beside the one before: a figure of last year can be had
again, and two can be laid beside each other call by call.
"""
