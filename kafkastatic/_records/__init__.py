"""Record batches to records, and back: pure functions over bytes.

`split` walks what a fetch brought, `decode` turns one batch into records when they are handed out, `encode_batch`
makes a batch. Records and what decodes them exist twice, compiled and in plain Python: `chosen.py` has the ones in use.
"""

from kafkastatic._records.batch import RawBatch, Split, decode, decoding_time, is_abort_marker, split
from kafkastatic._records.chosen import ConsumerRecord, RecordView
from kafkastatic._records.encoder import encode_batch

__all__ = [
    "ConsumerRecord",
    "RawBatch",
    "RecordView",
    "Split",
    "decode",
    "decoding_time",
    "encode_batch",
    "is_abort_marker",
    "split",
]
