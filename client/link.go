package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/wire"
)

// errDown is returned by a request whose connection ended before the answer: it may or may not have been done.
var errDown = errors.New("editlock: the connection to the lock server is gone; it comes back by itself")

// carrier carries the frames of one connection. What it hears it gives to its link, in order: received, and at the end, once, ended.
type carrier interface {
	// send sends a frame, or hands it on to be sent. It may be called from several goroutines.
	send(frame []byte) error
	// close ends the connection, with a word to the other side if that can be sent. It takes a second or two at most.
	close()
	// run hears, until the connection has ended.
	run()
}

// sendTimeout is how long the network may take to accept a frame; then the connection is over.
const sendTimeout = 8 * time.Second

// A connection sends somewhat fewer messages than a server lets pass (20 a second, 40 at once), since its pongs count too.
const (
	requestRate  = 15
	requestBurst = 30
)

// link is one connection from hello to its end: it matches answers, and tells the session what it hears.
type link struct {
	s     *Session
	base  *url.URL
	limit *rate.Limiter
	ready chan struct{}      // closed at the welcome
	over  chan struct{}      // closed at the end
	moved chan time.Duration // the server wants us to go on elsewhere, within so long
	stale chan struct{}      // closed when it stands and nobody vouches for it

	mu        sync.Mutex
	carrier   carrier
	token     string // with which it said hello
	helloSent lease.Clocks
	welcomed  bool
	lastID    int64
	pending   map[int64]waiting
	fault     *wire.Error // the last before the welcome
	deadline  time.Time   // of the next ping
	beat      time.Duration
	patience  time.Duration // from a ping to the next, at most

	// Once over is closed.
	code int
	err  error
}

// waiting is a request whose answer is waited for.
type waiting struct {
	answer chan wire.Frame
	prefix *string // that it asks to watch
}

func newLink(s *Session, base *url.URL) *link {
	return &link{
		s: s, base: base, limit: rate.NewLimiter(requestRate, requestBurst), ready: make(chan struct{}), over: make(chan struct{}),
		moved: make(chan time.Duration, 1), stale: make(chan struct{}), pending: map[int64]waiting{},
	}
}

// hello is the frame that begins the connection, or begins again after the session could not be resumed. It is sent at once: belief
// counts from here.
func (l *link) hello(token string) ([]byte, error) {
	nonce, resume := l.s.credentials()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastID++
	l.token, l.helloSent = token, l.s.clocks()
	return wire.Encode(&wire.Hello{ID: l.lastID, Token: token, Nonce: nonce, Resume: resume})
}

func (l *link) write(f wire.Frame) error {
	data, err := wire.Encode(f)
	if err != nil {
		return err
	}
	return l.carrier.send(data)
}

// ask sends a request and returns its answer. A *wire.Error is returned as the error; errDown if the connection ends first. sent
// tells whether the server may have got it.
func (l *link) ask(ctx context.Context, request func(id int64) wire.Request) (answer wire.Frame, sent bool, err error) {
	if err := l.limit.Wait(ctx); err != nil {
		<-ctx.Done() // the limiter knows in advance that it would take too long
		return nil, false, context.Cause(ctx)
	}
	l.mu.Lock()
	l.lastID++
	id := l.lastID
	r, w := request(id), waiting{answer: make(chan wire.Frame, 1)}
	if watch, is := r.(*wire.Watch); is {
		w.prefix = watch.Prefix
	}
	select {
	case <-l.over:
		l.mu.Unlock()
		return nil, false, errDown
	default:
	}
	l.pending[id] = w
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.pending, id)
		l.mu.Unlock()
	}()
	if err := l.write(r); err != nil {
		l.carrier.close()
		return nil, true, errDown
	}
	select {
	case f := <-w.answer:
		if e, refused := f.(*wire.Error); refused {
			return nil, true, e
		}
		return f, true, nil
	case <-l.over:
		return nil, true, errDown
	case <-ctx.Done():
		return nil, true, context.Cause(ctx)
	}
}

// received is called by the carrier with every frame, in order.
func (l *link) received(data []byte) {
	f, err := wire.DecodeReply(data)
	if err != nil {
		l.mu.Lock()
		l.err = err
		l.mu.Unlock()
		l.carrier.close()
		return
	}
	switch f := f.(type) {
	case *wire.Ping:
		now := l.s.clocks()
		l.rearm()
		l.s.pinged(l, f, now)
		if l.write(&wire.Pong{Ping: f.Ping}) != nil {
			l.carrier.close()
			return
		}
		l.s.proved(l, f.Locks)
	case *wire.Welcome:
		l.mu.Lock()
		first := !l.welcomed
		l.welcomed = true
		l.patience = lease.Watchdog(f.Heartbeat.Duration(), f.PongTimeout.Duration())
		l.beat = f.Heartbeat.Duration()
		sent := l.helloSent
		l.mu.Unlock()
		if first {
			l.rearm()
			l.s.welcome(l, f, sent)
			close(l.ready)
		}
	case *wire.Snapshot:
		l.s.heard(l, *f)
	case *wire.OK:
		if f.Snapshot != nil {
			l.s.heard(l, *f.Snapshot)
		}
		l.answer(f.ID, f)
	case *wire.Error:
		l.refused(f)
	case *wire.Move:
		select {
		case l.moved <- f.Within.Duration():
		default:
		}
	}
}

func (l *link) refused(e *wire.Error) {
	l.mu.Lock()
	welcomed := l.welcomed
	if !welcomed {
		l.fault = e
	}
	l.mu.Unlock()
	switch {
	case welcomed:
		if e.Snapshot != nil {
			l.s.heard(l, *e.Snapshot)
		}
		l.answer(e.ID, e)
	case e.Code == wire.ResumeRefused:
		l.s.forgetSession()
		hello, err := l.hello(l.token)
		if err != nil || l.carrier.send(hello) != nil {
			l.carrier.close()
		}
	case e.Code == wire.Unavailable || e.Code == wire.ShuttingDown:
		l.carrier.close() // another hello later, or another address, may do better
	}
}

func (l *link) answer(id int64, f wire.Frame) {
	l.mu.Lock()
	w := l.pending[id]
	delete(l.pending, id)
	l.mu.Unlock()
	if ok, is := f.(*wire.OK); is && w.prefix != nil {
		l.s.listed(l, *w.prefix, ok) // here, so that it stays in order with the pushes
	}
	if w.answer != nil {
		w.answer <- f
	}
}

// rearm puts off the watchdog.
func (l *link) rearm() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deadline = time.Now().Add(l.patience)
}

// due is when the watchdog bites.
func (l *link) due() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.deadline
}

// leave makes the session look for another connection, since what this one says is not vouched for.
func (l *link) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.stale:
	default:
		close(l.stale)
	}
}

// ended is called by the carrier, once, with a close code.
func (l *link) ended(code int, err error) {
	l.mu.Lock()
	if l.err == nil {
		l.err = err
	}
	l.code = code
	l.mu.Unlock()
	l.s.down(l)
	close(l.over)
}

// why says how the connection ended. over is closed.
func (l *link) why() error {
	switch {
	case l.fault != nil:
		return &ending{l.code, l.fault}
	case l.err != nil:
		return &ending{l.code, fmt.Errorf("%s: %w", l.base, l.err)}
	}
	return &ending{l.code, fmt.Errorf("%s: the connection was closed (%d)", l.base, l.code)}
}

// ending is how a connection ended, or why there was none.
type ending struct {
	code int
	err  error
}

func (e *ending) Error() string { return e.err.Error() }
func (e *ending) Unwrap() error { return e.err }
