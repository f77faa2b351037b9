"""What producers really do: a province that writes files by the interface, and scenarios with their outcome.

Nothing here imports the consumer's code: the interface is read a second time, so that one reading tests the other.
"""
