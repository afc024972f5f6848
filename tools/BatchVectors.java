// Record batches made, and read back, by Apache Kafka's own classes: the outside proof for kafkastatic/_records.
//
//   java -cp "$KAFKA_HOME/libs/*" tools/BatchVectors.java | gzip -9n > tests/records/vectors.jsonl.gz
//   java -cp "$KAFKA_HOME/libs/*" tools/BatchVectors.java read < lines of base64     (what Kafka makes of our bytes)
//
// One JSON object a line: name, data (base64, one or more batches), batches as Kafka reads them. All bytes, header names
// included, are base64. Written for Kafka 4.4; older releases have these classes in org.apache.kafka.common.record.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Random;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.ControlRecordType;
import org.apache.kafka.common.record.internal.EndTransactionMarker;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.record.internal.SimpleRecord;
import org.apache.kafka.common.utils.internals.BufferSupplier;

public class BatchVectors {
    static final long T = 1_700_000_000_000L;
    static final Header[] NO_HEADERS = new Header[0];

    public static void main(String[] args) throws Exception {
        if (args.length > 0) {
            BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
            for (String line = in.readLine(); line != null; line = in.readLine())
                print("read", ByteBuffer.wrap(Base64.getDecoder().decode(line.trim())));
            return;
        }
        for (CompressionType type : CompressionType.values()) {
            Compression codec = Compression.of(type).build();
            for (Shape shape : shapes()) {
                MemoryRecordsBuilder builder = builder((byte) 2, codec, TimestampType.CREATE_TIME, 1000, -1, false);
                for (SimpleRecord record : shape.records) builder.append(record);
                print(shape.name + "-" + type.name, builder.build().buffer());
            }
            MemoryRecordsBuilder appended = builder((byte) 2, codec, TimestampType.LOG_APPEND_TIME, 7, -1, false);
            for (int i = 0; i < 5; i++) appended.append(T + i, bytes("k" + i), bytes("v" + i));
            print("log-append-time-" + type.name, appended.build().buffer());

            MemoryRecordsBuilder transaction = builder((byte) 2, codec, TimestampType.CREATE_TIME, 20, 4711, true);
            for (int i = 0; i < 3; i++) transaction.append(T + i, bytes("k" + i), bytes("v" + i));
            print("transactional-" + type.name, transaction.build().buffer());

            print("compacted-" + type.name, compacted(codec, false));
            print("compacted-empty-" + type.name, compacted(codec, true));
        }
        for (ControlRecordType marker : new ControlRecordType[] {ControlRecordType.COMMIT, ControlRecordType.ABORT})
            print("control-" + marker.name().toLowerCase(), MemoryRecords.withEndTransactionMarker(
                33, T, 5, 4711, (short) 2, new EndTransactionMarker(marker, 9)).buffer());
        several();
        legacy();
    }

    /** The messages of Kafka before 0.11; without headers, and without zstd. */
    static void legacy() throws Exception {
        CompressionType[] types = {CompressionType.NONE, CompressionType.GZIP, CompressionType.SNAPPY, CompressionType.LZ4};
        for (byte magic = 0; magic < 2; magic++)
            for (CompressionType type : types) {
                Compression codec = Compression.of(type).build();
                String end = "-v" + magic + "-" + type.name;
                for (Shape shape : shapes()) {
                    if (shape.name.equals("headers") || shape.name.equals("many") && type == CompressionType.NONE) continue;
                    MemoryRecordsBuilder builder = builder(magic, codec, TimestampType.CREATE_TIME, 1000, -1, false);
                    for (SimpleRecord record : shape.records) builder.append(record);
                    print("legacy-" + shape.name + end, builder.build().buffer());
                }
                MemoryRecordsBuilder gaps = builder(magic, codec, TimestampType.CREATE_TIME, 100, -1, false);
                for (int i : new int[] {1, 3, 7}) gaps.appendWithOffset(100 + i, T + i, bytes("k" + i), bytes("v" + i));
                print("legacy-gaps" + end, gaps.build().buffer());
                if (magic == 0) continue;
                MemoryRecordsBuilder appended = builder(magic, codec, TimestampType.LOG_APPEND_TIME, 7, -1, false);
                for (int i = 0; i < 5; i++) appended.append(T + i, bytes("k" + i), bytes("v" + i));
                print("legacy-log-append-time" + end, appended.build().buffer());
            }
        ByteBuffer all = ByteBuffer.allocate(1 << 16);
        long offset = 500;
        for (byte magic = 0; magic < 3; magic++)
            for (CompressionType type : types) {
                MemoryRecordsBuilder builder =
                    builder(magic, Compression.of(type).build(), TimestampType.CREATE_TIME, offset, -1, false);
                for (int i = 0; i < 3; i++) builder.append(T + i, bytes("k" + i), bytes("value ".repeat(20)));
                all.put(builder.build().buffer());
                offset += 3;
            }
        all.flip();
        print("legacy-several", all);
    }

