"""The way of the files: remote → landed → verified → validated → staged, and published lists out again."""
