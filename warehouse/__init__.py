"""staged → core → mart: SQL models, one select a file, and the little Python that runs them."""
