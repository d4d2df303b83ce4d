"""Quality inspection (质检): what was measured and found in a call, how people judge it, and what came of that.

Pure: `activity` (who spoke when, of the samples), `talk` (silence, overtalk, interruptions), `rules` (thresholds and
lists as data), `words` (what was said), `inspect` (all of it for one call), `card` (score cards), `sampling`,
`agreement`, `review` (the states of a score). Doors: `pinyin` (the library of readings), `worker` (the process that
does it), `process` (that process, seen from the event loop), `sql` (the disk), `figures_sql` (counts over many calls).
"""
