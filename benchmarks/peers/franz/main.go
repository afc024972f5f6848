// Reads one topic with franz-go, in a group, and prints what it took as JSON. The job is one JSON argument; see
// throughput_workers/__init__.py, whose figures these are.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

type job struct {
	Bootstrap string `json:"bootstrap"`
	Topic     string `json:"topic"`
	Group     string `json:"group"`
	Count     int    `json:"count"`
	Tuned     bool   `json:"tuned"`
	Mode      string `json:"mode"`
}

func cpu() (seconds float64, rss int64) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9, usage.Maxrss
}

func franzVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == "github.com/twmb/franz-go" {
				return dep.Version
			}
		}
	}
	return "unknown"
}

func options(j job) []kgo.Opt {
	opts := []kgo.Opt{
		kgo.SeedBrokers(j.Bootstrap),
		kgo.ConsumerGroup(j.Group),
		kgo.ConsumeTopics(j.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	}
	if j.Tuned {
		opts = append(opts, kgo.FetchMaxPartitionBytes(4<<20), kgo.FetchMaxBytes(50<<20))
	}
	return opts
}

func main() {
	var j job
	if err := json.Unmarshal([]byte(os.Args[1]), &j); err != nil {
		panic(err)
	}
	if j.Mode == "latency" {
		latency(j)
		return
	}
	began := time.Now()
	before, _ := cpu()
	client, err := kgo.NewClient(options(j)...)
	if err != nil {
		panic(err)
	}
	var first time.Duration
	records, size := 0, 0
	for records < j.Count {
		fetches := client.PollFetches(context.Background())
		fetches.EachError(func(topic string, partition int32, err error) {
			panic(fmt.Sprintf("%s-%d: %v", topic, partition, err))
		})
		if first == 0 && fetches.NumRecords() > 0 {
			first = time.Since(began)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			size += len(r.Value)
			records++
		})
	}
	wall := time.Since(began)
	whole, rss := cpu()
	report(map[string]any{
		"records": records, "bytes": size, "wall": wall.Seconds(), "first": first.Seconds(),
		"cpu": whole - before, "rss_mb": float64(rss) / 1024,
		"versions": map[string]string{"franz-go": franzVersion(), "go": runtime.Version()},
	})
	client.Close()
}

// latency reads records whose values begin with the producer's clock (nanoseconds, 20 digits) and prints, for each,
// how long ago that was.
func latency(j job) {
	client, err := kgo.NewClient(options(j)...)
	if err != nil {
		panic(err)
	}
	found := make([]float64, 0, j.Count)
	for len(found) < j.Count {
		client.PollFetches(context.Background()).EachRecord(func(r *kgo.Record) {
			sent, err := strconv.ParseInt(string(r.Value[:20]), 10, 64)
			if err != nil {
				panic(err)
			}
			found = append(found, float64(time.Now().UnixNano()-sent)/1e6)
		})
	}
	_, rss := cpu()
	report(map[string]any{"latency_ms": found, "rss_mb": float64(rss) / 1024})
	client.Close()
}

func report(result map[string]any) {
	text, err := json.Marshal(result)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}
