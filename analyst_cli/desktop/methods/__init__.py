"""What the host can do: one coroutine a method, from a `Call` to the member `result` of the reply."""
