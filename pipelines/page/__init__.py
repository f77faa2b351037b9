"""The page "File batches" for operators: a small FastAPI application that Airflow shows inside its own."""

PREFIX = "/tierline"  # below Airflow's own address
