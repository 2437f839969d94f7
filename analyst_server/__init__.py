"""The server side of `analyst`: gateway, portal, runner, channels."""
