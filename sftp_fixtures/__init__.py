"""What producers really do: their files, the servers they put them on, and the trouble on the way."""
