"""The gateway: WebSocket listener, dispatch socket, and who is connected. Gets the log, the check of tokens and the clock as arguments."""
