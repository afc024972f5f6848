# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The records of one batch, compiled: the twin of `record.py` and `plain.py`, equal to them record for record and error
for error (tests/records/test_records_twins.py). What its classes and functions promise is written there.

Three things make it quick: a record is parsed into a C struct, and becomes objects only when all of it is in order;
it is made without `__new__` and `__init__`; and the garbage collector does not know of it.

The last one needs care. A `ConsumerRecord` can be part of a cycle, but only through something that the application put
into it: bytes lead nowhere. So a decoded record begins untracked, as a tuple of bytes ends, and is tracked from the
moment that it is given anything the collector would want to look into. One that the application makes always is.

Every byte read has had its bounds check, here and when the fields of a `RecordView` are made: nobody but a producer
vouches for these bytes.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_New, PyTuple_SET_ITEM
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint32_t, uint64_t

from types import GenericAlias

from kafkastatic._records.record import as_datetime, restored
from kafkastatic.types import TopicPartition

cdef class ConsumerRecord
cdef class RecordView
cdef class _Source

cdef extern from *:
    """
    typedef const unsigned char *Place;

    /* New objects whose fields are garbage: the line behind each of them fills them in, and nothing can fail between. */
    #define NEW_RECORD(type) ((PyObject *) PyObject_GC_New(PyObject, (PyTypeObject *) (type)))
    #define NEW_VIEW(type) ((PyObject *) PyObject_New(PyObject, (PyTypeObject *) (type)))
    #define FILL_RECORD(record, t, k, v, h) (Py_INCREF(t), (record)->_topic = (t), Py_INCREF(k), (record)->_key = (k), \\
        Py_INCREF(v), (record)->_value = (v), Py_INCREF(h), (record)->_headers = (h))
    #define FILL_VIEW(view, source) (Py_INCREF(source), (view)->_source = (source))

    static CYTHON_INLINE PyObject *bytes_or_none(Place at, int32_t size) {
        if (size >= 0) return PyBytes_FromStringAndSize((const char *) at, size);
        Py_INCREF(Py_None);
        return Py_None;
    }

    static CYTHON_INLINE int is_ascii(PyObject *name, Place at, int32_t size) {
        return PyUnicode_IS_COMPACT_ASCII(name) && PyUnicode_GET_LENGTH(name) == size &&
            memcmp(PyUnicode_DATA(name), at, (size_t) size) == 0;
    }
    """
    ctypedef const unsigned char* Place
    ConsumerRecord NEW_RECORD(type)
    RecordView NEW_VIEW(type)
    void FILL_RECORD(ConsumerRecord, object topic, object key, object value, object headers)
    void FILL_VIEW(RecordView, _Source)
    object bytes_or_none(Place, int32_t)
    bint is_ascii(object, Place, int32_t)

cdef extern from "Python.h":
    object PyUnicode_DecodeUTF8(const char*, Py_ssize_t, const char*)
    object PyUnicode_FromObject(object)
    bint PyObject_IS_GC(object)
    bint PyObject_GC_IsTracked(object)
    void PyObject_GC_Track(void*)
    void PyObject_GC_UnTrack(void*)
    int PyList_SetSlice(object, Py_ssize_t, Py_ssize_t, PyObject*) except -1

cdef enum:
    SHORTEST = 7  # bytes of a record: its length, attributes, time, offset, key, value and headers
    SLICE = 1024  # records, headers or KiB between two turns for other threads

cdef tuple NO_HEADERS = ()


