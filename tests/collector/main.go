// A receiver of traces for the tests: the OTLP receiver of the OpenTelemetry Collector itself, which writes each
// span as a line of JSON. It ends with its standard input.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configgrpc"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
)

// line is a span as the tests read it.
type line struct {
	Trace      string         `json:"trace"`
	ID         string         `json:"id"`
	Parent     string         `json:"parent"`
	Name       string         `json:"name"`
	Kind       string         `json:"kind"`
	Status     string         `json:"status"`
	Nanos      int64          `json:"nanos"`
	Attributes map[string]any `json:"attributes"`
	Resource   map[string]any `json:"resource"`
}

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(address string) error {
	ctx := context.Background()
	factory := otlpreceiver.NewFactory()
	config := factory.CreateDefaultConfig().(*otlpreceiver.Config)
	config.Protocols.GRPC = configoptional.None[configgrpc.ServerConfig]()
	http := config.Protocols.HTTP.GetOrInsertDefault()
	http.ServerConfig.NetAddr.Endpoint = address
	next, err := consumer.NewTraces(write)
	if err != nil {
		return err
	}
	settings := receivertest.NewNopSettings(component.MustNewType("otlp"))
	receiver, err := factory.CreateTraces(ctx, settings, config, next)
	if err != nil {
		return err
	}
	if err := receiver.Start(ctx, componenttest.NewNopHost()); err != nil {
		return err
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return receiver.Shutdown(ctx)
}

func write(_ context.Context, traces ptrace.Traces) error {
	out := json.NewEncoder(os.Stdout)
	for _, resource := range traces.ResourceSpans().All() {
		for _, scope := range resource.ScopeSpans().All() {
			for _, span := range scope.Spans().All() {
				if err := out.Encode(read(span, resource.Resource())); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func read(span ptrace.Span, resource pcommon.Resource) line {
	return line{
		Trace:      span.TraceID().String(),
		ID:         span.SpanID().String(),
		Parent:     span.ParentSpanID().String(),
		Name:       span.Name(),
		Kind:       span.Kind().String(),
		Status:     span.Status().Code().String(),
		Nanos:      int64(span.EndTimestamp()) - int64(span.StartTimestamp()),
		Attributes: span.Attributes().AsRaw(),
		Resource:   resource.Attributes().AsRaw(),
	}
}
