"""One file a group: parse, call, print."""
