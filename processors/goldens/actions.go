package main

import (
	"math"
	"strings"

	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/attributesprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/resourceprocessor"
	"go.opentelemetry.io/collector/processor/memorylimiterprocessor"
)

// Attributes of all types, with two keys twice.
var attributesOfAllTypes = pairs{
	"text", "sglang-7b", "empty", "", "yes", true, "no", false, "int", 42, "negative", -7,
	"double", 2.5, "large", 1e21, "small", 1e-7, "tiny", 1.5e-10, "zero", math.Copysign(0, -1),
	"nan", math.NaN(), "inf", math.Inf(1), "minus.inf", math.Inf(-1), "too.large", 1e300,
	"bytes", []byte{0, 255, 7}, "none", nil,
	"list", []any{"a", 1, 2.5, true, nil, []any{"<&>\u2028\u0008\u000c\u001f\"\\"}},
	"list.of.nan", []any{math.NaN()},
	"map", pairs{"z", 1, "a", []byte("x"), "z", 2, "n", pairs{"d", 1e-9}},
	"twice", "first", "number.text", "123", "float.text", "1_5e-1", "bad.text", "12x", "twice", "second",
	"secret.one", "s1", "secret.two", 2, "url", "https://example.org:8080/v1/chat?x=1", "", "no key", "last", "l",
}

var actionLists = []string{
	"{key: new, value: text, action: insert}",
	"{key: new, value: 7, action: insert}, {key: new, value: 8, action: insert}",
	"{key: text, value: other, action: insert}",
	"{key: text, value: other, action: update}, {key: missing, value: 1, action: update}",
	"{key: twice, value: changed, action: update}",
	"{key: twice, action: delete}",
	"{key: twice, action: delete}, {key: twice, value: changed, action: upsert}, {key: twice, action: delete}",
	"{key: text, action: delete}, {key: twice, value: which, action: update}",
	"{key: float.text, action: delete}, {key: bad.text, action: delete}, {key: twice, value: which, action: update}",
	"{key: text, action: delete}, {key: empty, action: delete}, {key: last, action: delete}, {key: url, action: delete}",
	"{key: map, value: 1.5, action: upsert}, {key: b, value: true, action: upsert}, {key: l, value: [1, a, [2.5, false], {k: v}], action: upsert}, {key: m, value: {one: [~]}, action: upsert}",
	"{key: s, value: '123', action: upsert}, {key: h, value: 0x10, action: upsert}, {key: f, value: 1e3, action: upsert}, {key: big, value: 18446744073709551615, action: upsert}",
	"{key: copy, from_attribute: list, action: insert}, {key: copy2, from_attribute: twice, action: upsert}, {key: copy3, from_attribute: none, action: insert}",
	"{key: text, from_attribute: missing, action: upsert}, {key: text, from_attribute: text, action: update}",
	"{key: d, from_attribute: missing, default_value: fallback, action: insert}, {key: e, default_value: 5, action: upsert}, {key: int, from_attribute: missing, default_value: [1], action: update}",
	"{key: tenant, from_context: metadata.x-tenant, action: insert}, {key: many, from_context: metadata.X-Many, action: insert}, {key: plain, from_context: X-TENANT, action: insert}",
	"{key: nobody, from_context: metadata.absent, action: insert}, {key: somebody, from_context: metadata.absent, default_value: x, action: insert}, {key: peer, from_context: client.address, action: upsert}",
	"{key: text, action: hash}, {key: yes, action: hash}, {key: no, action: hash}, {key: int, action: hash}, {key: negative, action: hash}, {key: double, action: hash}, {key: zero, action: hash}, {key: bytes, action: hash}, {key: none, action: hash}, {key: list, action: hash}, {key: map, action: hash}, {key: missing, action: hash}",
	"{pattern: '^secret\\.', action: hash}, {key: twice, pattern: twice, action: HASH}",
	"{pattern: '^secret\\.|^twice$', action: delete}",
	"{key: text, pattern: '(?i)^SECRET', action: Delete}",
	"{pattern: '^[a-m]\\w*$', action: delete}, {key: twice, value: 1, action: update}",
	"{key: url, pattern: '^(?P<scheme>\\w+)://(?P<host>[^:/]+)(?::(?P<port>\\d+))?(?P<path>/[^?]*)(?P<fragment>#.*)?', action: extract}",
	"{key: url, pattern: '(?P<text>\\d+)', action: extract}, {key: int, pattern: '(?P<nothing>.*)', action: extract}, {key: twice, pattern: '^(?P<twice>.)', action: extract}, {key: text, pattern: '(?P<miss>xyz)', action: extract}",
	convertAll("string"), convertAll("int"), convertAll("double"),
	"{key: int, converted_type: string, action: convert}, {key: int, converted_type: string, action: convert}, {key: int, action: hash}, {key: int, pattern: '^(?P<start>....)', action: extract}",
	"{key: '', pattern: nothing, action: delete}",
}

