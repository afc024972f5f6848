import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.BinaryNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.DoubleNode;
import com.fasterxml.jackson.databind.node.IntNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.LongNode;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.io.PrintStream;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Assignment;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Subscription;
import org.apache.kafka.clients.consumer.internals.ConsumerProtocol;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Field;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;

/**
 * Prints test vectors made by Kafka's own classes, a JSON object a line.
 *
 * Each argument names a message. Its values are random, from a fixed seed, drawn along Kafka's schema of the version.
 * <ul>
 * <li>message: name, version, hex, and Kafka's JSON rendering.
 * <li>move: a message of one version, and what comes out in every other one (to): hex, or the name of the error.
 * <li>headers: the header versions of an API's request and response in each version.
 * <li>subscription, assignment: what members and leader tell each other.
 * </ul>
 */
public class Vectors {
    private static final String[] TEXTS = {"", "a", "billing-0", "orders", "Grüße", "日本語", "🦀", "x".repeat(130)};
    private static final long[] NUMBERS = {0, 1, -1, 7, 127, -128, 32767, -32768, 2147483647L, -2147483648L};
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
    private static final PrintStream OUT = new PrintStream(System.out, false, StandardCharsets.UTF_8);

    public static void main(String[] names) throws Exception {
        for (String name : names) {
            Class<?> data = dataClass(name);
            Schema[] all = (Schema[]) data.getField("SCHEMAS").get(null);
            Schema[] schemas = Arrays.copyOf(all, highestStable(name, all.length - 1) + 1);
            for (int version = 0; version < schemas.length; version++) {
                for (int variant = 0; schemas[version] != null && variant < 3; variant++) {
                    message(name, data, schemas[version], (short) version, variant);
                }
            }
            moves(name, data, schemas);
        }
        headers();
        consumerProtocol();
        OUT.flush();
    }

    private static int highestStable(String name, int highest) {
        for (ApiKeys api : ApiKeys.values()) {
            if (name.equals(api.name + "Request") || name.equals(api.name + "Response")) {
                return api.messageType.highestSupportedVersion(false);
            }
        }
        return highest;
    }

    private static Class<?> dataClass(String name) throws ClassNotFoundException {
        String prefix = "org.apache.kafka.common.message." + name;
        try {
            return Class.forName(prefix + "Data");
        } catch (ClassNotFoundException e) {
            return Class.forName(prefix);
        }
    }

    private static Message fromJson(Class<?> data, JsonNode node, short version) throws Exception {
        Class<?> converter = Class.forName(data.getName() + "JsonConverter");
        return (Message) converter.getMethod("read", JsonNode.class, short.class).invoke(null, node, version);
    }

    private static JsonNode toJson(Class<?> data, Message message, short version) throws Exception {
        Class<?> converter = Class.forName(data.getName() + "JsonConverter");
        return (JsonNode) converter.getMethod("write", data, short.class).invoke(null, message, version);
    }

    private static void message(String name, Class<?> data, Schema schema, short version, int variant) throws Exception {
        Random random = new Random((name + version + "/" + variant).hashCode());
        JsonNode values = new Maker(random, variant == 0).value(schema);
        Message message = fromJson(data, values, version);
        ObjectNode line = line("message", name, version);
        JsonNode rendered = toJson(data, message, version);
        restoreRecords(rendered, values);
        line.put("hex", hex(MessageUtil.toByteBufferAccessor(message, version).buffer()));
        line.set("json", rendered);
        print(line);
    }

    /** Kafka renders every record set as empty bytes: put those back that were given to it. */
    private static void restoreRecords(JsonNode rendered, JsonNode given) {
        if (rendered.isArray()) {
            for (int index = 0; index < rendered.size(); index++) {
                restoreRecords(rendered.get(index), given.get(index));
            }
        }
        for (Iterator<String> fields = rendered.fieldNames(); fields.hasNext(); ) {
            String field = fields.next();
            if (field.equals("records") || field.equals("unalignedRecords")) {
                ((ObjectNode) rendered).set(field, given.get(field));
            } else if (given.get(field) != null) {
                restoreRecords(rendered.get(field), given.get(field));
            }
        }
    }

    /**
     * Messages of one version, with all fields set and with one field set, written in every other version.
     *
     * The highest version comes first; the others add the fields that it has no more.
     */
    private static void moves(String name, Class<?> data, Schema[] schemas) throws Exception {
        Maker maker = new Maker(new Random(name.hashCode()), false);
        Set<String> seen = new HashSet<>();
        for (short from = (short) (schemas.length - 1); from >= 0 && schemas[from] != null; from--) {
            Map<String, JsonNode> messages = oneFieldSet(data, data, schemas[from], from, maker);
            messages.put("all", maker.value(schemas[from]));
            for (Map.Entry<String, JsonNode> entry : messages.entrySet()) {
                if (seen.add(entry.getKey())) {
                    move(name, data, schemas, from, entry.getValue());
                }
            }
        }
    }

