package main

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/probabilisticsamplerprocessor"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// decisions says of each trace whether it stays, by percentage and seed.
type decisions struct {
	TraceIDs []string `json:"trace_ids"`
	Rows     []row    `json:"rows"`
}

type row struct {
	Config string `json:"config"`
	// A 1 for each trace that stays, a 0 for each other.
	Kept string `json:"kept"`
}

func sampler() {
	g := newGolden(probabilisticsamplerprocessor.NewFactory(), map[string]request{
		"spans": {"traces", oddSpans()}, "logs": {"logs", oddLogs()},
	})
	g.Decisions = decide(g)
	for _, config := range []string{
		"{sampling_percentage: 30}",
		"{sampling_percentage: 30, fail_closed: false}",
		"{sampling_percentage: 100}",
		"{sampling_percentage: 250, hash_seed: 9, fail_closed: false}",
		"{sampling_percentage: 0}",
		"{sampling_percentage: 0, fail_closed: false}",
		"{sampling_percentage: 0.001, mode: hash_seed}",
		"{}",
	} {
		g.run("spans", config)
		g.run("logs", config)
	}
	for _, config := range []string{
		"{sampling_percentage: 40, attribute_source: record, from_attribute: id}",
		"{sampling_percentage: 40, from_attribute: id, fail_closed: false, hash_seed: 5}",
		"{sampling_percentage: 40, from_attribute: id, sampling_priority: priority}",
		"{sampling_percentage: 40, attribute_source: '', from_attribute: id, sampling_priority: priority, sampling_precision: 14}",
		"{sampling_percentage: 0, sampling_priority: priority, sampling_precision: 1}",
		"{sampling_percentage: 10, sampling_priority: sampling.threshold, from_attribute: sampling.randomness}",
	} {
		g.run("logs", config)
	}
	g.refuse("traces",
		"{sampling_percentage: -5}",
		"{sampling_percentage: .inf}",
		"{sampling_percentage: -.inf}",
		"{sampling_percentage: .nan}",
		"{sampling_percentage: 2e-20}",
		"{sampling_percentage: 10, attribute_source: span}",
		"{sampling_percentage: 10, sampling_precision: 0}",
		"{sampling_percentage: 10, sampling_precision: 15}",
	)
	g.write("probabilistic_sampler")
}

func decide(g *golden) *decisions {
	random := rand.New(rand.NewPCG(1, 2))
	made := &decisions{}
	var spans []byte
	for index := range 200 {
		id := make([]byte, 16)
		for at := range id {
			// Many clients count, or leave the upper half zero.
			if index%3 > 0 || at >= 8 {
				id[at] = byte(random.Uint32())
			}
		}
		made.TraceIDs = append(made.TraceIDs, fmt.Sprintf("%x", id))
		spans = append(spans, message(2, message(1, id), text(5, fmt.Sprint(index)))...)
	}
	request := message(1, message(2, spans))
	for _, percentage := range []string{"0.01", "0.5", "1", "3.3", "10", "15.3", "33.333", "50", "66.6", "90", "99.99", "100"} {
		for _, seed := range []string{"0", "22", "4294967295"} {
			config := "{sampling_percentage: " + percentage + ", hash_seed: " + seed + "}"
			kept := []byte(strings.Repeat("0", len(made.TraceIDs)))
			output := collect(g.factory, config, "traces", request)
			left, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(output)
			must(err)
			for _, group := range left.ResourceSpans().All() {
				for _, span := range group.ScopeSpans().At(0).Spans().All() {
					var index int
					_, err := fmt.Sscan(span.Name(), &index)
					must(err)
					kept[index] = '1'
				}
			}
			made.Rows = append(made.Rows, row{config, string(kept)})
		}
	}
	return made
}

