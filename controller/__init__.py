"""Everything is put together here and nowhere else: the command, the configuration, the switchboard, the engine."""
