import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.utils.internals.AppInfoParser;

/** Prints the options of Kafka's consumer as JSON: each one's default and what validates it, null where there is none. */
public class ConsumerDefaults {
    public static void main(String[] arguments) {
        StringBuilder json = new StringBuilder("{\n  \"kafka\": " + text(AppInfoParser.getVersion()) + ",\n  \"options\": {\n");
        String separator = "";
        for (ConfigDef.ConfigKey key : new TreeMap<>(ConsumerConfig.configDef().configKeys()).values()) {
            json.append(separator).append("    ").append(text(key.name)).append(": {\"default\": ").append(value(key))
                .append(", \"validator\": ").append(key.validator == null ? "null" : text(key.validator.toString())).append("}");
            separator = ",\n";
        }
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        out.println(json.append("\n  }\n}"));
    }

    private static String value(ConfigDef.ConfigKey key) {
        Object value = key.defaultValue;
        if (value == null || value == ConfigDef.NO_DEFAULT_VALUE) {
            return "null";
        }
        if (value instanceof Boolean || value instanceof Integer || value instanceof Long || value instanceof Short) {
            return value.toString();
        }
        if (value instanceof List<?> list) {
            StringBuilder items = new StringBuilder("[");
            for (Object item : list) {
                items.append(items.length() > 1 ? ", " : "").append(text(item instanceof Class<?> c ? c.getName() : item.toString()));
            }
            return items.append("]").toString();
        }
        return text(value instanceof Class<?> c ? c.getName() : value.toString());
    }

    private static String text(String value) {
        return "\"" + value.replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
    }
}