// oddSpans has every kind of trace state and of priority.
func oddSpans() []byte {
	states := []string{
		"", "ot=th:8", "ot=th:0", "ot=th:c000", "ot=rv:abcdefabcdefab", "ot=rv:abcdefabcdefab;th:8", "ot=th:8;rv:ABCDEFABCDEFAB;x:y",
		"vendor=1,other=2", "vendor=1 , other=a b\t,,", "ot=x:1;y:", "a=b,ot=x:1,c=d", "t@s=1,1t@s=2", "ot=x:1,ot=z:2",
		"ot=th:zz", "ot=th:8;rv:12", "ot=rv:zz;x:1", "ot=th:123456789abcdef", "ot=", "ot=x", "ot=x:1;", "ot=;x:1", "ot=X:1", "ot=x:a b",
		"UPPER=1", "=1", "a", "a=b=c", "@s=1", "t@=1", "t@1=1", "a=é", "a=b,", ",a=b", ",", " ", "a=\x7f",
		strings.Repeat("k", 257) + "=1", strings.Repeat("t", 242) + "@s=1", "t@" + strings.Repeat("s", 15) + "=1,a=b",
		"a=" + strings.Repeat("v", 256), "a=" + strings.Repeat("v", 257), "ot=" + "x:" + strings.Repeat("v", 254),
		strings.Repeat("a=b,", 30) + "z=1", strings.Repeat("a=b,", 31) + "z=1", strings.Repeat("a=b,", 31), strings.Repeat("a=b,", 256) + "z=1",
	}
	priorities := []any{
		0, 1, -1, 2, 0.0, 0.5, -0.5, "0", "1", "0.0", "1_0", "nan", "inf", "-inf", "x", "", " 1", "1e400", true, []any{1}, nil,
	}
	random := rand.New(rand.NewPCG(3, 4))
	var spans []byte
	add := func(id []byte, state string, attributes pairs) {
		spans = append(spans, message(2, message(1, id), text(3, state), text(5, "n"), attributes.attributes(9))...)
	}
	ids := func() [][]byte {
		id := make([]byte, 16)
		for at := range id {
			id[at] = byte(random.Uint32())
		}
		return [][]byte{id, make([]byte, 16), nil}
	}
	for _, state := range states {
		for _, id := range ids() {
			add(id, state, nil)
		}
		add(ids()[0], state, pairs{"sampling.priority", 1})
	}
	for _, priority := range priorities {
		for _, id := range ids() {
			add(id, "", pairs{"a", 1, "sampling.priority", priority, "sampling.priority", 1})
		}
	}
	return join(
		message(1, message(1, pairs{"service.name", "s"}.attributes(1)), message(2, message(1, text(1, "scope")), spans)),
		message(1, message(2, message(2, message(1, ids()[0]), text(5, "alone")))),
	)
}

// oddLogs has every kind of randomness, threshold, source and priority.
func oddLogs() []byte {
	random := rand.New(rand.NewPCG(5, 6))
	id := func() []byte {
		id := make([]byte, 16)
		for at := range id {
			id[at] = byte(random.Uint32())
		}
		return id
	}
	var records []byte
	add := func(id []byte, attributes pairs) {
		records = append(records, message(2, message(5, value("body")), attributes.attributes(6), message(9, id))...)
	}
	marks := []pairs{
		nil, {"sampling.threshold", "8"}, {"sampling.threshold", "c000"}, {"sampling.threshold", "0"}, {"sampling.threshold", ""},
		{"sampling.threshold", 8}, {"sampling.threshold", "zz"}, {"sampling.threshold", "+8"}, {"sampling.threshold", "123456789abcdef"},
		{"sampling.randomness", "abcdefabcdefab"}, {"sampling.randomness", "ab"}, {"sampling.randomness", ""}, {"sampling.randomness", 5},
		{"sampling.randomness", "abcdefabcdefab", "sampling.threshold", "8"}, {"sampling.randomness", "+bcdefabcdefab"},
		{"sampling.threshold", 1, "sampling.threshold", "8"},
	}
	for _, mark := range marks {
		for _, more := range []pairs{nil, {"id", "request-1"}, {"id", "request-2", "priority", 100}} {
			add(id(), append(append(pairs{"first", 1}, mark...), more...))
			add(nil, append(append(pairs{}, more...), mark...))
		}
	}
	for _, source := range []any{"", "x", 17, 2.5, true, []byte("x"), []byte{}, []any{"a"}, pairs{"k", "v"}, nil} {
		add(nil, pairs{"id", source})
		add(id(), pairs{"id", source, "id", "other"})
	}
	for _, priority := range []any{0, 1, 5, 50, 99, 100, 101, 500, -1, 0.0, 0.001, 12.5, 33.3, 99.9999, 100.0, 1e-17, 1e-13, "50", true, nil} {
		for range 3 {
			add(id(), pairs{"priority", priority, "id", "r"})
		}
		add(nil, pairs{"priority", priority})
	}
	return message(1, message(1), message(2, message(1, text(1, "scope")), records))
}
