"""The ledger of batches: what was offered, what became of it, when, why and by whom."""
