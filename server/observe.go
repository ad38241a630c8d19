package server

import (
	"context"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/editlock/editlock/wire"
)

// Observer is told of every request that reaches the Manager, so that it can be timed and traced. A nil function is not called. It
// is called from several goroutines, and must return at once.
type Observer struct {
	// Request is called when the work on a request begins. The work goes on with the context that it returns. done is called
	// with the code of the error that was the answer, empty if it was none.
	Request func(ctx context.Context, r Request) (_ context.Context, done func(wire.Code))
}

// Request is what an Observer is told of a request.
type Request struct {
	Transport string      // websocket, stream, poll or http
	Kind      string      // what is asked for, such as acquire: one of few words
	Resource  string      // as it was sent, which may be no name at all; empty if it is about none
	Header    http.Header // of a request over HTTP; nil otherwise
}

// observed begins the observation of a request.
func (s *Server) observed(ctx context.Context, r Request) (context.Context, func(wire.Code)) {
	if s.opts.Observer == nil || s.opts.Observer.Request == nil {
		return ctx, func(wire.Code) {}
	}
	return s.opts.Observer.Request(ctx, r)
}

// doObserved answers one request, in the working goroutine, and tells the Observer.
func (c *conn) doObserved(ctx context.Context, r wire.Request) {
	if c.srv.opts.Observer == nil {
		c.do(ctx, r)
		return
	}
	c.mu.Lock()
	c.asked, c.outcome = r.RequestID(), ""
	c.mu.Unlock()
	ctx, done := c.srv.observed(ctx, Request{Transport: c.transport(), Kind: r.Kind(), Resource: resourceOf(r)})
	ended := false
	defer func() {
		c.mu.Lock()
		outcome := c.outcome
		c.asked = 0
		c.mu.Unlock()
		if !ended { // it panicked
			outcome = wire.UnknownOutcome
		}
		done(outcome)
	}()
	c.do(ctx, r)
	ended = true
}

// transport names what carries the connection.
func (c *conn) transport() string {
	st, ok := c.line.(*stream)
	switch {
	case !ok:
		return "websocket"
	case st.polls:
		return "poll"
	}
	return "stream"
}

// failed counts an error that is sent, and notes it if it answers the request under way.
func (c *conn) failed(e *wire.Error) {
	c.srv.tally.fail(e.Code)
	c.mu.Lock()
	if e.ID != 0 && e.ID == c.asked {
		c.outcome = e.Code
	}
	c.mu.Unlock()
}

// resourceOf is what a request on a connection is about.
func resourceOf(r wire.Request) string {
	switch r := r.(type) {
	case *wire.Acquire:
		return r.Resource
	case *wire.Confirm:
		return r.Resource
	case *wire.Release:
		return r.Resource
	case *wire.Cancel:
		return r.Resource
	case *wire.Changed:
		return r.Resource
	case *wire.Watch:
		return r.Resource
	case *wire.Unwatch:
		return r.Resource
	}
	return ""
}

// tally counts what a Server does.
type tally struct {
	received, sent atomic.Int64 // messages

	mu      sync.Mutex // what is under it is rare
	errors  map[wire.Code]int64
	refused map[wire.Code]int64
	closed  map[uint16]int64
}

// What is counted from the start, at 0: that something happened for the first time is then seen as a rise.
var (
	allCodes = []wire.Code{
		wire.BadJSON, wire.BadFrame, wire.BadRequest, wire.BadResource, wire.Unsupported, wire.Unauthenticated, wire.Forbidden,
		wire.Locked, wire.StaleFence, wire.QueueFull, wire.TooManyLocks, wire.TooManyWatches, wire.TooManySessions, wire.RateLimited,
		wire.ResumeRefused, wire.ResumeReused, wire.Unavailable, wire.UnknownOutcome, wire.Replaced, wire.SessionOver,
		wire.ShuttingDown, wire.BadLockToken, wire.OriginForbidden, wire.BadHandshake, wire.NoStream, wire.NotFound, wire.BadMethod,
		wire.TooLarge,
	}
	allCloses = []uint16{
		wire.CloseProtocol, wire.CloseBinary, wire.CloseBadText, wire.CloseTooBig,
		wire.CloseInternal, wire.CloseRestart, wire.CloseTooSlow, wire.CloseNoPong, wire.CloseTooMany, wire.CloseHelloLate,
		wire.CloseBadMessage, wire.CloseTokenExpired, wire.CloseTokenRefused, wire.CloseReplaced, wire.CloseResumeReused, wire.CloseSessionEnded,
	}
)

func newTally() *tally {
	t := &tally{errors: map[wire.Code]int64{}, refused: map[wire.Code]int64{}, closed: map[uint16]int64{}}
	for _, code := range allCodes {
		t.errors[code], t.refused[code] = 0, 0
	}
	for _, code := range allCloses {
		t.closed[code] = 0
	}
	return t
}

func (t *tally) fail(code wire.Code) {
	t.mu.Lock()
	t.errors[code]++
	t.mu.Unlock()
}

func (t *tally) refuse(code wire.Code) {
	t.mu.Lock()
	t.refused[code]++
	t.mu.Unlock()
}

func (t *tally) close(code uint16) {
	t.mu.Lock()
	t.closed[code]++
	t.mu.Unlock()
}

// Stats are counts for the operator and for tests.
type Stats struct {
	Connections int                 // open now
	Transports  map[string]int      // of these, how many by each
	Programs    int                 // sessions of programs, which come by requests
	Waits       int                 // requests of programs that wait for a lock
	Panics      int64               // that ended a connection or a request each
	Received    int64               // messages of clients
	Sent        int64               // messages to clients
	Errors      map[wire.Code]int64 // errors sent on connections
	Refused     map[wire.Code]int64 // requests over HTTP that were answered by a problem, handshakes among them
	Closed      map[uint16]int64    // connections that this side closed, by close code; 4100 are clients that read too slowly
}

// Stats returns the counts of this moment.
func (s *Server) Stats() Stats {
	t := s.tally
	st := Stats{
		Connections: s.admission.count(), Programs: len(s.api.programs.list()), Waits: s.api.waits.count(), Panics: s.panics.Load(), Received: t.received.Load(), Sent: t.sent.Load(),
	}
	st.Transports = map[string]int{"websocket": 0, "stream": 0, "poll": 0}
	for _, c := range s.all() {
		st.Transports[c.transport()]++
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	st.Errors, st.Refused, st.Closed = maps.Clone(t.errors), maps.Clone(t.refused), maps.Clone(t.closed)
	return st
}
