"""Core and marts on Spark: the same models, Parquet in parts instead of tables of one file."""
