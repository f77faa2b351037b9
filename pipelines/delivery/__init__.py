"""Published lists on their way to receivers: what is due, the files as a receiver gets them, sending, receipts."""
