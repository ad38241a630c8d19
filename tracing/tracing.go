// Package tracing makes OpenTelemetry spans of what a server does: one for each request that reaches the Manager, with one below it
// for what is read from the store and written to it. Nobody who does not ask for it pays for it.
//
// Spans say what kind of request it was and how it ended. They name no user and no session; resources only if that is asked for.
package tracing

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/server"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/wire"
)

// The attributes of spans.
const (
	Transport = attribute.Key("editlock.transport") // websocket, stream, poll or http
	Code      = attribute.Key("editlock.code")      // of the error that was the answer
	Resource  = attribute.Key("editlock.resource")  // only with WithResources
	Call      = attribute.Key("editlock.store.call")
)

// ServiceName says which service the spans are of.
func ServiceName() attribute.KeyValue { return attribute.String("service.name", "editlock") }

// Tracing makes spans. Its methods may be called from several goroutines.
type Tracing struct {
	tracer    trace.Tracer
	resources bool
}

// New makes a Tracing whose spans go to a provider.
func New(to trace.TracerProvider) *Tracing {
	return &Tracing{tracer: to.Tracer("github.com/editlock/editlock")}
}

// WithResources puts the names of resources into the spans of requests from now on. Call it before the server starts. Names tell what
// people work on: ask those who have a say in it.
func (t *Tracing) WithResources() *Tracing {
	t.resources = true
	return t
}

// Request is the function of that name of a [server.Observer]. A request over HTTP that comes with a trace goes on with it.
func (t *Tracing) Request(ctx context.Context, r server.Request) (context.Context, func(wire.Code)) {
	if r.Header != nil {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(r.Header))
	}
	ctx, span := t.tracer.Start(ctx, r.Kind, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(Transport.String(r.Transport)))
	if t.resources && r.Resource != "" {
		if name, err := lease.ParseResource(r.Resource); err == nil { // anything else is a stranger's text of any length
			span.SetAttributes(Resource.String(name))
		}
	}
	return ctx, func(code wire.Code) {
		if code != "" {
			span.SetAttributes(Code.String(string(code)))
		}
		if code == wire.Unavailable || code == wire.UnknownOutcome { // ours; everything else is an answer
			span.SetStatus(codes.Error, string(code))
		}
		span.End()
	}
}

// Writing is the function of that name of an [editlock.Observer].
func (t *Tracing) Writing(ctx context.Context) func(error) {
	return t.below(ctx, "write")
}

// below makes a span of a call of the store, if it is for a request that is traced.
func (t *Tracing) below(ctx context.Context, call string) (done func(error)) {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return func(error) {}
	}
	_, span := t.tracer.Start(ctx, "store "+call, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(Call.String(call)))
	return func(err error) {
		if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrConflict) {
			span.SetStatus(codes.Error, kindOf(err)) // its text may name a key, and so a resource
		}
		span.End()
	}
}

func kindOf(err error) string {
	for _, kind := range []error{
		store.ErrUnknown, store.ErrBroken, store.ErrUnavailable, store.ErrRevision, store.ErrTooLarge, store.ErrInvalid, store.ErrClosed,
		context.DeadlineExceeded, context.Canceled, editlock.ErrClosed,
	} {
		if errors.Is(err, kind) {
			return kind.Error()
		}
	}
	return "another error"
}

// Store returns st, with a span for what is read from it for a request. What is written is shared by many: see Writing.
func (t *Tracing) Store(st store.Store) store.Store { return traced{st, t} }

type traced struct {
	store.Store
	t *Tracing
}

func (s traced) Get(ctx context.Context, key string) (store.Record, error) {
	done := s.t.below(ctx, "get")
	rec, err := s.Store.Get(ctx, key)
	done(err)
	return rec, err
}

func (s traced) List(ctx context.Context, prefix, after string, limit int) ([]store.Record, error) {
	done := s.t.below(ctx, "list")
	recs, err := s.Store.List(ctx, prefix, after, limit)
	done(err)
	return recs, err
}
