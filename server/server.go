// Package server is the network side of editlock: one http.Handler that speaks the protocol of docs/spec.md. It holds no
// rule: every decision is the Manager's.
package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/lxzan/gws"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/wire"
)

// Server is an http.Handler with the routes /v1/socket, /v1/stream/, /v1/bye, HTTP for programs (OpenAPI describes it), /healthz and /readyz. Mount it under a base with
// http.StripPrefix. Its methods may be called from several goroutines.
type Server struct {
	m         *editlock.Manager
	opts      Options
	log       *slog.Logger
	mux       *http.ServeMux
	upgrader  *gws.Upgrader
	admission *admission
	wheel     *wheel
	pool      *pool
	strangers strangers

	refusedTokens, unknownRights, failedRequests *sparing // in the log
	api                                          *api
	tally                                        *tally

	ctx      context.Context // of the work on requests
	cancel   context.CancelFunc
	numbers  atomic.Int64
	panics   atomic.Int64
	draining atomic.Bool

	mu        sync.Mutex
	conns     map[*conn]struct{}
	bySession map[string]*conn // the newest of each
	streams   map[string]*stream
	closed    bool
	empty     chan struct{} // closed when the last connection has gone, after Close
}

// New makes a Server for a Manager, which stays the caller's: close it after the Server.
func New(m *editlock.Manager, opts Options) (*Server, error) {
	if m == nil {
		return nil, errors.New("server: no Manager")
	}
	cfg := m.Config()
	opts, err := opts.withDefaults(cfg.Heartbeat(), cfg.PongTimeout())
	if err != nil {
		return nil, err
	}
	s := &Server{
		m: m, opts: opts, log: opts.Logger, mux: http.NewServeMux(), upgrader: newUpgrader(opts),
		admission: newAdmission(opts), api: newAPI(opts), wheel: newWheel(opts.Heartbeat), tally: newTally(),
		conns: map[*conn]struct{}{}, bySession: map[string]*conn{}, streams: map[string]*stream{}, empty: make(chan struct{}),
		refusedTokens: newSparing(), unknownRights: newSparing(), failedRequests: newSparing(),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.pool = newPool(s.ctx)
	s.mux.HandleFunc("GET /v1/socket", s.serveSocket)
	s.mux.HandleFunc("POST /v1/stream/{name}", s.serveStream)
	s.mux.HandleFunc("POST /v1/bye", s.serveBye)
	s.mux.HandleFunc("GET /healthz", s.serveHealth)
	s.mux.HandleFunc("GET /readyz", s.serveReady)
	s.mux.HandleFunc("GET /v1/openapi.json", s.serveDocument)
	s.mux.HandleFunc(catchAll, s.serveAPI)
	go s.wheel.run()
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if named(r.URL.Path) {
		s.serveAPI(w, r) // the mux would redirect what is no clean path, and so to another resource
		return
	}
	s.mux.ServeHTTP(w, r)
}

// adopt makes a new connection known, unless the server is closed. From then on a hello is awaited, which may be answered before run has begun.
func (s *Server) adopt(c *conn) bool {
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.conns[c] = struct{}{}
	}
	s.mu.Unlock()
	if !closed {
		s.wheel.set(c, c.opened.Add(s.opts.HelloTimeout))
	}
	return !closed
}

// attach notes which connection a session has now.
func (s *Server) attach(c *conn, session string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bySession[session] = c
}

// attached is the newest connection of a session here; nil if it has none.
func (s *Server) attached(session string) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bySession[session]
}

// forget is the end of a connection, which had a session or not.
func (s *Server) forget(c *conn, session string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if s.bySession[session] == c {
		delete(s.bySession, session)
	}
	s.last()
}

// last announces that no connection is left. mu is held.
func (s *Server) last() {
	if s.closed && len(s.conns) == 0 {
		select {
		case <-s.empty:
		default:
			close(s.empty)
		}
	}
}

func (s *Server) all() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		list = append(list, c)
	}
	return list
}

