package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/editlock/editlock/tracing"
)

// tracingFlags say what goes into traces. Whether and where they go is said by the variables that OpenTelemetry has for that.
type tracingFlags struct {
	TraceResources bool `help:"Put the names of resources into traces, which otherwise name nothing that is edited. Where traces go, the variables OTEL_… say." env:"EDITLOCK_TRACE_RESOURCES"`
}

// wantsTraces reports whether OpenTelemetry's variables ask for traces.
func wantsTraces() (bool, error) {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		return false, nil
	}
	exporter := os.Getenv("OTEL_TRACES_EXPORTER")
	switch exporter {
	case "none":
		return false, nil
	case "otlp":
	case "":
		if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
			return false, nil
		}
	default:
		return false, misused("OTEL_TRACES_EXPORTER is %q: traces are sent by otlp, or by none", exporter)
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if p := os.Getenv(name); p != "" {
			if p != "http/protobuf" {
				return false, misused("%s is %q: traces are sent by http/protobuf, mostly to port 4318", name, p)
			}
			break
		}
	}
	return true, nil
}

// open begins to trace, if it was asked for; otherwise it gives nil. stop sends what is left.
func (f tracingFlags) open(ctx context.Context, log *slog.Logger) (t *tracing.Tracing, stop func(), err error) {
	stop = func() {}
	wanted, err := wantsTraces()
	if err != nil || !wanted {
		return nil, stop, err
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces could not be sent", "error", err) }))
	exporter, err := otlptracehttp.New(ctx) // reads the variables, and connects later
	if err != nil {
		return nil, stop, fmt.Errorf("traces: %w", err)
	}
	// The name comes first, so that OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES override it.
	about, err := resource.New(ctx, resource.WithAttributes(tracing.ServiceName()), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, stop, fmt.Errorf("traces: OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	t = tracing.New(provider)
	if f.TraceResources {
		t.WithResources()
	}
	log.Info("traces are sent", "resources", f.TraceResources)
	return t, func() {
		end, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := provider.Shutdown(end); err != nil {
			log.Warn("the last traces could not be sent", "error", err)
		}
	}, nil
}
