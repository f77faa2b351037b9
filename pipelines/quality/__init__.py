"""What the rows say together: a feed's suite on a profile of what was loaded, judged by Great Expectations, shown."""
