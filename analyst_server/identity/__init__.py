"""Who is who: tokens, principals, sign-in grants. No I/O; time comes as an argument."""
