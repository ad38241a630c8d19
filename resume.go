package editlock

import (
	"context"
	"errors"
	"time"

	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/store"
)

// resume attaches conn to the session of a resume token, after the new epoch was stored. A session of which nothing is
// known or stored has nothing to protect: a new one takes its place, under an id of its own.
func (m *Manager) resume(ctx context.Context, c Connect, conn *Conn) error {
	nonce := hashNonce(c.Nonce)
	for {
		s, err := m.recorded(ctx, c.Resume.Session)
		if err != nil {
			return err
		}
		if s == nil {
			return m.begin(c, conn)
		}
		again, err := m.attach(ctx, s, c, nonce, conn)
		if !again {
			return err
		}
	}
}

// recorded returns a session that is known here or stored, nil if there is none.
func (m *Manager) recorded(ctx context.Context, id string) (*session, error) {
	if s := m.find(id); s != nil {
		return s, nil
	}
	ctx, cancel := context.WithTimeout(ctx, m.cfg.StoreTimeout)
	defer cancel()
	rec, err := m.st.Get(ctx, sessionKey+id)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrTooLarge) {
		return nil, nil
	} else if err != nil {
		return nil, storeError(err)
	}
	s, err := decodeSession(rec)
	if err != nil {
		return nil, err
	}
	return m.known(s), nil
}

// came returns the pulse of a session that has come, or come back, from the care of a node, this one perhaps, where it had pulse p.
func (m *Manager) came(from string, p lease.Pulse, now time.Time) lease.Pulse {
	switch {
	case m.ear.alone || mutant == "moved-in-no-time":
		return m.life.Came(now)
	case from == m.nodeID():
		return m.life.Back(p, now) // a repeat of the attempt by which it has come here, perhaps
	}
	return m.life.Moved(now)
}

// known returns the session that is known here under the id of s, or makes s known.
func (m *Manager) known(s *session) *session {
	self := m.nodeID()
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.sessions[s.id]; known != nil {
		return known
	}
	if s.node == self {
		s.pulse = m.came("", s.pulse, time.Now()) // at first sight
		s.unheard = true                          // it came by a write of which this node was not told
	}
	m.sessions[s.id] = s
	m.users[s.user.ID]++
	return s
}

// attach does one attempt to resume s. It asks for another if the session was forgotten or its record changed meanwhile.
func (m *Manager) attach(ctx context.Context, s *session, c Connect, nonce string, conn *Conn) (again bool, err error) {
	select {
	case s.record <- struct{}{}:
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	defer func() { <-s.record }()
	s.mu.Lock()
	if m.find(s.id) != s {
		s.mu.Unlock()
		return true, nil
	}
	lost := s.rev == 0 && (s.over || s.node != m.nodeID()) && len(s.in) == 0 && !m.ear.alone
	s.mu.Unlock()
	if lost { // it has ended, and was heard of a moment too late; or this node has not heard yet what another has written
		if err := m.reread(ctx, s); err != nil {
			return false, err
		}
		s.mu.Lock()
		lost = s.rev == 0
		s.mu.Unlock()
		if lost {
			m.drop(s)
			return true, nil
		}
	}
	s.mu.Lock()
	if s.user.ID == "" {
		s.user = c.User // its record is missing: the token, which we signed, knows
		m.mu.Lock()
		m.users[s.user.ID]++
		m.mu.Unlock()
	}
	if s.user.ID != c.User.ID {
		s.mu.Unlock()
		return false, ErrResumeRefused
	}
	epoch := c.Resume.Epoch + 1
	switch {
	case mutant == "reused-token":
	case epoch > s.epoch: // the next one
	case epoch == s.epoch && nonce == s.nonce: // a repeat of the attempt that made this epoch
	default:
		s.mu.Unlock()
		m.log.Warn("a resume token was used again", "session", s.id, "user", s.user.ID, "epoch", c.Resume.Epoch)
		return false, ErrResumeReused
	}
	next := *newSession(s.id, c.User)
	next.node, next.epoch, next.nonce = m.nodeID(), epoch, nonce
	op := store.Op{Key: s.key(), Expect: s.rev, Data: next.encode()}
	s.mu.Unlock()

	rev := op.Expect
	if rev != 0 {
		done := m.writing(ctx)
		rev, err = m.write(store.Group{op})
		done(err)
		if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrUnknown) {
			if err := m.reread(ctx, s); err != nil {
				return false, err
			}
			return true, nil
		}
		if err != nil {
			return false, storeError(err)
		}
	}
	s.mu.Lock()
	s.unheard = s.unheard || s.node != next.node && mutant != "resumed-unheard"
	s.pulse, s.over = m.came(s.node, s.pulse, time.Now()), false
	s.user, s.node, s.epoch, s.nonce, s.rev, s.stale = c.User, next.node, epoch, nonce, rev, false
	if next.node != m.nodeID() { // this node was reborn meanwhile: others count that life
		s.mu.Unlock()
		return true, nil
	}
	old := s.conn
	s.conn = conn
	conn.s, conn.epoch, conn.resumed = s, epoch, true
	s.mu.Unlock()
	switch {
	case old == nil:
	case epoch == old.epoch && mutant != "late-attempt":
		old.end(ErrSessionOver) // both are attempts of one page: should it believe in the other one, it comes back
	default:
		old.end(ErrReplaced)
	}
	return false, nil
}