    record Shape(String name, List<SimpleRecord> records) {}

    static List<Shape> shapes() {
        List<Shape> shapes = new ArrayList<>();
        shapes.add(new Shape("one", List.of(new SimpleRecord(T, bytes("key"), bytes("value")))));
        List<SimpleRecord> keys = new ArrayList<>();
        for (int i = 0; i < 10; i++) keys.add(new SimpleRecord(T + i * 1000, bytes("key-" + i), bytes("value-" + i)));
        shapes.add(new Shape("keys", keys));
        shapes.add(new Shape("nulls", List.of(
            new SimpleRecord(T, null, bytes("no key")),
            new SimpleRecord(T + 1, bytes("no value"), null),
            new SimpleRecord(T + 2, (byte[]) null, null),
            new SimpleRecord(T + 3, bytes(""), bytes("")))));
        shapes.add(new Shape("headers", List.of(
            new SimpleRecord(T, bytes("k"), bytes("v"), new Header[] {header("a", "1"), header("a", "2"), header("b", "")}),
            new SimpleRecord(T, bytes("k"), bytes("v"), new Header[] {header("null", null), header("", "no name")}),
            new SimpleRecord(T, bytes("k"), bytes("v"), new Header[] {header("größe-中-😀", "x".repeat(300))}),
            new SimpleRecord(T, bytes("k"), bytes("v"), NO_HEADERS),
            new SimpleRecord(T, (byte[]) null, null, hundred()))));
        shapes.add(new Shape("times", List.of(
            new SimpleRecord(T, bytes("k"), bytes("first")),
            new SimpleRecord(T - 1, bytes("k"), bytes("earlier")),
            new SimpleRecord(0, bytes("k"), bytes("epoch")),
            new SimpleRecord(-1, bytes("k"), bytes("none")),
            new SimpleRecord(T * 1_000_000, bytes("k"), bytes("nanoseconds")))));
        byte[] noise = new byte[3000];
        new Random(1).nextBytes(noise);
        shapes.add(new Shape("large", List.of(
            new SimpleRecord(T, bytes("text"), bytes("lorem ipsum dolor ".repeat(9000))),
            new SimpleRecord(T, bytes("noise"), noise))));
        List<SimpleRecord> many = new ArrayList<>();
        for (int i = 0; i < 300; i++) many.add(new SimpleRecord(T + i * 7, bytes("" + i % 50), bytes("{\"n\":" + i + "}")));
        shapes.add(new Shape("many", many));
        return shapes;
    }

    static MemoryRecordsBuilder builder(byte magic, Compression codec, TimestampType type, long base, long producer, boolean tx) {
        return new MemoryRecordsBuilder(ByteBuffer.allocate(1 << 20), magic, codec, type, base, T + 99, producer,
            producer < 0 ? (short) -1 : (short) 3, producer < 0 ? -1 : 12, tx, false, 5, 1 << 20);
    }

