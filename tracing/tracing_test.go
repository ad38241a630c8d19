package tracing_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/server"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
	"github.com/editlock/editlock/tracing"
	"github.com/editlock/editlock/wire"
)

const user, resource = "secretive-user", "secretive/42"

// down is a store that cannot be written.
type down struct {
	store.Store
	is bool
}

func (d *down) Apply(ctx context.Context, batch []store.Group) ([]store.Result, error) {
	if d.is {
		return nil, fmt.Errorf("%w: no room for lock/%s", store.ErrUnavailable, resource)
	}
	return d.Store.Apply(ctx, batch)
}

// traced is a Manager whose requests are traced, and the spans that came of them.
type traced struct {
	*editlock.Manager
	t     *tracing.Tracing
	st    *down
	spans *tracetest.SpanRecorder
	conn  *editlock.Conn
}

func start(t *testing.T, change func(*tracing.Tracing)) *traced {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	tr := tracing.New(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))
	change(tr)
	st := &down{Store: mem.New()}
	m, err := editlock.Open(t.Context(), tr.Store(st), editlock.Config{
		Logger: slog.New(slog.DiscardHandler), Observer: &editlock.Observer{Writing: tr.Writing},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	conn, err := m.Connect(t.Context(), editlock.Connect{User: editlock.User{ID: user, Name: user}, Nonce: "n"})
	if err != nil {
		t.Fatal(err)
	}
	return &traced{m, tr, st, spans, conn}
}

// told is a span in one line: its name, its attributes and its status.
func told(s sdktrace.ReadOnlySpan) string {
	line := s.Name()
	for _, a := range s.Attributes() {
		line += " " + string(a.Key) + "=" + a.Value.String()
	}
	if s.Status().Code == codes.Error {
		line += " failed: " + s.Status().Description
	}
	return line
}

func (w *traced) request(t *testing.T, r server.Request, code wire.Code, f func(context.Context)) {
	t.Helper()
	ctx, done := w.t.Request(t.Context(), r)
	f(ctx)
	done(code)
}

// A request is a span, what is written and read for it is below it, and nothing names whom or what it is about.
func TestSpansOfARequest(t *testing.T) {
	w := start(t, func(*tracing.Tracing) {})
	w.request(t, server.Request{Transport: "websocket", Kind: "acquire", Resource: resource}, "", func(ctx context.Context) {
		if _, err := w.conn.Acquire(ctx, editlock.Request{Resource: resource}); err != nil {
			t.Fatal(err)
		}
	})
	w.request(t, server.Request{Transport: "http", Kind: "get", Resource: resource, Header: http.Header{}}, "", func(ctx context.Context) {
		if _, err := w.Get(ctx, resource); err != nil {
			t.Fatal(err)
		}
	})
	w.st.is = true
	w.request(t, server.Request{Transport: "websocket", Kind: "cancel", Resource: resource}, wire.Unavailable, func(ctx context.Context) {
		if _, err := w.conn.Cancel(ctx, resource); err == nil {
			t.Error("written though the store is down")
		}
	})
	w.st.is = false
	w.request(t, server.Request{Transport: "stream", Kind: "watch", Resource: resource}, wire.Forbidden, func(context.Context) {})
	var lines []string
	parents := map[trace.SpanID]string{}
	for _, s := range w.spans.Ended() {
		parents[s.SpanContext().SpanID()] = s.Name()
	}
	for _, s := range w.spans.Ended() {
		lines = append(lines, strings.TrimPrefix(parents[s.Parent().SpanID()]+"/"+told(s), "/"))
		if strings.Contains(fmt.Sprintf("%+v", s), "secretive") {
			t.Errorf("a span tells a name: %+v", s)
		}
	}
	want := []string{
		"acquire/store write editlock.store.call=write",
		"acquire editlock.transport=websocket",
		"get/store get editlock.store.call=get",
		"get editlock.transport=http",
		"cancel/store write editlock.store.call=write failed: store: unavailable",
		"cancel editlock.transport=websocket editlock.code=unavailable failed: unavailable",
		"watch editlock.transport=stream editlock.code=forbidden",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("the spans are\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

func TestResourcesAreNamedOnlyWhenAsked(t *testing.T) {
	w := start(t, func(t *tracing.Tracing) { t.WithResources() })
	for _, name := range []string{resource, "../" + resource, strings.Repeat("x", 10_000)} {
		w.request(t, server.Request{Transport: "websocket", Kind: "cancel", Resource: name}, "", func(context.Context) {})
	}
	var lines []string
	for _, s := range w.spans.Ended() {
		lines = append(lines, told(s))
	}
	const plain = "cancel editlock.transport=websocket"
	if want := []string{plain + " editlock.resource=" + resource, plain, plain}; !slices.Equal(lines, want) {
		t.Errorf("%q, want %q", lines, want)
	}
}

// A program that traces its own work finds what editlock did for it in the same trace.
func TestTraceOfACallerGoesOn(t *testing.T) {
	w := start(t, func(*tracing.Tracing) {})
	h := http.Header{"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}
	w.request(t, server.Request{Transport: "http", Kind: "get", Header: h}, "", func(context.Context) {})
	s := w.spans.Ended()[0]
	if s.SpanContext().TraceID().String() != "0af7651916cd43dd8448eb211c80319c" || s.Parent().SpanID().String() != "b7ad6b7169203331" {
		t.Errorf("it is a trace of its own: %+v", s.SpanContext())
	}
}

// What nobody asked for is in no trace.
func TestWorkOfItsOwnIsNotTraced(t *testing.T) {
	w := start(t, func(*tracing.Tracing) {})
	if _, err := w.conn.Acquire(t.Context(), editlock.Request{Resource: resource}); err != nil {
		t.Fatal(err)
	}
	if n := len(w.spans.Ended()); n > 0 {
		t.Errorf("%d spans", n)
	}
}
