package client

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/wire"
)

// Session is a session of this program at a server elsewhere. Its methods may be called from several goroutines. Acquire and Try
// give a [*Lock].
//
// It differs from an embedded session in this: Acquire goes on waiting while there is no connection, since its place in the queue is
// kept; and of several hundred watched resources that change at one moment the news come at the rate that the server allows.
type Session struct {
	opts   Options
	bases  []*url.URL
	access *access
	http   *http.Client    // for streams
	open   context.Context // ends when Close is called
	shut   context.CancelFunc
	life   context.Context // ends with the session
	end    context.CancelFunc
	clocks func() lease.Clocks // now, by both
	work   sync.WaitGroup
	asks   sync.WaitGroup // acquires under way
	wake   chan struct{}  // for guard: something is to be looked after sooner

	// Of the goroutine that connects.
	attempts int       // since the last welcome
	next     int       // which address is tried next
	sockets  bool      // a WebSocket has been welcomed
	streams  time.Time // until when none is tried, since one did not get through and a stream did
	polls    bool      // the last stream had to poll

	mu        sync.Mutex
	done      bool
	link      *link         // to which requests go; nil: none
	linked    chan struct{} // closed when there is one
	id        string        // of the session
	resume    string        // the token with which to come back; empty: there is no session
	nonce     string
	belief    lease.Belief
	claims    map[string]*claim
	lingering []string // resources of which the server still tells this connection, though nobody cares
	watchers  map[*watcher]struct{}
}

func newSession(o Options, bases []*url.URL) *Session {
	s := &Session{
		opts: o, bases: bases, access: newAccess(o.Token), http: newHTTP(&o), clocks: clocksSince(time.Now()), wake: make(chan struct{}, 1),
		linked: make(chan struct{}), nonce: newNonce(), claims: map[string]*claim{}, watchers: map[*watcher]struct{}{},
	}
	s.life, s.end = context.WithCancel(context.Background())
	s.open, s.shut = context.WithCancel(s.life)
	return s
}

func newNonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return wire.NewNonce(b)
}

// clocksSince returns the two clocks of this machine.
func clocksSince(began time.Time) func() lease.Clocks {
	return func() lease.Clocks {
		now := time.Now()
		return lease.Clocks{Mono: now.Sub(began), Wall: time.Duration(now.UnixNano())}
	}
}

// task runs f in a goroutine that Close waits for. It reports false, and does nothing, once the session is over.
func (s *Session) task(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taskLocked(f)
}

// taskLocked is task for those who hold mu.
func (s *Session) taskLocked(f func()) bool {
	if s.life.Err() != nil {
		return false
	}
	s.work.Go(f)
	return true
}

// nudge lets guard look at once.
func (s *Session) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// credentials are what the next hello proves itself with. They stay the same until it is answered.
func (s *Session) credentials() (nonce, resume string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nonce, s.resume
}

// forgetSession gives the session up: it goes on elsewhere, or not at all. The next hello begins another.
func (s *Session) forgetSession() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resume, s.nonce, s.belief = "", newNonce(), lease.Belief{}
	s.look()
	for _, c := range s.claims {
		c.doubted = false // what that session holds, this one cannot give back
	}
}

// welcome takes up a new connection: requests go there from now on.
func (s *Session) welcome(l *link, w *wire.Welcome, helloSent lease.Clocks) {
	s.access.accepted(w.TokenExpiresIn.Duration())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life.Err() != nil {
		return // Close ends the connection
	}
	s.look() // what had lapsed by now stays so
	if old := s.link; old != nil {
		s.taskLocked(old.carrier.close)
	} else {
		close(s.linked)
	}
	s.link, s.id, s.resume, s.nonce = l, w.Session, w.Resume, newNonce()
	s.belief = lease.Believe(helloSent, w.TTL.Duration(), w.Margin.Duration())
	s.lingering = nil
	for _, c := range s.claims {
		c.known, c.mine = false, wire.Mine{}
	}
	for _, snap := range w.Snapshots {
		s.learn(snap)
	}
	now := time.Now()
	for name, c := range s.claims {
		switch {
		case c.known:
			if c.doubted {
				c.since = now
			}
			continue
		case c.lock != nil:
			s.askWhy(c.lock)
		}
		c.doubted = false
		c.wakeAll()
		if c.lock == nil && !c.wanted() && c.dropping == nil {
			delete(s.claims, name) // what a welcome does not list, the session does not have
		}
	}
	s.rewatch(l)
	s.nudge()
}

