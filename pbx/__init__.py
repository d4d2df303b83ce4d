"""The telephone exchange as this project sees it: the words (ids, events, commands, calls) and the one door
to Asterisk.
"""
