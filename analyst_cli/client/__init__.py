"""The client without a face: connection, local inbox, sign-in."""
