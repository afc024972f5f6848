import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * A member of a group by Kafka's own consumer: `Member TOPIC NAME=VALUE...`, the latter being its options.
 *
 * It prints a line for every change and every record: `owns PARTITION...` after each rebalance, and
 * `record PARTITION OFFSET`. When its standard input ends it commits, leaves and ends.
 */
public class Member {
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    public static void main(String[] arguments) throws Exception {
        Properties options = new Properties();
        for (int index = 1; index < arguments.length; index++) {
            String[] option = arguments[index].split("=", 2);
            options.put(option[0], option[1]);
        }
        options.put("key.deserializer", ByteArrayDeserializer.class.getName());
        options.put("value.deserializer", ByteArrayDeserializer.class.getName());
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(options)) {
            Thread watch = new Thread(() -> {
                try {
                    while (System.in.read() >= 0) { }
                } catch (java.io.IOException end) {
                    // as good as the end of the input
                }
                consumer.wakeup();
            });
            watch.setDaemon(true);
            watch.start();
            consumer.subscribe(List.of(arguments[0]), new ConsumerRebalanceListener() {
                @Override
                public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                    if (!partitions.isEmpty()) {
                        OUT.println("owns");
                    }
                }

                @Override
                public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                    List<String> owned = new ArrayList<>();
                    consumer.assignment().forEach(tp -> owned.add(Integer.toString(tp.partition())));
                    OUT.println("owns " + String.join(" ", owned));
                }
            });
            while (true) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(500))) {
                    OUT.println("record " + record.partition() + " " + record.offset());
                }
            }
        } catch (WakeupException end) {
            // closed, and so left
        }
    }
}
