package editlock

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/editlock/editlock/lease"
)

// Connect asks for a session for one connection of a remote page or program. Package server is made of it.
type Connect struct {
	// User is who it is, from the access token.
	User User
	// Resume names the session to come back to; nil for a new one. Its signature was checked by the caller.
	Resume *Resume
	// Nonce is that of this attempt: the same again if the attempt is repeated.
	Nonce string
	// Notify is given every snapshot that the connection should see, in order for each resource. It must
	// not block and must not call the Conn.
	Notify func(Snapshot)
	// Closed is called at most once, when the Manager ends the connection: with ErrReplaced,
	// ErrSessionOver (it may be resumed) or ErrShuttingDown. It must not block.
	Closed func(error)

	here bool // a session of this process
}

// Resume is what a resume token proves.
type Resume struct {
	Session string
	Epoch   int64 // with which the token was issued
}

// Conn is a connection's hold on a session. A newer connection of the session ends it. Its methods may be called
// from several goroutines; they return ErrReplaced or ErrSessionOver when they come too late, and then
// have changed nothing. Those with a context return when it ends, but what they began may still be done.
type Conn struct {
	m         *Manager
	s         *session
	epoch     int64
	resumed   bool
	snapshots []Snapshot
	notify    func(Snapshot)
	closed    func(error)

	// Under s.mu.
	watches  map[string]watching // resources
	prefixes map[string]struct{}
}

// watching says for how long a connection is told about a resource: as long as its session is in the
// record or asks to be, or (keep) until it is no longer watched.
type watching struct {
	keep   bool
	asking int // acquires under way
}

// Request is what Conn.Acquire asks for.
type Request struct {
	Resource string
	NoWait   bool // answer with a *LockedError rather than wait
	Move     bool // if another session of the same user holds it, move it here
}

// HeldLock is a confirmed hold.
type HeldLock struct {
	Resource string
	Fence    int64
	Until    time.Time // nobody else gets it by expiry before that; by this process's clock
}

// Connect makes a session, or resumes one. It returns ErrResumeRefused, ErrResumeReused,
// ErrTooManySessions, ErrUnavailable or ErrShuttingDown.
func (m *Manager) Connect(ctx context.Context, c Connect) (*Conn, error) {
	m.mu.Lock()
	draining := m.draining
	m.mu.Unlock()
	switch {
	case m.ctx.Err() != nil:
		return nil, ErrClosed
	case draining:
		return nil, ErrShuttingDown
	case !m.vouches():
		return nil, ErrUnavailable
	}
	if !goodUser(c.User.ID) {
		return nil, fmt.Errorf("%w: the ID of a user has 1 to %d bytes of printable UTF-8", ErrBadRequest, lease.MaxText)
	}
	c.User.Name = lease.DisplayName(c.User.Name)
	if c.Notify == nil {
		c.Notify = func(Snapshot) {}
	}
	conn := &Conn{m: m, notify: c.Notify, closed: c.Closed, watches: map[string]watching{}, prefixes: map[string]struct{}{}}
	if c.Resume == nil {
		if err := m.begin(c, conn); err != nil {
			return nil, err
		}
		return conn, nil
	}
	err := m.resume(ctx, c, conn)
	m.resumed(conn, err)
	if err != nil {
		return nil, err
	}
	if err := conn.recall(ctx); err != nil {
		conn.Disconnect()
		return nil, err
	}
	return conn, nil
}

func goodUser(id string) bool {
	return id != "" && len(id) <= lease.MaxText && utf8.ValidString(id) && !strings.ContainsFunc(id, unicode.IsControl)
}

// begin makes a new session for conn. It is stored once it asks for a lock.
func (m *Manager) begin(c Connect, conn *Conn) error {
	s := newSession(newID(), c.User)
	s.node, s.epoch, s.nonce, s.conn, s.here = m.nodeID(), 1, hashNonce(c.Nonce), conn, c.here
	s.pulse = m.life.Came(time.Now())
	conn.s, conn.epoch = s, 1
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.users[s.user.ID] >= m.cfg.MaxSessions {
		return ErrTooManySessions
	}
	m.users[s.user.ID]++
	m.sessions[s.id] = s
	return nil
}

// Session returns the identifier of the session.
func (c *Conn) Session() string { return c.s.id }

// Epoch returns the number of this connection among those of its session, for the next resume token.
func (c *Conn) Epoch() int64 { return c.epoch }

// Resumed reports whether the session existed before.
func (c *Conn) Resumed() bool { return c.resumed }