// Values whose conversion Go leaves to the machine (NaN and what is too large for an integer) are left out.
func convertAll(target string) string {
	var actions []string
	for at := 0; at < len(attributesOfAllTypes); at += 2 {
		key := attributesOfAllTypes[at].(string)
		switch key {
		case "":
			continue
		case "large", "nan", "inf", "minus.inf", "too.large":
			if target == "int" {
				continue
			}
		}
		actions = append(actions, "{key: '"+key+"', converted_type: "+target+", action: convert}")
	}
	return strings.Join(actions, ", ")
}

var wrongActions = []string{
	"{action: insert}",
	"{key: k}",
	"{action: delete}",
	"{key: k, action: nonsense}",
	"{key: k, value: 1, action: insert}, {key: k, action: insert}",
	"{key: k, value: 1, from_attribute: a, action: upsert}",
	"{key: k, value: 1, from_context: metadata.a, action: update}",
	"{key: k, value: 1, pattern: p, action: update}",
	"{key: k, value: 1, converted_type: int, action: update}",
	"{key: k, value: 1, action: delete}",
	"{key: k, from_attribute: a, action: hash}",
	"{key: k, converted_type: int, action: hash}",
	"{key: k, pattern: '(', action: delete}",
	"{key: k, value: 1, pattern: p, action: extract}",
	"{key: k, action: extract}",
	"{key: k, pattern: '(', action: extract}",
	"{key: k, pattern: 'a', action: extract}",
	"{key: k, pattern: '(?P<a>a)(b)', action: extract}",
	"{key: k, pattern: '(?P<a>a)', converted_type: int, action: extract}",
	"{key: k, value: 1, converted_type: int, action: convert}",
	"{key: k, pattern: p, converted_type: int, action: convert}",
	"{key: k, action: convert}",
	"{key: k, converted_type: bool, action: convert}",
}

func spansRequest() []byte {
	span := func(name string, kind int, attributes pairs) []byte {
		return message(2, message(1, []byte("0123456789abcdef")), message(2, []byte("01234567")), text(5, name),
			number(6, uint64(kind)), attributes.attributes(9), message(11, text(2, "event"), pairs{"text", "x"}.attributes(3)))
	}
	scope := func(name, version string) []byte { return message(1, text(1, name), text(2, version)) }
	return join(
		message(1,
			message(1, pairs{"service.name", "router", "host.name", "node-1", "service.name", "second"}.attributes(1)),
			message(2, scope("router", "1.0"), span("route", 2, attributesOfAllTypes), span("call", 3, pairs{"text", "plain", "int", 1})),
			message(2, scope("httpx", ""), span("route", 1, pairs{"int", 42}), span("other", 5, nil), span("odd", 9, pairs{"text", "plain"}))),
		message(1,
			message(1, pairs{"service.name", 17, "host.name", "node-2"}.attributes(1)),
			message(2, span("call", 0, pairs{"twice", "a", "text", "plain", "twice", "b"}))),
		message(1, message(2, scope("router", "2.0"), span("nobody", 4, pairs{"double", 2.5, "list", []any{"a"}}))),
	)
}

func logsRequest() []byte {
	record := func(severity int, severityText string, body any, attributes pairs) []byte {
		return message(2, number(2, uint64(severity)), text(3, severityText), message(5, value(body)), attributes.attributes(6))
	}
	return join(
		message(1,
			message(1, pairs{"service.name", "router"}.attributes(1)),
			message(2, message(1, text(1, "router")),
				record(9, "INFO", "started", attributesOfAllTypes),
				record(17, "ERROR", "failed: out of memory", pairs{"text", "plain"}),
				record(0, "", pairs{"b", 1, "a", "x"}, pairs{"int", 42}),
				record(5, "DEBUG", 17, nil))),
		message(1, message(2, record(13, "WARN", "failed once", pairs{"text", "plain", "int", 42}))),
	)
}

