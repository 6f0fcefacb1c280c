"""From an answer to a folder of files that start: which files, how they are filled, checked and written."""
