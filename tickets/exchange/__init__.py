"""The exchange of tickets between separate installations (平台互联互通)."""