    /** What the log cleaner leaves: two of five records, one of them a tombstone with a delete horizon; or none at all. */
    static ByteBuffer compacted(Compression codec, boolean all) {
        MemoryRecordsBuilder builder = builder((byte) 2, codec, TimestampType.CREATE_TIME, 100, 4711, false);
        for (int i = 0; i < 5; i++) builder.append(T + i, bytes("k" + i), i == 1 ? null : bytes("v" + i));
        ByteBuffer out = ByteBuffer.allocate(1 << 16);
        builder.build().filterTo(new MemoryRecords.RecordFilter(T + 5000, 60_000) {
            @Override
            protected BatchRetentionResult checkBatchRetention(RecordBatch batch) {
                return new BatchRetentionResult(BatchRetention.RETAIN_EMPTY, false);
            }

            @Override
            protected boolean shouldRetainRecord(RecordBatch batch, Record record) {
                return !all && (record.offset() == 101 || record.offset() == 103);
            }
        }, out, BufferSupplier.NO_CACHING, 1 << 20);
        out.flip();
        return out;
    }

    static void several() throws Exception {
        ByteBuffer all = ByteBuffer.allocate(1 << 16);
        long offset = 500;
        for (CompressionType type : CompressionType.values()) {
            Compression codec = Compression.of(type).build();
            MemoryRecordsBuilder builder = builder((byte) 2, codec, TimestampType.CREATE_TIME, offset, -1, false);
            for (int i = 0; i < 4; i++) builder.append(T + i, bytes("k" + i), bytes("value ".repeat(20)));
            all.put(builder.build().buffer());
            offset += 4;
        }
        all.flip();
        print("several", all);
    }

    static Header[] hundred() {
        Header[] headers = new Header[100];
        for (int i = 0; i < headers.length; i++) headers[i] = header("h" + i, "" + i);
        return headers;
    }

    static Header header(String name, String value) {
        return new RecordHeader(name, value == null ? null : bytes(value));
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static void print(String name, ByteBuffer data) throws Exception {
        StringBuilder out = new StringBuilder();
        out.append("{\"name\":\"").append(name).append("\",\"data\":").append(base64(data)).append(",\"batches\":[");
        String comma = "";
        for (RecordBatch batch : MemoryRecords.readableRecords(data.duplicate()).batches()) {
            batch.ensureValid();
            out.append(comma).append("{\"magic\":").append(batch.magic());
            out.append(",\"base_offset\":").append(batch.baseOffset());
            out.append(",\"last_offset\":").append(batch.lastOffset());
            out.append(",\"next_offset\":").append(batch.nextOffset());
            out.append(",\"count\":").append(batch.countOrNull());
            out.append(",\"leader_epoch\":").append(batch.partitionLeaderEpoch());
            out.append(",\"max_timestamp\":").append(batch.maxTimestamp());
            out.append(",\"timestamp_type\":").append(batch.timestampType().id);
            out.append(",\"codec\":").append(batch.compressionType().id);
            out.append(",\"is_control\":").append(batch.isControlBatch());
            out.append(",\"is_transactional\":").append(batch.isTransactional());
            out.append(",\"producer_id\":").append(batch.producerId());
            out.append(",\"producer_epoch\":").append(batch.producerEpoch());
            out.append(",\"base_sequence\":").append(batch.baseSequence());
            out.append(",\"crc\":").append(batch.checksum());
            out.append(",\"size\":").append(batch.sizeInBytes());
            out.append(",\"records\":[");
            String inner = "";
            for (Record record : batch) {
                out.append(inner).append("[").append(record.offset()).append(",").append(record.timestamp()).append(",");
                out.append(base64(record.key())).append(",").append(base64(record.value())).append(",[");
                String innermost = "";
                for (Header header : record.headers()) {
                    out.append(innermost).append("[").append(base64(ByteBuffer.wrap(bytes(header.key())))).append(",");
                    out.append(base64(header.value() == null ? null : ByteBuffer.wrap(header.value()))).append("]");
                    innermost = ",";
                }
                out.append("]]");
                inner = ",";
            }
            out.append("]}");
            comma = ",";
        }
        System.out.println(out.append("]}"));
    }

    static String base64(ByteBuffer data) {
        if (data == null) return "null";
        byte[] copy = new byte[data.remaining()];
        data.duplicate().get(copy);
        return '"' + Base64.getEncoder().encodeToString(copy) + '"';
    }
}
