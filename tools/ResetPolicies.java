// What Kafka's own consumer makes of values of auto.offset.reset: seconds and nanoseconds back, or null where it refuses.
//
//   java -cp "$KAFKA_HOME/libs/*" tools/ResetPolicies.java > tests/config/reset_policies.json

import org.apache.kafka.clients.consumer.internals.AutoOffsetResetStrategy;

public class ResetPolicies {
    static final String[] POLICIES = {
        "PT1H", "P7D", "PT1.5S", "P1DT2H3M4.567S", "PT0S", "P0D", "PT-0S", "-PT0S", "pt1h", "p1dt1m", "PT1h", "+PT1H", "PT+1H",
        "PT-1H", "-PT1H", "-PT-1H", "--PT1H", "PT1H-30M", "PT-30M1H", "PT1H-90M", "P1DT-24H", "P1DT-25H", "PT-0.5S", "-PT-0.5S",
        "PT1,5S", "PT1.S", "PT.5S", "PT1.123456789S", "PT1.1234567891S", "PT-1.5S", "-PT-1.5S", "PT1M-0.25S", "P", "PT", "P1DT",
        "", "1H", "T1H", "P1H", "P1W", "P1Y", "P1M", "PT1D", "PT1S1M", "PT1H1H", " PT1H", "PT1H ", "PT 1H", "PT1H1", "P-1D",
        "P99999999999999D", "PT9223372036854775807S", "PT9223372036854775808S", "P106751991167300D", "P106751991167301D",
        "PT2562047788015215H", "PT2562047788015216H", "PT000001H", "PT1_0S", "PT\u0661H", "PT1e3S", "PT1H;", "by_duration:PT1H",
    };

    public static void main(String[] args) {
        System.out.println("{");
        for (String policy : POLICIES) print("by_duration:" + policy, false);
        for (String policy : new String[] {"by_duration", "BY_DURATION:PT1H", "by_duration PT1H", "by-duration:PT1H", "earliest:PT1H"})
            print(policy, policy.equals("earliest:PT1H"));
        System.out.println("}");
    }

    static void print(String policy, boolean last) {
        String result = "null";
        try {
            var duration = AutoOffsetResetStrategy.fromString(policy).duration().get();
            result = duration.getSeconds() + ", " + duration.getNano();
            result = "[" + result + "]";
        } catch (RuntimeException refused) {
            // null
        }
        StringBuilder text = new StringBuilder();
        for (char c : policy.toCharArray()) text.append(c < 128 ? "" + c : String.format("\\u%04x", (int) c));
        System.out.println("  \"" + text + "\": " + result + (last ? "" : ","));
    }
}