func metricsRequest() []byte {
	point := func(field int, attributes pairs) []byte { return message(1, fixed(3, 1), attributes.attributes(field)) }
	metric := func(name string, data int, attributes int) []byte {
		return message(2, text(1, name), message(data,
			point(attributes, pairs{"text", "plain", "int", 42, "text", "again"}), point(attributes, nil), point(attributes, attributesOfAllTypes[:24])))
	}
	return join(
		message(1,
			message(1, pairs{"service.name", "router"}.attributes(1)),
			message(2, message(1, text(1, "meter")),
				metric("gauge", 5, 7), metric("sum", 7, 7), metric("histogram", 9, 9), metric("exponential", 10, 1), metric("summary", 11, 7),
				message(2, text(1, "without.data")))),
		message(1, message(2, metric("gauge", 5, 7))),
	)
}

func allSignals() map[string]request {
	return map[string]request{
		"spans": {"traces", spansRequest()}, "logs": {"logs", logsRequest()}, "metrics": {"metrics", metricsRequest()},
	}
}

func attributes() {
	g := newGolden(attributesprocessor.NewFactory(), allSignals())
	for _, actions := range actionLists {
		g.run("spans", "{actions: ["+actions+"]}")
	}
	for _, actions := range actionLists[:8] {
		g.run("logs", "{actions: ["+actions+"]}")
		g.run("metrics", "{actions: ["+actions+"]}")
	}
	mark := "actions: [{key: marked, value: true, action: insert}]"
	for _, match := range spanMatches {
		g.run("spans", "{"+match+", "+mark+"}")
	}
	for _, match := range logMatches {
		g.run("logs", "{"+match+", "+mark+"}")
	}
	for _, match := range metricMatches {
		g.run("metrics", "{"+match+", "+mark+"}")
	}
	g.refuse("traces", "{}", "{actions: []}")
	for _, actions := range wrongActions {
		g.refuse("traces", "{actions: ["+actions+"]}")
	}
	for _, matches := range wrongMatches {
		for _, match := range matches.configs {
			g.refuse(matches.signal, "{"+match+", "+mark+"}")
		}
	}
	g.write("attributes")
}

var spanMatches = []string{
	"include: {match_type: strict, services: [router]}",
	"include: {match_type: strict, services: ['17']}",
	"include: {match_type: strict, services: [<nil-service-name>]}",
	"exclude: {match_type: regexp, services: ['^rou']}",
	"include: {match_type: strict, span_names: [route, call]}",
	"include: {match_type: regexp, span_names: ['^[a-d]', 'e$']}",
	"include: {match_type: strict, span_kinds: [SPAN_KIND_SERVER, SPAN_KIND_CONSUMER]}",
	"include: {match_type: regexp, span_kinds: ['^$', CLIENT, UNSPECIFIED]}",
	"include: {match_type: strict, span_names: [route]}, exclude: {match_type: strict, attributes: [{key: int, value: 42}]}",
	"include: {match_type: strict, attributes: [{key: text}, {key: int}]}",
	"include: {attributes: [{key: int}]}",
	"include: {match_type: strict, attributes: [{key: int, value: '42'}]}",
	"include: {match_type: strict, attributes: [{key: text, value: plain}]}",
	"include: {match_type: strict, attributes: [{key: twice, value: b}]}",
	"include: {match_type: strict, attributes: [{key: double, value: 2.5}, {key: list, value: [a]}]}",
	"include: {match_type: strict, attributes: [{key: map, value: {a: 1}}]}",
	"include: {match_type: regexp, attributes: [{key: int, value: '^4.$'}]}",
	"include: {match_type: regexp, attributes: [{key: large, value: '^1000000000000000000000$'}, {key: yes, value: true|xyz}, {key: inf, value: '^\\+Inf$'}]}",
	"include: {match_type: regexp, attributes: [{key: list, value: a}]}",
	"include: {match_type: regexp, regexp: {cacheenabled: true, cachemaxnumentries: 10}, resources: [{key: host.name, value: 'node-[12]'}]}",
	"include: {match_type: strict, resources: [{key: service.name, value: router}, {key: host.name}]}",
	"include: {match_type: strict, resources: [{key: service.name, value: 17}]}",
	"include: {match_type: strict, libraries: [{name: router}]}",
	"include: {match_type: strict, libraries: [{name: router, version: '2.0'}]}",
	"include: {match_type: strict, libraries: [{name: httpx, version: ''}]}",
	"include: {match_type: strict, libraries: [{name: httpx}, {name: router}]}",
	"include: {match_type: regexp, libraries: [{name: '^(router)?$', version: '^(1.*)?$'}]}",
}

