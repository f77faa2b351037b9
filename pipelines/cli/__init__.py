"""The command `tierline`."""
