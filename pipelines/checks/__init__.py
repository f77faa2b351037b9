"""Checks at line rate: from the archived bytes of a batch to staged rows and rejects."""