@cython.trashcan(True)  # records that lead to records, a million of them, must not use up the stack when they go
cdef class ConsumerRecord:
    """One record of a partition.

    Attributes:
        topic, partition, offset: where it is.
        timestamp: milliseconds since the epoch; -1 where the producer gave none.
        timestamp_type: 0 the producer's time (CreateTime), 1 the broker's (LogAppendTime), -1 none (message format 0).
        key, value: bytes, or what the deserializers made of them; `None` for Kafka's null.
        headers: in the producer's order; names may repeat, values may be `None`.
        leader_epoch: the leader's epoch when the record was appended; -1 where unknown.
        serialized_key_size, serialized_value_size: in bytes, before deserialization; -1 for null.
    """

    cdef object _topic
    cdef object _key
    cdef object _value
    cdef object _headers
    cdef public int64_t offset
    cdef public int64_t timestamp
    cdef public int32_t partition
    cdef public int32_t timestamp_type
    cdef public int32_t leader_epoch
    cdef public int32_t serialized_key_size
    cdef public int32_t serialized_value_size

    def __init__(
        self,
        topic,
        int32_t partition,
        int64_t offset,
        int64_t timestamp,
        int32_t timestamp_type,
        key,
        value,
        headers=NO_HEADERS,
        int32_t leader_epoch=-1,
        int32_t serialized_key_size=-1,
        int32_t serialized_value_size=-1,
    ):
        self._topic = topic
        self.partition = partition
        self.offset = offset
        self.timestamp = timestamp
        self.timestamp_type = timestamp_type
        self._key = key
        self._value = value
        self._headers = headers
        self.leader_epoch = leader_epoch
        self.serialized_key_size = serialized_key_size
        self.serialized_value_size = serialized_value_size
        for given in (topic, key, value, headers):  # where a decoded record is made anew, it may not be tracked yet
            _track(self, given)

    @property
    def topic(self):
        return self._topic

    @topic.setter
    def topic(self, topic):
        self._topic = topic
        _track(self, topic)

    @property
    def key(self):
        return self._key

    @key.setter
    def key(self, key):
        self._key = key
        _track(self, key)

    @property
    def value(self):
        return self._value

    @value.setter
    def value(self, value):
        self._value = value
        _track(self, value)

    @property
    def headers(self):
        return self._headers

    @headers.setter
    def headers(self, headers):
        self._headers = headers
        _track(self, headers)

    @property
    def tp(self):
        """The record's topic and partition."""
        return TopicPartition(self._topic, self.partition)

    @property
    def datetime(self):
        """The timestamp as an aware UTC datetime.

        Raises:
            OverflowError: the timestamp is outside the years 1 to 9999.
        """
        return as_datetime(self.timestamp)

    @classmethod
    def __class_getitem__(cls, parameters):
        return GenericAlias(cls, parameters)

    def _fields(self):
        return (
            self._topic,
            self.partition,
            self.offset,
            self.timestamp,
            self.timestamp_type,
            self._key,
            self._value,
            self._headers,
            self.leader_epoch,
            self.serialized_key_size,
            self.serialized_value_size,
        )

    def __eq__(self, other):
        return self._fields() == other._fields() if isinstance(other, ConsumerRecord) else NotImplemented

    __hash__ = None

    def __copy__(self):
        return type(self)(*self._fields())

    def __reduce__(self):
        return restored, self._fields()

    def __repr__(self):
        return (
            f"ConsumerRecord(topic={self._topic!r}, partition={self.partition}, offset={self.offset},"
            f" timestamp={self.timestamp}, timestamp_type={self.timestamp_type}, key={self._key!r},"
            f" value={self._value!r}, headers={self._headers!r}, leader_epoch={self.leader_epoch},"
            f" serialized_key_size={self.serialized_key_size}, serialized_value_size={self.serialized_value_size})"
        )


cdef inline void _track(ConsumerRecord record, given) noexcept:
    if PyObject_IS_GC(given) and not PyObject_GC_IsTracked(record):
        PyObject_GC_Track(<void*>record)


cdef class _Source:
    """What the views of one batch share: its bytes, held for as long as one of them lives."""

    cdef object view
    cdef Py_buffer buffer
    cdef object topic
    cdef int32_t partition
    cdef int32_t timestamp_type
    cdef int32_t leader_epoch

    def __cinit__(self, data, topic, int32_t partition, int32_t timestamp_type, int32_t leader_epoch):
        PyObject_GetBuffer(data, &self.buffer, PyBUF_SIMPLE)
        self.view = memoryview(data)
        self.topic = topic
        self.partition = partition
        self.timestamp_type = timestamp_type
        self.leader_epoch = leader_epoch

    def __dealloc__(self):
        PyBuffer_Release(&self.buffer)

    cdef slice(self, Py_ssize_t at, int32_t size):
        return None if size < 0 else self.view[at : at + size]