// reread takes up what the store has of a session, whose record is held.
func (m *Manager) reread(ctx context.Context, s *session) error {
	ctx, cancel := context.WithTimeout(ctx, m.cfg.StoreTimeout)
	defer cancel()
	rec, err := m.st.Get(ctx, s.key())
	if errors.Is(err, store.ErrNotFound) {
		s.mu.Lock()
		gone := s.rev != 0 && !s.here && !m.ear.alone
		s.rev = 0
		conn := s.conn
		if gone && !s.over {
			s.over, s.since = true, time.Now() // elsewhere, or nobody would have deleted it
		}
		s.mu.Unlock()
		if gone && conn != nil {
			conn.end(ErrSessionOver)
		}
		return nil
	} else if err != nil {
		return storeError(err)
	}
	got, err := decodeSession(rec)
	if err != nil {
		return err
	}
	if old, why := s.take(m, got); old != nil {
		old.end(why)
	}
	return nil
}

// recall takes lapsed locks back and collects what the session holds or waits for.
func (c *Conn) recall(ctx context.Context) error {
	c.s.mu.Lock()
	unheard := c.s.unheard
	c.s.mu.Unlock()
	if unheard {
		if err := c.m.hear(ctx); err != nil {
			return err
		}
	}
	c.s.mu.Lock()
	c.s.unheard = false
	names := make([]string, 0, len(c.s.in))
	for name := range c.s.in {
		names = append(names, name)
	}
	c.s.mu.Unlock()
	for _, name := range names {
		if err := c.subscribe(name, fading); err != nil {
			return err
		}
		a := c.m.do(ctx, name, &op{event: lease.Event{Kind: lease.Resume, Session: c.s.id}, session: c.s, conn: c})
		if a.err != nil {
			return a.err
		}
		if a.snapshot.Mine.State != MineNone {
			c.snapshots = append(c.snapshots, a.snapshot)
		}
	}
	return nil
}

// restate stores a session of this node as it is, when something of before is stored: others go by that, should this node die.
func (m *Manager) restate(s *session) {
	select {
	case s.record <- struct{}{}:
	default:
		return // its record is being swapped; the next sweep comes by
	}
	defer func() { <-s.record }()
	s.mu.Lock()
	op := store.Op{Key: s.key(), Expect: s.rev, Data: s.encode()}
	stale := s.stale && s.rev != 0 && s.node == m.nodeID()
	s.mu.Unlock()
	if !stale {
		return
	}
	rev, err := m.write(store.Group{op})
	if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrUnknown) {
		_ = m.reread(m.ctx, s)
	}
	if err != nil {
		return // the next sweep tries again
	}
	s.mu.Lock()
	s.rev, s.stale = rev, false
	s.mu.Unlock()
}
