"""The demonstration: real SIP calls from dial to ticket, each story asserted."""
