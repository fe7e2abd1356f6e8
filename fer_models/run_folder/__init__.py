"""The run folder: everything a run writes, and the only input of reports.

A frozen record per file, its fields documented one by one, with one reader and one writer (`Record.read` and
`Record.write`, files.py): summary.json, data.json, environment.json, origin.json, and one record per line of
rounds.jsonl (folder.py). That file grows by a line per round; all others are written atomically.

Each has `"format": 1`. Files without it predate formats and are read if they have every field without a
default; anything else is refused in one line. To add a field, add a line with a default to its record, so
that older folders can still be read. To add a file, write a page with its record.
"""