// Snapshots returns what the session held or waited for when the connection was made.
func (c *Conn) Snapshots() []Snapshot { return c.snapshots }

// check returns why the connection is no longer its session's. s.mu is held.
func (c *Conn) check() error {
	switch {
	case c.s.conn != c:
		return ErrReplaced
	case c.s.over:
		return ErrSessionOver
	}
	return nil
}

// Acquire asks for a resource. The snapshot says whether it was granted or is waited for. It returns
// a *LockedError, ErrBadResource, ErrQueueFull, ErrTooManyLocks, ErrTooManyWatches, ErrUnavailable or ErrUnknownOutcome.
// Asking again for what is held or waited for returns where the session stands.
func (c *Conn) Acquire(ctx context.Context, q Request) (Snapshot, error) {
	name, err := lease.ParseResource(q.Resource)
	if err != nil {
		return Snapshot{}, err
	}
	c.s.mu.Lock()
	if err = c.check(); err == nil {
		if _, in := c.s.in[name]; !in && c.s.asks[name] == 0 && c.s.claims() >= c.m.cfg.MaxLocks {
			err = ErrTooManyLocks
		}
	}
	if err != nil {
		c.s.mu.Unlock()
		return Snapshot{}, err
	}
	c.s.asking(name) // until the op is answered: the session does not end, and the subscription does not fade, meanwhile
	user := c.s.user
	c.s.mu.Unlock()
	if err := c.subscribe(name, asking); err != nil {
		c.s.mu.Lock()
		c.s.answered(name)
		c.s.mu.Unlock()
		return Snapshot{}, err
	}
	a := c.do(ctx, name, true, lease.Event{Kind: lease.Acquire, User: user.ID, Name: user.Name, NoWait: q.NoWait, Move: q.Move})
	switch {
	case a.err != nil:
		return Snapshot{}, a.err
	case a.answer == lease.Locked:
		return a.snapshot, &LockedError{Snapshot: a.snapshot}
	case a.answer == lease.Stale:
		return a.snapshot, ErrSessionOver
	case a.answer == lease.QueueFull:
		return a.snapshot, ErrQueueFull
	}
	return a.snapshot, nil
}

// do hands an event of this connection to a resource.
func (c *Conn) do(ctx context.Context, name string, claims bool, e lease.Event) answer {
	e.Session = c.s.id
	life := c.m.nodeID()
	a := c.m.do(ctx, name, &op{event: e, session: c.s, conn: c, claims: claims})
	if a.err == nil && (!c.m.vouches() || life != c.m.nodeID()) {
		a.err = ErrUnknownOutcome // it was done, but this node may not say so
	}
	return a
}

// act is do for the events that need no more than a live connection.
func (c *Conn) act(ctx context.Context, resource string, e lease.Event) (Snapshot, error) {
	name, err := lease.ParseResource(resource)
	if err != nil {
		return Snapshot{}, err
	}
	c.s.mu.Lock()
	err = c.check()
	c.s.mu.Unlock()
	if err != nil {
		return Snapshot{}, err
	}
	if err := checkVersion(e.Version); err != nil {
		return Snapshot{}, err
	}
	a := c.do(ctx, name, false, e)
	if a.err == nil && a.answer == lease.Stale {
		a.err = ErrStale
	}
	return a.snapshot, a.err
}

// Confirm says that the page to which a grant was made is there. When it returns nil, that is durable and the
// page may edit. It returns ErrStale, with a snapshot, if the grant has passed on.
func (c *Conn) Confirm(ctx context.Context, resource string, fence int64) (Snapshot, error) {
	return c.act(ctx, resource, lease.Event{Kind: lease.Confirm, Fence: fence})
}

// Release gives a resource back, and names the version of its content if version is not empty. With a
// fence that is not that of a present hold it changes nothing, and says the same.
func (c *Conn) Release(ctx context.Context, resource string, fence int64, version string) (Snapshot, error) {
	return c.act(ctx, resource, lease.Event{Kind: lease.Release, Fence: fence, Version: version})
}

// Cancel leaves the queue, and gives back a grant that was not confirmed yet. A confirmed hold stays.
func (c *Conn) Cancel(ctx context.Context, resource string) (Snapshot, error) {
	return c.act(ctx, resource, lease.Event{Kind: lease.Cancel})
}

// Changed tells all who wait for or watch the resource that its content was saved as version. Only its holder may: otherwise ErrStale.
func (c *Conn) Changed(ctx context.Context, resource string, fence int64, version string) (Snapshot, error) {
	return c.act(ctx, resource, lease.Event{Kind: lease.Changed, Fence: fence, Version: version})
}