@cython.final
@cython.no_gc
cdef class RecordView:
    """A record whose key, value and headers stay in the bytes of its batch until they are asked for.

    The attributes are those of `ConsumerRecord`, but key and value are memoryviews, and none can be replaced. A view,
    and every key and value taken from it, keeps the bytes of the whole batch in memory.
    """

    cdef _Source _source
    cdef readonly int64_t offset
    cdef readonly int64_t timestamp
    cdef Py_ssize_t _key_at
    cdef Py_ssize_t _value_at
    cdef Py_ssize_t _headers_at
    cdef int32_t _header_count
    cdef readonly int32_t serialized_key_size
    cdef readonly int32_t serialized_value_size

    def __cinit__(self):
        raise TypeError("a RecordView is made by decoding a batch only")

    @property
    def topic(self):
        return self._source.topic

    @property
    def partition(self):
        return self._source.partition

    @property
    def timestamp_type(self):
        return self._source.timestamp_type

    @property
    def leader_epoch(self):
        return self._source.leader_epoch

    @property
    def key(self):
        return self._source.slice(self._key_at, self.serialized_key_size)

    @property
    def value(self):
        return self._source.slice(self._value_at, self.serialized_value_size)

    @property
    def headers(self):
        cdef Place start = <Place>self._source.buffer.buf
        return _headers(start + self._headers_at, start + self._source.buffer.len, self._header_count, NO_HEADERS)

    @property
    def tp(self):
        """The record's topic and partition."""
        return TopicPartition(self._source.topic, self._source.partition)

    @property
    def datetime(self):
        """The timestamp as an aware UTC datetime.

        Raises:
            OverflowError: the timestamp is outside the years 1 to 9999.
        """
        return as_datetime(self.timestamp)

    def _fields(self):
        return (
            self.topic,
            self.partition,
            self.offset,
            self.timestamp,
            self.timestamp_type,
            self.key,
            self.value,
            self.headers,
            self.leader_epoch,
            self.serialized_key_size,
            self.serialized_value_size,
        )

    def __eq__(self, other):
        return self._fields() == other._fields() if isinstance(other, RecordView) else NotImplemented

    __hash__ = None

    def __reduce__(self):
        raise TypeError("a RecordView cannot be copied or pickled: its bytes are its batch's")

    def __repr__(self):
        return (
            f"RecordView(topic={self.topic!r}, partition={self.partition}, offset={self.offset},"
            f" timestamp={self.timestamp}, serialized_key_size={self.serialized_key_size},"
            f" serialized_value_size={self.serialized_value_size})"
        )


def decode_records(
    data,
    topic,
    int32_t partition,
    int32_t count,
    int64_t base_offset,
    int64_t base_timestamp,
    append_timestamp,
    int32_t leader_epoch,
    int64_t from_offset,
):
    """Decode exactly `count` records from the uncompressed bytes behind a batch's header: see `plain.decode_records`."""
    cdef Py_buffer buffer
    PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE)
    try:
        return _decode(
            <Place>buffer.buf, buffer.len, PyUnicode_FromObject(topic), partition, count, base_offset, base_timestamp,
            append_timestamp, leader_epoch, from_offset, None,
        )
    finally:
        PyBuffer_Release(&buffer)


def decode_views(
    data,
    topic,
    int32_t partition,
    int32_t count,
    int64_t base_offset,
    int64_t base_timestamp,
    append_timestamp,
    int32_t leader_epoch,
    int64_t from_offset,
):
    """The same as `RecordView`s, which keep `data`: see `plain.decode_views`."""
    cdef _Source source = _Source(data, topic, partition, append_timestamp is not None, leader_epoch)
    return _decode(
        <Place>source.buffer.buf, source.buffer.len, topic, partition, count, base_offset, base_timestamp,
        append_timestamp, leader_epoch, from_offset, source,
    )


def view_of(ConsumerRecord record not None):
    """A record of an old message format, which has no headers, with views of its bytes."""
    cdef bytes key = record._key
    cdef bytes value = record._value
    cdef Py_ssize_t key_size = len(key) if key is not None else 0
    cdef _Source source = _Source(
        (key or b"") + (value or b""), record._topic, record.partition, record.timestamp_type, record.leader_epoch
    )
    cdef RecordView view = NEW_VIEW(RecordView)
    FILL_VIEW(view, source)
    view.offset = record.offset
    view.timestamp = record.timestamp
    view._key_at = 0
    view._value_at = key_size
    view._headers_at = 0
    view._header_count = 0
    view.serialized_key_size = -1 if key is None else <int32_t>key_size
    view.serialized_value_size = -1 if value is None else <int32_t>len(value)
    return view


cdef struct Parsed:
    # What a record's bytes say; where there is nothing, a size is -1.
    int64_t delta  # of its offset
    uint64_t elapsed  # milliseconds behind the batch's base timestamp, modulo 2**64
    Place key
    int32_t key_size
    Place value
    int32_t value_size
    Place headers  # the first header's name
    int32_t header_count


