"""The run folder: what a run leaves behind, and the only thing that reports read.

A frozen record for each file, its fields documented one by one, with one reader and one writer
(`Record.read` and `Record.write`, files.py): summary.json, data.json, environment.json, origin.json, and for
each line of rounds.jsonl (folder.py). That one grows by a line a round; every other file is written whole.

Each of them says `"format": 1`. Files without it were written before there were formats, and are read where
they hold every field that has no default; anything else is refused in one line. One more field is a line in
its record, with a default, so that older folders can still be read. One more file is a page with its record.
"""
