import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Assignment;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.GroupSubscription;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Subscription;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.StickyAssignor;
import org.apache.kafka.common.Cluster;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;

/**
 * Prints what Kafka's own StickyAssignor and CooperativeStickyAssignor make of random groups, a JSON object a line.
 *
 * The groups come from a fixed seed and live through several generations each, which Kafka's assignor assigns: members
 * join, leave, start again under their instance id, change what they read, miss a generation or two, claim what another
 * one has, or come from a release that does not say its generation; topics come, grow and go. Of cooperative-sticky the
 * generation after, in which nothing else happens, is printed as well. Brokers and members have no racks.
 */
public class StickyAssignors {
    private static final int HISTORIES = 150;
    private static final int GENERATIONS = 8;
    private static final String[] TOPICS = {"orders", "refunds", "a", "b.c", "Z", "t-10"};
    private static final Node NODE = new Node(1, "localhost", 9092);
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private static final class Member {
        final String instance;
        String id;
        List<String> topics;
        List<TopicPartition> assigned = null;
        int generation = -1;
        boolean old = false;

        Member(String id, String instance, List<String> topics) {
            this.id = id;
            this.instance = instance;
            this.topics = topics;
        }
    }

    private final Random random;
    private final boolean cooperative;
    private final boolean alike;
    private final Map<String, Integer> partitions = new TreeMap<>();
    private final List<Member> members = new ArrayList<>();
    private List<String> shared;
    private int generation = 0;
    private int ids = 0;

    private StickyAssignors(long seed, boolean cooperative) {
        this.random = new Random(seed);
        this.cooperative = cooperative;
        this.alike = random.nextInt(3) == 0;
        for (String topic : TOPICS) {
            if (random.nextInt(4) > 0) {
                partitions.put(topic, 1 + random.nextInt(9));
            }
        }
        this.shared = topics();
        int count = 1 + random.nextInt(6);
        for (int index = 0; index < count; index++) {
            join();
        }
    }

    public static void main(String[] arguments) throws Exception {
        for (boolean cooperative : new boolean[] {false, true}) {
            for (int number = 0; number < HISTORIES; number++) {
                new StickyAssignors(429 + number, cooperative).live();
            }
        }
    }

    private void live() throws Exception {
        for (int index = 0; index < GENERATIONS; index++) {
            List<String> happened = new ArrayList<>();
            if (index > 0) {
                for (int count = random.nextInt(3); count >= 0; count--) {
                    happened.add(happen());
                }
            }
            generation++;
            ObjectNode line = MAPPER.createObjectNode().put("assignor", assignor().name());
            line.set("happened", MAPPER.valueToTree(happened));
            line.set("partitions", MAPPER.valueToTree(partitions));
            line.set("members", described());
            Map<String, List<TopicPartition>> made;
            try {
                made = assign();
            } catch (IllegalStateException failed) {
                // Of a topic that was made anew with fewer partitions it counts the old ones in.
                line.putNull("assigned");
                System.out.println(MAPPER.writeValueAsString(line));
                return;
            }
            line.set("assigned", assigned(made));
            Map<Member, List<TopicPartition>> before = new HashMap<>();
            Map<Member, Integer> since = new HashMap<>();
            for (Member member : members) {
                before.put(member, member.assigned);
                since.put(member, member.generation);
            }
            settle(made);
            if (cooperative) {
                generation++;
                made = assign();
                line.set("then", assigned(made));
                // Sometimes the next thing happens before this generation.
                if (random.nextInt(3) > 0) {
                    settle(made);
                }
            }
            for (Member member : members) {
                if (happened.contains("misses") && random.nextInt(4) == 0) {
                    member.assigned = before.get(member);
                    member.generation = since.get(member);
                }
            }
            System.out.println(MAPPER.writeValueAsString(line));
        }
    }

    private void settle(Map<String, List<TopicPartition>> made) {
        for (Member member : members) {
            member.assigned = made.get(member.id);
            member.generation = generation;
        }
    }

    private String happen() {
        Member one = members.isEmpty() ? null : members.get(random.nextInt(members.size()));
        switch (random.nextInt(10)) {
            case 0:
                join();
                return "joins";
            case 1:
                if (members.size() > 1) {
                    members.remove(one);
                }
                return "leaves";
            case 2:
                if (one.instance != null) {
                    one.id = one.instance + "-" + ++ids;
                    one.assigned = null;
                    one.generation = -1;
                }
                return "restarts";
            case 3:
                partitions.computeIfPresent(TOPICS[random.nextInt(TOPICS.length)], (topic, count) -> count + 1 + random.nextInt(4));
                return "grows";
            case 4:
                partitions.putIfAbsent(TOPICS[random.nextInt(TOPICS.length)], 1 + random.nextInt(9));
                return "is created";
            case 5:
                partitions.remove(TOPICS[random.nextInt(TOPICS.length)]);
                return "is deleted";
            case 6:
                subscribe(one);
                return "subscribes";
            case 7:
                return "misses";
            case 8:
                Member other = members.get(random.nextInt(members.size()));
                if (other.assigned != null && !other.assigned.isEmpty() && one.assigned != null && other != one) {
                    List<TopicPartition> more = new ArrayList<>(one.assigned);
                    TopicPartition claimed = other.assigned.get(random.nextInt(other.assigned.size()));
                    if (!more.contains(claimed) && one.topics.contains(claimed.topic())) {
                        more.add(claimed);
                        one.assigned = more;
                    }
                }
                return "claims";
            default:
                one.old = !one.old;
                return "changes release";
        }
    }

