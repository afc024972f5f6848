import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Assignment;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.GroupSubscription;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Subscription;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.common.Cluster;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;

/**
 * Prints what Kafka's own RangeAssignor and RoundRobinAssignor make of random groups, a JSON object a line.
 *
 * The groups come from a fixed seed: 1 to 12 members with and without instance ids, of alike or differing
 * subscriptions, to topics of 1 to 17 partitions and to topics that are missing. Brokers and members have no racks.
 */
public class Assignors {
    private static final int GROUPS = 1500;
    private static final String[] TOPICS = {"orders", "refunds", "a", "b.c", "Z", "t-10", "t-9", "missing", "gone"};
    private static final Node NODE = new Node(1, "localhost", 9092);
    private static final ObjectMapper MAPPER = new ObjectMapper();

    public static void main(String[] arguments) throws Exception {
        Random random = new Random(345);
        for (int number = 0; number < GROUPS; number++) {
            Map<String, Integer> partitions = partitions(random);
            Map<String, Subscription> members = members(random);
            ObjectNode line = MAPPER.createObjectNode();
            line.set("partitions", MAPPER.valueToTree(partitions));
            ArrayNode described = line.putArray("members");
            members.forEach((id, subscription) -> {
                ObjectNode member = described.addObject().put("id", id);
                member.put("instance", subscription.groupInstanceId().orElse(null));
                member.set("topics", MAPPER.valueToTree(subscription.topics()));
            });
            for (ConsumerPartitionAssignor assignor : List.of(new RangeAssignor(), new RoundRobinAssignor())) {
                line.set(assignor.name(), assigned(assignor, partitions, members));
            }
            System.out.println(MAPPER.writeValueAsString(line));
        }
    }

    private static Map<String, Integer> partitions(Random random) {
        Map<String, Integer> found = new TreeMap<>();
        for (int index = 0; index < TOPICS.length - 2; index++) {
            if (random.nextInt(4) > 0) {
                found.put(TOPICS[index], 1 + random.nextInt(17));
            }
        }
        return found;
    }

    private static Map<String, Subscription> members(Random random) {
        boolean alike = random.nextInt(3) == 0;
        List<String> shared = topics(random);
        List<Integer> instances = new ArrayList<>();
        for (int index = 0; index < 12; index++) {
            instances.add(index);
        }
        java.util.Collections.shuffle(instances, random);
        Map<String, Subscription> found = new HashMap<>();
        int count = 1 + random.nextInt(12);
        for (int index = 0; index < count; index++) {
            Subscription subscription = new Subscription(alike ? shared : topics(random));
            if (random.nextBoolean()) {
                subscription.setGroupInstanceId(Optional.of("billing-" + instances.get(index)));
            }
            found.put("member-" + Integer.toHexString(random.nextInt(1 << 20)) + "-" + index, subscription);
        }
        return found;
    }

    private static List<String> topics(Random random) {
        List<String> found = new ArrayList<>();
        for (String topic : TOPICS) {
            if (random.nextInt(5) < 3) {
                found.add(topic);
            }
        }
        java.util.Collections.shuffle(found, random);
        return found;
    }

    private static ObjectNode assigned(
            ConsumerPartitionAssignor assignor, Map<String, Integer> partitions, Map<String, Subscription> members) {
        List<PartitionInfo> all = new ArrayList<>();
        Node[] replicas = {NODE};
        partitions.forEach((topic, count) -> {
            for (int index = 0; index < count; index++) {
                all.add(new PartitionInfo(topic, index, NODE, replicas, replicas));
            }
        });
        Cluster cluster = new Cluster("cluster", List.of(NODE), all, Set.of(), new HashSet<>());
        Map<String, Assignment> made = assignor.assign(cluster, new GroupSubscription(members)).groupAssignment();
        ObjectNode found = MAPPER.createObjectNode();
        made.forEach((member, assignment) -> {
            ArrayNode list = found.putArray(member);
            for (TopicPartition tp : assignment.partitions()) {
                list.addArray().add(tp.topic()).add(tp.partition());
            }
        });
        return found;
    }
}