var logMatches = []string{
	"include: {match_type: strict, log_bodies: [started, '17']}",
	"include: {match_type: regexp, log_bodies: ['^failed', '^\\{\"a\":\"x\",\"b\":1\\}$']}",
	"include: {match_type: strict, log_severity_texts: [INFO, '']}",
	"include: {match_type: regexp, log_severity_texts: ['^(WARN|ERROR)$']}",
	"include: {log_severity_number: {min: 9}}",
	"include: {log_severity_number: {min: 13, match_undefined: true}}",
	"exclude: {log_severity_number: {min: 0}}",
	"include: {match_type: strict, attributes: [{key: int, value: 42}]}, exclude: {match_type: strict, resources: [{key: service.name}]}",
	"include: {match_type: strict, libraries: [{name: ''}]}",
}

var metricMatches = []string{
	"include: {match_type: strict, metric_names: [gauge, summary]}",
	"exclude: {match_type: regexp, metric_names: ['^(sum|exp)']}",
	"include: {match_type: strict, resources: [{key: service.name, value: nobody}]}",
	"exclude: {match_type: strict, resources: [{key: service.name}], metric_names: [histogram]}",
}

var wrongMatches = []struct {
	signal  string
	configs []string
}{
	{"traces", []string{
		"include: {match_type: strict}",
		"exclude: {}",
		"include: {match_type: strict, log_bodies: [a]}",
		"include: {match_type: strict, log_severity_texts: [a]}",
		"include: {match_type: strict, log_severity_number: {min: 1}}",
		"include: {match_type: strict, metric_names: [a]}",
		"include: {match_type: glob, span_names: [a]}",
		"include: {span_names: [a]}",
		"include: {match_type: strict, attributes: [{value: 1}]}",
		"include: {match_type: regexp, attributes: [{key: a, value: 1}]}",
		"include: {match_type: regexp, resources: [{key: a, value: [1]}]}",
		"include: {match_type: glob, attributes: [{key: a, value: 1}]}",
		"include: {match_type: glob, libraries: [{name: a}]}",
	}},
	{"logs", []string{
		"include: {match_type: strict}",
		"include: {match_type: strict, services: [a]}",
		"exclude: {match_type: strict, span_names: [a]}",
		"include: {match_type: strict, span_kinds: [a]}",
		"include: {match_type: strict, metric_names: [a]}",
		"include: {match_type: glob, log_bodies: [a]}",
		"include: {match_type: glob, log_severity_texts: [a]}",
	}},
	{"metrics", []string{
		"include: {match_type: strict}",
		"include: {match_type: strict, span_names: [a]}",
		"include: {match_type: strict, log_bodies: [a]}",
		"exclude: {match_type: strict, attributes: [{key: a}]}",
		"include: {match_type: strict, libraries: [{name: a}]}",
		"include: {match_type: glob, metric_names: [a]}",
	}},
}

func resource() {
	g := newGolden(resourceprocessor.NewFactory(), map[string]request{
		"spans": {"traces", resources(attributesOfAllTypes)}, "logs": {"logs", resources(pairs{"text", "a"})}, "metrics": {"metrics", metricsRequest()},
	})
	for _, actions := range actionLists {
		g.run("spans", "{attributes: ["+actions+"]}")
	}
	g.run("logs", "{attributes: ["+actionLists[0]+"]}")
	g.run("metrics", "{attributes: ["+actionLists[0]+"]}")
	g.refuse("traces", "{}", "{attributes: []}")
	for _, actions := range wrongActions {
		g.refuse("traces", "{attributes: ["+actions+"]}")
	}
	g.write("resource")
}

// resources is a request of three groups: with these attributes, with an empty resource, without one.
func resources(attributes pairs) []byte {
	return join(
		message(1, message(1, attributes.attributes(1), number(2, 3)), message(2, message(1, text(1, "scope"))), text(3, "schema")),
		message(1, message(1), message(2)),
		message(1, message(2)),
	)
}

func memoryLimiter() {
	g := newGolden(memorylimiterprocessor.NewFactory(), nil)
	g.refuse("traces",
		"{limit_mib: 100}",
		"{check_interval: 0s, limit_mib: 100}",
		"{check_interval: 1s}",
		"{check_interval: 1s, limit_mib: 100, spike_limit_mib: 100}",
		"{check_interval: 1s, limit_mib: 100, spike_limit_mib: 200}",
		"{check_interval: 1s, limit_percentage: 101}",
		"{check_interval: 1s, limit_percentage: 50, spike_limit_percentage: 101}",
		"{check_interval: 1s, limit_percentage: 50, spike_limit_percentage: 50}",
		"{check_interval: 1s, limit_mib: 100, min_gc_interval_when_hard_limited: 11s}",
	)
	g.write("memory_limiter")
}
