// The real processors of the Collector, run on one request or on one wrong configuration.
package main

import (
	"context"
	"net"

	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"
)

// collect runs a processor on a request and returns what comes out; nil when all of it was dropped.
func collect(factory processor.Factory, yaml, signal string, request []byte) []byte {
	config, err := load(factory, yaml)
	must(err)
	ctx := client.NewContext(context.Background(), client.Info{
		Addr: &net.TCPAddr{IP: net.ParseIP("::ffff:10.1.2.3"), Port: 4317},
		Metadata: client.NewMetadata(map[string][]string{
			"X-Tenant": {"blue"}, "x-many": {"one", "two"},
		}),
	})
	settings := processortest.NewNopSettings(factory.Type())
	var out []byte
	switch signal {
	case "traces":
		next, _ := consumer.NewTraces(func(_ context.Context, td ptrace.Traces) (err error) {
			out, err = (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
			return err
		})
		p, err := factory.CreateTraces(ctx, settings, config, next)
		must(err)
		must(p.Start(ctx, componenttest.NewNopHost()))
		td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(request)
		must(err)
		must(p.ConsumeTraces(ctx, td))
	case "logs":
		next, _ := consumer.NewLogs(func(_ context.Context, ld plog.Logs) (err error) {
			out, err = (&plog.ProtoMarshaler{}).MarshalLogs(ld)
			return err
		})
		p, err := factory.CreateLogs(ctx, settings, config, next)
		must(err)
		must(p.Start(ctx, componenttest.NewNopHost()))
		ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(request)
		must(err)
		must(p.ConsumeLogs(ctx, ld))
	case "metrics":
		next, _ := consumer.NewMetrics(func(_ context.Context, md pmetric.Metrics) (err error) {
			out, err = (&pmetric.ProtoMarshaler{}).MarshalMetrics(md)
			return err
		})
		p, err := factory.CreateMetrics(ctx, settings, config, next)
		must(err)
		must(p.Start(ctx, componenttest.NewNopHost()))
		md, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(request)
		must(err)
		must(p.ConsumeMetrics(ctx, md))
	}
	return out
}

// refusal is what the Collector says about a configuration that cannot be.
func refusal(factory processor.Factory, yaml, signal string) string {
	config, err := load(factory, yaml)
	if err == nil {
		settings := processortest.NewNopSettings(factory.Type())
		ctx := context.Background()
		switch signal {
		case "traces":
			_, err = factory.CreateTraces(ctx, settings, config, new(nowhere))
		case "logs":
			_, err = factory.CreateLogs(ctx, settings, config, new(nowhere))
		case "metrics":
			_, err = factory.CreateMetrics(ctx, settings, config, new(nowhere))
		}
	}
	if err == nil {
		panic("accepted: " + yaml)
	}
	return err.Error()
}

func load(factory processor.Factory, yaml string) (component.Config, error) {
	config := factory.CreateDefaultConfig()
	retrieved, err := confmap.NewRetrievedFromYAML([]byte(yaml))
	must(err)
	conf, err := retrieved.AsConf()
	must(err)
	if err := conf.Unmarshal(config); err != nil {
		return nil, err
	}
	if validator, ok := config.(interface{ Validate() error }); ok {
		return config, validator.Validate()
	}
	return config, nil
}

type nowhere struct{}

func (*nowhere) Capabilities() consumer.Capabilities                   { return consumer.Capabilities{} }
func (*nowhere) ConsumeTraces(context.Context, ptrace.Traces) error    { return nil }
func (*nowhere) ConsumeLogs(context.Context, plog.Logs) error          { return nil }
func (*nowhere) ConsumeMetrics(context.Context, pmetric.Metrics) error { return nil }

func must(err error) {
	if err != nil {
		panic(err)
	}
}
