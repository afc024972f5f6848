import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Reads one topic with Kafka's own client, in a group: Reader BOOTSTRAP TOPIC GROUP COUNT TUNED VERSION; prints JSON. */
public final class Reader {
    public static void main(String[] args) throws IOException {
        long count = Long.parseLong(args[3]);
        Properties properties = new Properties();
        properties.put("bootstrap.servers", args[0]);
        properties.put("group.id", args[2]);
        properties.put("auto.offset.reset", "earliest");
        properties.put("key.deserializer", ByteArrayDeserializer.class.getName());
        properties.put("value.deserializer", ByteArrayDeserializer.class.getName());
        if (args[4].equals("true")) {
            properties.put("max.partition.fetch.bytes", 4 << 20);
            properties.put("fetch.max.bytes", 50_000_000);
            properties.put("max.poll.records", 10_000);
        }
        double before = cpu();
        long began = System.nanoTime();
        long first = 0;
        long records = 0;
        long size = 0;
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(properties)) {
            consumer.subscribe(List.of(args[1]));
            while (records < count) {
                ConsumerRecords<byte[], byte[]> found = consumer.poll(Duration.ofSeconds(1));
                if (first == 0 && !found.isEmpty()) first = System.nanoTime() - began;
                for (ConsumerRecord<byte[], byte[]> record : found) size += record.value().length;
                records += found.count();
            }
            double wall = (System.nanoTime() - began) / 1e9;
            System.out.printf(
                java.util.Locale.ROOT,
                "{\"records\": %d, \"bytes\": %d, \"wall\": %.6f, \"first\": %.6f, \"cpu\": %.2f, \"rss_mb\": %.1f,"
                    + " \"versions\": {\"kafka-clients\": \"%s\", \"java\": \"%s\"}}%n",
                records, size, wall, first / 1e9, cpu() - before, rss(), args[5],
                System.getProperty("java.version"));
        }
    }

    /** User and system seconds of this process, all threads included (the JIT's and the collector's too). */
    private static double cpu() throws IOException {
        String stat = Files.readString(Path.of("/proc/self/stat"), StandardCharsets.UTF_8);
        String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
        return (Long.parseLong(fields[11]) + Long.parseLong(fields[12])) / 100.0; // ticks; Linux has 100 a second
    }

    private static double rss() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmHWM:")) return Long.parseLong(line.replaceAll("\\D", "")) / 1024.0;
        }
        return 0;
    }

    private Reader() {}
}
