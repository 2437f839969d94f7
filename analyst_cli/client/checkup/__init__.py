"""What `analyst doctor` looks at: each check tells what it found, and the remedy where something is wrong."""