    private static void move(String name, Class<?> data, Schema[] schemas, short from, JsonNode values) throws Exception {
        ObjectNode line = line("move", name, from);
        line.put("hex", encoded(data, values, from, from));
        ObjectNode others = line.putObject("to");
        for (short to = 0; to < schemas.length; to++) {
            if (to != from && schemas[to] != null) {
                try {
                    others.put(String.valueOf(to), encoded(data, values, from, to));
                } catch (UnsupportedVersionException | NullPointerException e) {
                    others.put(String.valueOf(to), e.getClass().getSimpleName());
                }
            }
        }
        if (others.size() > 0) {
            print(line);
        }
    }

    private static String encoded(Class<?> data, JsonNode values, short from, short to) throws Exception {
        return hex(MessageUtil.toByteBufferAccessor(fromJson(data, values, from), to).buffer());
    }

    /** For each field, at any depth, defaults but for that field; by the field's path. */
    private static Map<String, JsonNode> oneFieldSet(
            Class<?> data, Class<?> owner, Schema schema, short version, Maker maker) throws Exception {
        Map<String, JsonNode> found = new LinkedHashMap<>();
        String converter = data.getName() + "JsonConverter";
        converter += owner == data ? "" : "$" + owner.getSimpleName() + "JsonConverter";
        Object empty = owner.getConstructor().newInstance();
        ObjectNode defaults = (ObjectNode) Class.forName(converter)
            .getMethod("write", owner, short.class).invoke(null, empty, version);
        for (Field field : fields(schema)) {
            for (Map.Entry<String, JsonNode> value : others(data, owner, field, defaults, version, maker).entrySet()) {
                ObjectNode one = defaults.deepCopy();
                one.set(camel(field.name), value.getValue());
                found.put(field.name + value.getKey(), one);
            }
        }
        return found;
    }

    /** Values of a field that are not its default. */
    private static Map<String, JsonNode> others(
            Class<?> data, Class<?> owner, Field field, ObjectNode defaults, short version, Maker maker) throws Exception {
        Map<String, JsonNode> values = new LinkedHashMap<>();
        Type type = field.type.isArray() ? field.type.arrayElementType().get() : field.type;
        JsonNode original = defaults.get(camel(field.name));
        if (type instanceof Schema) {
            Class<?> struct = structOf(owner.getMethod(camel(field.name)).getGenericReturnType());
            Map<String, JsonNode> inner = oneFieldSet(data, struct, (Schema) type, version, maker);
            for (Map.Entry<String, JsonNode> entry : inner.entrySet()) {
                JsonNode value = entry.getValue();
                values.put("." + entry.getKey(), field.type.isArray() ? JSON.arrayNode().add(value) : value);
            }
        } else {
            JsonNode value = maker.value(field.type);
            while (value.isNull() || value.equals(original) || isZero(value)) {
                value = maker.value(field.type);
            }
            values.put("", value);
        }
        if (field.type.isNullable() && (original == null || !original.isNull())) {
            values.put("=null", NullNode.instance);
        }
        return values;
    }

    /** Tagged fields are left out of Kafka's rendering at their default, so zeros may be one. */
    private static boolean isZero(JsonNode value) {
        return value.asText().isEmpty() && value.isValueNode() || value.asText().equals("0") || value.asText().equals("-1");
    }

    private static Class<?> structOf(java.lang.reflect.Type type) {
        if (type instanceof ParameterizedType) {
            return (Class<?>) ((ParameterizedType) type).getActualTypeArguments()[0];
        }
        Class<?> plain = (Class<?>) type;
        return Iterable.class.isAssignableFrom(plain) ? structOf(plain.getGenericSuperclass()) : plain;
    }

    /** The fields of a schema, the tagged ones among them. */
    private static List<Field> fields(Schema schema) {
        List<Field> found = new ArrayList<>();
        for (BoundField field : schema.fields()) {
            if (field.def.type instanceof TaggedFields) {
                found.addAll(((TaggedFields) field.def.type).fields().values());
            } else {
                found.add(field.def);
            }
        }
        return found;
    }

    private static String camel(String name) {
        StringBuilder text = new StringBuilder();
        for (String word : name.split("_")) {
            text.append(text.length() == 0 ? word : Character.toUpperCase(word.charAt(0)) + word.substring(1));
        }
        return text.toString();
    }

    private static void headers() {
        for (ApiKeys api : ApiKeys.values()) {
            for (short version = api.oldestVersion(); version <= api.latestVersion(); version++) {
                ObjectNode line = line("headers", api.name, version);
                line.put("key", api.id);
                line.put("request", api.requestHeaderVersion(version));
                line.put("response", api.responseHeaderVersion(version));
                print(line);
            }
        }
    }

