"""The exchange of tickets between separate installations (平台互联互通): messages, signatures, order, and their tables."""
