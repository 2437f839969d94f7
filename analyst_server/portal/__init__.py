"""The web side: who a person is, which devices may receive, and the HTTP API that the apps use."""
