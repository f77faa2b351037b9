"""Telling people: alarms and the daily digest, in the log, by webhook and by mail."""