    private void join() {
        String instance = random.nextBoolean() ? "billing-" + random.nextInt(1 << 10) + "." + ids : null;
        String id = (instance == null ? "consumer-" + Integer.toHexString(random.nextInt(1 << 16)) : instance) + "-" + ++ids;
        members.add(new Member(id, instance, alike ? shared : topics()));
    }

    private void subscribe(Member one) {
        if (alike) {
            shared = topics();
            for (Member member : members) {
                change(member, shared);
            }
        } else {
            change(one, topics());
        }
    }

    /** A cooperative member has given up what it reads no longer before it joins. */
    private void change(Member member, List<String> topics) {
        member.topics = topics;
        if (cooperative && member.assigned != null) {
            List<TopicPartition> rest = new ArrayList<>(member.assigned);
            rest.removeIf(tp -> !topics.contains(tp.topic()));
            member.assigned = rest;
        }
    }

    private List<String> topics() {
        List<String> found = new ArrayList<>();
        for (String topic : TOPICS) {
            if (random.nextInt(5) < 3) {
                found.add(topic);
            }
        }
        Collections.shuffle(found, random);
        return found;
    }

    private ConsumerPartitionAssignor assignor() {
        return cooperative ? new CooperativeStickyAssignor() : new StickyAssignor();
    }

    /** What the member's own assignor says, as Kafka's consumer calls it. */
    private byte[] userData(Member member) {
        ConsumerPartitionAssignor own = assignor();
        if (member.assigned != null) {
            ConsumerGroupMetadata group = new ConsumerGroupMetadata("group", member.generation, member.id, Optional.empty());
            own.onAssignment(new Assignment(member.assigned), group);
        }
        ByteBuffer said = own.subscriptionUserData(new TreeSet<>(member.topics));
        if (said == null) {
            return null;
        }
        // Releases before KIP-341 did not append the generation; cooperative-sticky knew none before KIP-792.
        int length = said.remaining() - (member.old ? 4 : 0);
        byte[] bytes = new byte[length];
        said.get(bytes);
        return length == 0 ? null : bytes;
    }

    private Map<String, Subscription> subscriptions() {
        Map<String, Subscription> found = new LinkedHashMap<>();
        for (Member member : members) {
            byte[] data = userData(member);
            List<TopicPartition> owned = cooperative && member.assigned != null ? member.assigned : List.of();
            Optional<Integer> since = member.old || member.generation < 0 ? Optional.empty() : Optional.of(member.generation);
            Subscription subscription = new Subscription(
                member.topics, data == null ? null : ByteBuffer.wrap(data), owned, since.orElse(-1), Optional.empty());
            subscription.setGroupInstanceId(Optional.ofNullable(member.instance));
            found.put(member.id, subscription);
        }
        return found;
    }

    private ArrayNode described() {
        ArrayNode found = MAPPER.createArrayNode();
        subscriptions().forEach((id, subscription) -> {
            ObjectNode member = found.addObject().put("id", id);
            member.put("instance", subscription.groupInstanceId().orElse(null));
            member.set("topics", MAPPER.valueToTree(subscription.topics()));
            ByteBuffer data = subscription.userData();
            member.put("user_data", data == null ? null : HexFormat.of().formatHex(data.array()));
            member.set("owned", listed(subscription.ownedPartitions()));
            member.put("generation", subscription.generationId().orElse(-1));
        });
        return found;
    }

    private Map<String, List<TopicPartition>> assign() {
        List<PartitionInfo> all = new ArrayList<>();
        Node[] replicas = {NODE};
        partitions.forEach((topic, count) -> {
            for (int index = 0; index < count; index++) {
                all.add(new PartitionInfo(topic, index, NODE, replicas, replicas));
            }
        });
        Cluster cluster = new Cluster("cluster", List.of(NODE), all, Set.of(), new HashSet<>());
        Map<String, List<TopicPartition>> found = new TreeMap<>();
        assignor().assign(cluster, new GroupSubscription(subscriptions())).groupAssignment()
            .forEach((id, assignment) -> found.put(id, assignment.partitions()));
        return found;
    }

    private static ObjectNode assigned(Map<String, List<TopicPartition>> made) {
        ObjectNode found = MAPPER.createObjectNode();
        made.forEach((id, share) -> found.set(id, listed(share)));
        return found;
    }

    private static ArrayNode listed(List<TopicPartition> partitions) {
        ArrayNode list = MAPPER.createArrayNode();
        for (TopicPartition tp : partitions) {
            list.addArray().add(tp.topic()).add(tp.partition());
        }
        return list;
    }
}