    private static void consumerProtocol() {
        List<TopicPartition> owned = List.of(
            new TopicPartition("t2", 1), new TopicPartition("t1", 3), new TopicPartition("t2", 0), new TopicPartition("t1", 1));
        ByteBuffer data = ByteBuffer.wrap(new byte[] {1, 2, 3});
        for (short version = 0; version <= 3; version++) {
            ObjectNode full = line("subscription", "full", version);
            full.put("hex", hex(ConsumerProtocol.serializeSubscription(
                new Subscription(List.of("t2", "t1"), data.duplicate(), owned, 5, Optional.of("rack-a")), version)));
            print(full);
            ObjectNode empty = line("subscription", "empty", version);
            empty.put("hex", hex(ConsumerProtocol.serializeSubscription(new Subscription(List.of("t1")), version)));
            print(empty);
            ObjectNode assignment = line("assignment", "full", version);
            assignment.put("hex", hex(ConsumerProtocol.serializeAssignment(new Assignment(owned, data.duplicate()), version)));
            print(assignment);
            ObjectNode nothing = line("assignment", "empty", version);
            nothing.put("hex", hex(ConsumerProtocol.serializeAssignment(new Assignment(List.of()), version)));
            print(nothing);
        }
        ObjectNode highest = line("subscription", "default", (short) 3);
        highest.put("hex", hex(ConsumerProtocol.serializeSubscription(new Subscription(List.of("t1")))));
        print(highest);
    }

    private static ObjectNode line(String kind, String name, short version) {
        ObjectNode line = JSON.objectNode();
        line.put("kind", kind);
        line.put("name", name);
        line.put("version", version);
        return line;
    }

    private static void print(ObjectNode line) {
        try {
            OUT.print(MAPPER.writeValueAsString(line) + "\n");
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private static String hex(ByteBuffer buffer) {
        StringBuilder text = new StringBuilder();
        for (ByteBuffer rest = buffer.duplicate(); rest.hasRemaining(); ) {
            text.append(String.format("%02x", rest.get()));
        }
        return text.toString();
    }

    /** Makes values that fit a schema, in the JSON of Kafka's converters. */
    private static class Maker {
        private final Random random;
        private final boolean sparse;

        Maker(Random random, boolean sparse) {
            this.random = random;
            this.sparse = sparse;
        }

        JsonNode value(Type type) {
            if (type.isNullable() && (sparse || random.nextInt(4) == 0)) {
                return NullNode.instance;
            }
            if (type.isArray()) {
                ArrayNode array = JSON.arrayNode();
                for (int count = sparse ? 0 : 1 + random.nextInt(2); count > 0; count--) {
                    array.add(value(type.arrayElementType().get()));
                }
                return array;
            }
            if (type instanceof Schema) {
                ObjectNode object = JSON.objectNode();
                for (BoundField field : ((Schema) type).fields()) {
                    add(object, field.def);
                }
                return object;
            }
            return scalar(type);
        }

        private void add(ObjectNode object, Field field) {
            if (field.type instanceof TaggedFields) {
                for (Field tagged : ((TaggedFields) field.type).fields().values()) {
                    if (!sparse && random.nextInt(4) != 0) {
                        add(object, tagged);
                    }
                }
                return;
            }
            object.set(camel(field.name), value(field.type));
        }

        private JsonNode scalar(Type type) {
            String kind = ((Type.DocumentedType) type).typeName();
            if (kind.endsWith("STRING")) {
                return new TextNode(sparse ? "" : TEXTS[random.nextInt(TEXTS.length)]);
            }
            if (kind.endsWith("BYTES") || kind.endsWith("RECORDS")) {
                byte[] bytes = new byte[sparse ? 0 : random.nextInt(9)];
                random.nextBytes(bytes);
                return new BinaryNode(bytes);
            }
            long number = random.nextInt(3) == 0 ? random.nextLong() : NUMBERS[random.nextInt(NUMBERS.length)];
            switch (kind) {
                case "BOOLEAN":
                    return BooleanNode.valueOf(random.nextBoolean());
                case "INT8":
                    return new IntNode((byte) number);
                case "INT16":
                    return new IntNode((short) number);
                case "UINT16":
                    return new IntNode((int) (number & 0xffff));
                case "INT32":
                    return new IntNode((int) number);
                case "UINT32":
                    return new LongNode(number & 0xffffffffL);
                case "INT64":
                    return new LongNode(number);
                case "FLOAT64":
                    return new DoubleNode(random.nextDouble());
                case "UUID":
                    return new TextNode(new Uuid(random.nextLong(), number).toString());
                default:
                    throw new IllegalArgumentException(kind);
            }
        }
    }
}
