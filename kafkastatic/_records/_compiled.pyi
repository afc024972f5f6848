# The compiled twins have the faces of the plain ones.
from kafkastatic._records.plain import decode_records as decode_records
from kafkastatic._records.plain import decode_views as decode_views
from kafkastatic._records.plain import view_of as view_of
from kafkastatic._records.record import ConsumerRecord as ConsumerRecord
from kafkastatic._records.record import RecordView as RecordView
