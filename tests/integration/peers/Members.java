import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Members of groups by Kafka's own consumer, as many as are asked for, each in a thread of its own.
 *
 * Commands, a line each: `start ID TOPIC OPTION=VALUE...`, and `stop ID`, which commits and leaves. What happens is
 * printed, a line each: `ID owns PARTITION...` after each change, `ID record PARTITION OFFSET`, and `ID ended`.
 * The end of the input ends it all.
 */
public class Members {
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    public static void main(String[] arguments) throws Exception {
        Map<String, KafkaConsumer<byte[], byte[]>> consumers = new HashMap<>();
        OUT.println("ready");
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            String[] words = line.split(" ");
            String id = words[1];
            if (words[0].equals("stop")) {
                consumers.remove(id).wakeup();
                continue;
            }
            KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(options(words));
            consumers.put(id, consumer);
            Thread thread = new Thread(() -> run(id, words[2], consumer), id);
            thread.setDaemon(true);
            thread.start();
        }
    }

    private static Properties options(String[] words) {
        Properties options = new Properties();
        options.put("key.deserializer", ByteArrayDeserializer.class.getName());
        options.put("value.deserializer", ByteArrayDeserializer.class.getName());
        for (String word : Arrays.copyOfRange(words, 3, words.length)) {
            String[] option = word.split("=", 2);
            options.put(option[0], option[1]);
        }
        return options;
    }

    private static void run(String id, String topic, KafkaConsumer<byte[], byte[]> consumer) {
        try (consumer) {
            consumer.subscribe(List.of(topic), new ConsumerRebalanceListener() {
                @Override
                public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                    OUT.println(id + " owns");
                }

                @Override
                public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                    OUT.println(id + " owns " + consumer.assignment().stream()
                        .map(tp -> Integer.toString(tp.partition())).collect(Collectors.joining(" ")));
                }
            });
            while (true) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(500))) {
                    OUT.println(id + " record " + record.partition() + " " + record.offset());
                }
            }
        } catch (WakeupException end) {
            // closed, and so left
        }
        OUT.println(id + " ended");
    }
}
