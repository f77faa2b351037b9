"""The reference pages of the manual, made from what the code knows: `python -m pipelines.reference docs`.

They stand in the repository, so that they can be read there; a test holds them against what is made now.
"""
