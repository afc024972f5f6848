"""What a broker answers, field by field: the same scripts against the embedded broker and against real ones.

`scripts/` are the scenarios, `session.py` what they are written with, `transcript.py` how answers are written down,
`recorded/` what real brokers answered, `differences.py` where an answer may differ and why, `record.py` the command
that records again.
"""