cdef list _decode(
    Place start,
    Py_ssize_t size,
    topic,
    int32_t partition,
    int32_t count,
    int64_t base_offset,
    int64_t base_timestamp,
    append_timestamp,
    int32_t leader_epoch,
    int64_t from_offset,
    _Source source,
):
    cdef Place at = start
    cdef Place end = start + size
    cdef Parsed parsed
    cdef int64_t last = -1
    # The first offset wanted, as a delta; unsigned, because that difference of two int64 always fits.
    cdef uint64_t first = <uint64_t>from_offset - <uint64_t>base_offset if from_offset > base_offset else 0
    cdef bint appended = append_timestamp is not None
    cdef int64_t append_time = append_timestamp if appended else 0
    cdef int64_t timestamp
    cdef int32_t i
    cdef Py_ssize_t work = 0  # since others had their turn
    cdef Place before
    cdef Py_ssize_t found = 0
    cdef Py_ssize_t room = min(<Py_ssize_t>count, size // SHORTEST)  # a forged count reserves nothing
    cdef tuple headers = NO_HEADERS
    cdef ConsumerRecord record
    cdef RecordView view
    cdef list records = PyList_New(max(room, 0))
    PyObject_GC_UnTrack(<void*>records)  # until it is full, nobody may come across it
    for i in range(count):
        if work >= SLICE:
            work = 0
            _let_others_run()
        before = at
        if _parse(&at, end, last, first, &parsed):
            last = parsed.delta
            work += 1
            continue
        last = parsed.delta
        work += 1 + ((at - before) >> 10)
        timestamp = append_time if appended else <int64_t>(<uint64_t>base_timestamp + parsed.elapsed)
        if source is None:
            key = bytes_or_none(parsed.key, parsed.key_size)
            value = bytes_or_none(parsed.value, parsed.value_size)
            headers = _headers(parsed.headers, at, parsed.header_count, headers) if parsed.header_count else NO_HEADERS
            record = NEW_RECORD(ConsumerRecord)
            FILL_RECORD(record, topic, key, value, headers)
            record.offset = <int64_t>(<uint64_t>base_offset + <uint64_t>last)
            record.timestamp = timestamp
            record.partition = partition
            record.timestamp_type = appended
            record.leader_epoch = leader_epoch
            record.serialized_key_size = parsed.key_size
            record.serialized_value_size = parsed.value_size
            Py_INCREF(record)
            PyList_SET_ITEM(records, found, record)
        else:
            view = NEW_VIEW(RecordView)
            FILL_VIEW(view, source)
            view.offset = <int64_t>(<uint64_t>base_offset + <uint64_t>last)
            view.timestamp = timestamp
            view._key_at = parsed.key - start
            view._value_at = parsed.value - start
            view._headers_at = parsed.headers - start
            view._header_count = parsed.header_count
            view.serialized_key_size = parsed.key_size
            view.serialized_value_size = parsed.value_size
            Py_INCREF(view)
            PyList_SET_ITEM(records, found, view)
        found += 1
    if at != end:
        raise ValueError(f"bytes are left behind {count} records")
    if base_offset > 0 and last > INT64_MAX - base_offset:
        raise ValueError("a record's offset is out of range")
    if found < room:
        PyList_SetSlice(records, found, room, NULL)
    PyObject_GC_Track(<void*>records)
    return records


cdef inline bint _parse(Place* at, Place end, int64_t last, uint64_t first, Parsed* parsed) except? -1:
    """Check and take apart the record at `at`, which is moved behind it; whether it is one of those before `first`."""
    cdef uint32_t number
    cdef Place behind
    _varint(at, end, &number)
    if number & 1 or number >> 1 > end - at[0]:
        raise ValueError("a record's length is out of bounds")
    behind = at[0] + (number >> 1)
    at[0] += 1  # attributes: none are defined
    _varlong(at, end, &parsed.elapsed)
    _varint(at, end, &number)
    parsed.delta = _signed(number)
    if parsed.delta <= last:
        raise ValueError("the records' offsets do not ascend")
    if <uint64_t>parsed.delta < first:
        at[0] = behind
        return True
    _content(at, end, &parsed.key, &parsed.key_size)
    _content(at, end, &parsed.value, &parsed.value_size)
    _varint(at, end, &number)
    parsed.headers = at[0]
    parsed.header_count = number >> 1
    if number:
        _skip_headers(at, end, number)
    if at[0] != behind:
        raise ValueError("a record's length and its contents disagree")
    return False


cdef int _skip_headers(Place* at, Place end, uint32_t number) except -1:
    cdef uint32_t i
    cdef Place content
    cdef int32_t size
    if number & 1:
        raise ValueError("a record's number of headers is negative")
    for i in range(number >> 1):
        if i % SLICE == SLICE - 1:
            _let_others_run()
        _content(at, end, &content, &size)
        if size < 0:
            raise ValueError("a header's name is null")
        _content(at, end, &content, &size)
    return 0


cdef tuple _headers(Place at, Place end, int32_t count, tuple previous):
    """The headers at `at`, with the strings of the `previous` record's names where they are the same.

    They have been checked, but the bytes need not be constant: whoever reads them, looks again.
    """
    cdef tuple headers = PyTuple_New(count)
    cdef tuple header
    cdef Place content
    cdef int32_t size
    cdef int32_t i
    PyObject_GC_UnTrack(<void*>headers)  # it leads to strings and bytes only, as each header does
    for i in range(count):
        if i % SLICE == SLICE - 1:
            _let_others_run()
        _content(&at, end, &content, &size)
        size = max(size, 0)
        name = (<tuple>previous[i])[0] if i < len(previous) else ""
        if not is_ascii(name, content, size):
            name = PyUnicode_DecodeUTF8(<const char*>content, size, "replace")  # as Java does
        _content(&at, end, &content, &size)
        header = (name, bytes_or_none(content, size))
        PyObject_GC_UnTrack(<void*>header)
        Py_INCREF(header)
        PyTuple_SET_ITEM(headers, i, header)
    return headers


cdef inline int _content(Place* at, Place end, Place* content, int32_t* size) except -1:
    """Read a length and pass over what it spans: null where it is -1, or as in Kafka's own decoder any negative one."""
    cdef uint32_t number
    _varint(at, end, &number)
    content[0] = at[0]
    if number & 1:
        size[0] = -1
        return 0
    size[0] = number >> 1
    if size[0] > end - at[0]:
        _ends_early()
    at[0] += size[0]
    return 0


cdef inline int32_t _signed(uint32_t number) noexcept:
    return <int32_t>((number >> 1) ^ -(number & 1))


cdef inline int _varint(Place* at, Place end, uint32_t* number) except -1:
    """Read an unsigned varint of up to five bytes; zigzag is left to the caller."""
    cdef uint64_t long_number
    if not _short_varint(at, end, number):
        _long_varint(at, end, 5, &long_number)
        number[0] = <uint32_t>long_number
    return 0


cdef inline int _varlong(Place* at, Place end, uint64_t* number) except -1:
    """Read a zigzag varint of up to ten bytes."""
    cdef uint32_t short_number
    if _short_varint(at, end, &short_number):
        number[0] = short_number
    else:
        _long_varint(at, end, 10, number)
    number[0] = (number[0] >> 1) ^ -(number[0] & 1)
    return 0


cdef inline bint _short_varint(Place* at, Place end, uint32_t* number) noexcept:
    """Read a varint of one or two bytes, which most are; false, and nothing read, where it is another."""
    cdef Place here = at[0]
    if end - here < 2:  # a record's last varint may end the data: the long way is right for any
        return False
    if here[0] < 128:
        number[0] = here[0]
        at[0] = here + 1
        return True
    if here[1] < 128:
        number[0] = here[0] & 127 | here[1] << 7
        at[0] = here + 2
        return True
    return False


cdef int _long_varint(Place* at, Place end, int longest, uint64_t* number) except -1:
    cdef uint64_t byte
    cdef int i
    number[0] = 0
    for i in range(longest):
        if at[0] >= end:
            _ends_early()
        byte = at[0][0]
        at[0] += 1
        number[0] |= (byte & 127) << 7 * i
        if byte < 128:
            if number[0] >> 32 if longest == 5 else i == 9 and byte > 1:
                raise ValueError("a varint is out of range")
            return 0
    raise ValueError("a varint does not end")


cdef int _ends_early() except -1:
    raise ValueError("the records end in the middle of one")


cdef int _let_others_run() except -1:
    """Whoever waits for the interpreter gets it now: letting go of it for an instant has been seen to be enough."""
    with nogil:
        pass
    return 0
