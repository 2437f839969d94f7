"""What client and server both speak: messages, limits, close codes, sessions. No I/O, no clock."""
