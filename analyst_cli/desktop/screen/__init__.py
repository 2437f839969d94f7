"""The operator's screen, `analyst desktop host`: a client of the serving process, never the process itself."""
