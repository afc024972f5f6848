"""Record batches to records, and back: pure functions over bytes.

`split` walks what a fetch brought, `decode` turns one batch into records when they are handed out, `encode_batch`
makes a batch. `ConsumerRecord` and `decode` are plain Python here; a compiled twin takes their place where it exists.
"""

from kafkastatic._records.batch import RawBatch, Split, decode, decoding_time, is_abort_marker, split
from kafkastatic._records.encoder import encode_batch
from kafkastatic._records.record import ConsumerRecord

RecordView = ConsumerRecord  # TEMP

__all__ = ["ConsumerRecord", "RawBatch", "Split", "decode", "decoding_time", "encode_batch", "is_abort_marker", "split"]
