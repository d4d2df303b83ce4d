"""People's door: the HTTP interface, the live stream and the pages."""
