"""What is agreed for each feed: contracts and code lists, read once from YAML into frozen values."""