// down notes that a connection has ended. That alone changes nothing but where requests go.
func (s *Session) down(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link == l {
		s.link, s.linked = nil, make(chan struct{})
	}
}

// heard takes up a snapshot that came over l.
func (s *Session) heard(l *link, w wire.Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l == s.link {
		s.learn(w)
	}
}

// pinged counts belief. The answer is sent after this, so that what is counted is not later than the sending.
func (s *Session) pinged(l *link, p *wire.Ping, now lease.Clocks) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l != s.link {
		return
	}
	s.look()
	s.belief = s.belief.Acked(p.Ack, now).Ponged(p.Ping, now)
}

// proved takes up fresh lock tokens, and sees to a fresh access token.
func (s *Session) proved(l *link, locks []wire.LockGrant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l != s.link {
		return
	}
	for _, g := range locks {
		if c := s.claims[g.Resource]; c != nil && c.lock != nil && c.lock.fence == g.Fence {
			c.lock.prove(g.Token)
		}
	}
	if s.access.due(l.beat) && len(s.access.busy) == 0 {
		s.taskLocked(func() { s.renewAccess(l) })
	}
}

// renewAccess brings the server a fresh access token. If that fails, the next ping tries again, and the server ends the
// connection when it is too late.
func (s *Session) renewAccess(l *link) {
	ctx, cancel := context.WithTimeout(s.life, s.opts.Timeout)
	defer cancel()
	token, err := s.access.renew(ctx)
	if err == nil {
		var f wire.Frame
		f, _, err = l.ask(ctx, func(id int64) wire.Request { return &wire.Token{ID: id, Token: token} })
		if ok, is := f.(*wire.OK); is {
			s.access.accepted(ok.TokenExpiresIn.Duration())
		}
	}
	if err != nil && s.life.Err() == nil && !errors.Is(err, errDown) {
		s.opts.Logger.Warn("editlock: no fresh access token", "server", l.base.String(), "err", err)
	}
}

// online returns the present connection, and waits for one.
func (s *Session) online(ctx context.Context) (*link, error) {
	for {
		s.mu.Lock()
		l, linked := s.link, s.linked
		s.mu.Unlock()
		if l != nil {
			return l, nil
		}
		select {
		case <-linked:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-s.life.Done():
			return nil, editlock.ErrClosed
		}
	}
}

// do sends a request until it is answered, on one connection after another: every request may be repeated. sent tells whether
// a server may have got it. The error is that of the server, of ctx, or editlock.ErrClosed.
func (s *Session) do(ctx context.Context, request func(id int64) wire.Request) (answer wire.Frame, sent bool, err error) {
	for {
		l, err := s.online(ctx)
		if err != nil {
			return nil, sent, err
		}
		f, got, err := l.ask(ctx, request)
		sent = sent || got
		switch {
		case err == nil || !elsewhere(err):
			return f, sent, err
		case errors.Is(err, errDown):
			select {
			case <-l.over: // until then it would be tried again and again
			case <-ctx.Done():
				return nil, sent, context.Cause(ctx)
			}
			continue
		}
		if err := s.pause(ctx, retryAfter(err)); err != nil {
			return nil, sent, err
		}
	}
}

// call is do for what does not wait its turn.
func (s *Session) call(ctx context.Context, request func(id int64) wire.Request) (wire.Frame, error) {
	bounded, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	f, sent, err := s.do(bounded, request)
	switch {
	case err == nil:
		return f, nil
	case s.closed():
		return nil, editlock.ErrClosed
	case ctx.Err() == nil && bounded.Err() != nil && sent:
		return nil, &refusal{editlock.ErrUnknownOutcome, "the lock server did not answer in time; it may be done or not; ask again"}
	case ctx.Err() == nil && bounded.Err() != nil:
		return nil, &refusal{editlock.ErrUnavailable, "the lock server cannot be reached; nothing has changed; try again"}
	}
	return nil, meaning(err)
}

func (s *Session) closed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done
}

// pause waits.
func (s *Session) pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.life.Done():
		return editlock.ErrClosed
	}
}