// Drain prepares to stop without anybody losing anything. Readiness fails first; then all clients are told to move, spread over
// a part of the time that there is, so that they do not all arrive elsewhere at once. It returns when all
// have gone, or the time is up, or ctx ends. Call Close after it.
func (s *Server) Drain(ctx context.Context) {
	s.stopWaiting()
	s.m.Drain()
	end := time.Now().Add(s.opts.DrainTime)
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	// Time for whoever asks for readiness to notice.
	if !pause(ctx, s.opts.DrainTime/10) {
		return
	}
	const batches = 20
	conns := s.all()
	size := (len(conns) + batches - 1) / batches
	for i, c := range conns {
		c.send(&wire.Move{Within: wire.In(time.Until(end) * 8 / 10)})
		if (i+1)%size == 0 && !pause(ctx, s.opts.DrainTime/10/batches) {
			return
		}
	}
	for s.admission.count() > 0 && pause(ctx, s.opts.DrainTime/200) {
	}
}

// Close closes every connection with 1012, which tells clients to come back and resume, and stops. It waits for the
// connections to end, at most until ctx does.
func (s *Server) Close(ctx context.Context) error {
	s.stopWaiting()
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.last()
	s.mu.Unlock()
	for _, c := range s.all() {
		c.close(wire.CloseRestart, "the server is stopping")
	}
	var err error
	select {
	case <-s.empty:
	case <-ctx.Done():
		err = context.Cause(ctx)
		for _, c := range s.all() {
			c.line.abort()
		}
		<-s.empty
	}
	if first {
		for _, p := range s.api.programs.list() {
			p.conn.Disconnect() // their sessions go on, here or elsewhere
		}
		s.cancel()
		close(s.wheel.stop)
	}
	<-s.wheel.done
	return err
}

// stopWaiting makes readiness fail, and sends away the requests that wait.
func (s *Server) stopWaiting() {
	if !s.draining.Swap(true) {
		close(s.api.stopping)
	}
}

// pause waits, and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// serveBye takes what a page says with its last breath. Whatever it is, the answer is the same.
func (s *Server) serveBye(w http.ResponseWriter, r *http.Request) {
	defer w.WriteHeader(http.StatusNoContent)
	w.Header().Set("Cache-Control", "no-store")
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, wire.MaxBye))
	if err != nil {
		return
	}
	var bye struct {
		Resume string `json:"resume"`
	}
	if json.Unmarshal(body, &bye) != nil {
		return
	}
	token, err := wire.VerifyResume(s.opts.ResumeSecret, bye.Resume)
	if err != nil {
		return
	}
	// The page does not wait for it, and its request may be cut off.
	ctx, cancel := context.WithTimeout(s.ctx, s.opts.RequestTimeout)
	defer cancel()
	if err := s.m.Bye(ctx, token.Session, token.Epoch); err != nil {
		s.log.Info("a bye was not noted; the silence will tell", "session", token.Session, "err", err)
	}
}

// serveHealth says that the process runs.
func (s *Server) serveHealth(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, "ok\n")
}

// serveReady says whether clients should be sent here.
func (s *Server) serveReady(w http.ResponseWriter, r *http.Request) {
	err := s.m.Ready()
	if err == nil && s.draining.Load() {
		err = editlock.ErrShuttingDown
	}
	if err != nil {
		e, _ := explain(0, err)
		s.refuse(w, r, &wire.Problem{Status: http.StatusServiceUnavailable, Code: e.Code, Detail: e.Message})
		return
	}
	s.serveHealth(w, r)
}

// refuse answers with a problem.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, p *wire.Problem) {
	p.Title = http.StatusText(p.Status)
	if p.Code == wire.OriginForbidden {
		s.warnOfStranger(r)
	}
	s.tally.refuse(p.Code)
	s.log.Debug("refused", "path", clip(r.URL.Path), "status", p.Status, "code", p.Code, "origin", clip(r.Header.Get("Origin")), "from", r.RemoteAddr)
	h := w.Header()
	h.Set("Content-Type", wire.ProblemType)
	h.Set("Cache-Control", "no-store")
	if p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests {
		h.Set("Retry-After", retryAfter(p))
	}
	if r.Body != nil && r.Body != http.NoBody && r.ProtoMajor == 1 {
		h.Set("Connection", "close") // a body that nobody reads is not waited for
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(p.Encode())
}
