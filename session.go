package editlock

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/store"
)

// session is what this node knows of a session: one of its own, or one whose record names another node
// (one that was here before a restart, say).
type session struct {
	id   string
	user User
	here bool // it runs in this process

	// record is held (a token is in it) while a swap of the session's record is under way.
	record chan struct{}

	mu    sync.Mutex
	node  string // that its record names, or that it would name
	epoch int64
	nonce string              // hash of the one with which this epoch began
	rev   int64               // of its record; 0: it has none
	conn  *Conn               // attached, or nil
	in    map[string]standing // the resources whose records name it
	asks  map[string]int      // acquires under way, by resource; nil: none. The session does not end meanwhile

	claimed *claim // nil: there was none
	unheard bool   // it came from another node: what names it has to be heard before it is told what it has
	unnamed bool   // no record named it when dropOthers looked
	stale   bool   // what is stored is of an earlier epoch

	pulse lease.Pulse // of a session of this node, as long as its node is this one
	over  bool        // its time is over; only a resume changes that
	since time.Time   // when it was over, by this process's clock
}

// standing is how the record of a resource names a session.
type standing uint8

const (
	waits standing = iota
	holds
	lapsed // its hold has
)

// sessionRecord is what is stored of a session that holds or waits.
type sessionRecord struct {
	V     int    `json:"v"`
	Node  string `json:"node"`
	Epoch int64  `json:"epoch"`
	Nonce string `json:"nonce,omitzero"` // hash
	User  string `json:"user"`
	Name  string `json:"name,omitzero"`
	Bye   bool   `json:"bye,omitzero"`
}

func newSession(id string, user User) *session {
	return &session{id: id, user: user, record: make(chan struct{}, 1), in: map[string]standing{}}
}

// newID returns a random identifier of 96 bits in 16 characters.
func newID() string {
	var b [12]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// hashNonce returns what is kept of a nonce.
func hashNonce(nonce string) string {
	h := sha256.Sum256([]byte(nonce))
	return base64.RawURLEncoding.EncodeToString(h[:12])
}

// asking notes that an acquire of a resource begins. s.mu is held, as for answered and claims.
func (s *session) asking(name string) {
	if s.asks == nil {
		s.asks = map[string]int{}
	}
	s.asks[name]++
}

// answered notes that an acquire of a resource has ended.
func (s *session) answered(name string) {
	if s.asks[name]--; s.asks[name] == 0 {
		delete(s.asks, name)
	}
	if len(s.asks) == 0 {
		s.asks = nil // an idle session keeps no memory for it
	}
}

// claims counts what the session holds, waits for or asks for, each once.
func (s *session) claims() int {
	n := len(s.in)
	for name := range s.asks {
		if _, in := s.in[name]; !in {
			n++
		}
	}
	return n
}

func (s *session) key() string { return sessionKey + s.id }

// encode returns the session's record as it is to be. s.mu is held.
func (s *session) encode() []byte {
	data, err := json.Marshal(sessionRecord{
		V: lease.Version, Node: s.node, Epoch: s.epoch, Nonce: s.nonce,
		User: s.user.ID, Name: s.user.Name, Bye: s.pulse.Left,
	}, json.Deterministic(true))
	if err != nil {
		panic(err) // strings and numbers: cannot fail
	}
	return data
}

// errUnreadable says of a session's record that it is damaged, or of newer rules.
var errUnreadable = errors.New("editlock: a session's record cannot be read")

// decodeSession reads a session's record. It returns errUnreadable.
func decodeSession(rec store.Record) (*session, error) {
	var r sessionRecord
	if err := json.Unmarshal(rec.Data, &r); err != nil {
		return nil, fmt.Errorf("%w: %s is damaged: %w", errUnreadable, rec.Key, err)
	}
	if r.V > lease.Version {
		return nil, fmt.Errorf("%w: %s: %w", errUnreadable, rec.Key, lease.ErrNewer)
	}
	s := newSession(rec.Key[len(sessionKey):], User{r.User, r.Name})
	s.node, s.epoch, s.nonce, s.rev = r.Node, r.Epoch, r.Nonce, rec.Rev
	s.pulse.Left = r.Bye
	return s, nil
}

// take takes up the record of the session as it is stored, and returns the connection that is no longer its own, if there is
// one, and why. s.record is held.
func (s *session) take(m *Manager, got *session) (old *Conn, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if got.rev <= s.rev {
		return nil, nil
	}
	now, here := time.Now(), got.node == m.nodeID()
	if got.epoch > s.epoch || got.node != s.node {
		s.over = false // it was resumed, here by a write of which we were not told, or elsewhere, and then that node counts its time
		if here && mutant != "unseen-resume" {
			s.pulse = m.came(s.node, s.pulse, now)
		}
	}
	switch {
	case !here:
		s.pulse.Left = got.pulse.Left
	case got.pulse.Left && got.epoch >= s.epoch: // else its page has come back since
		s.pulse = m.life.ByeSeen(s.pulse, now) // another node was told
	}
	if old = s.conn; old != nil && (!here || got.epoch > old.epoch) {
		s.conn, why = nil, ErrReplaced // also here, by a resume of which nobody was told: what this connection says is late by now
		if got.epoch == old.epoch {
			why = ErrSessionOver // a repeat of the same attempt; see attach
		}
	} else {
		old = nil
	}
	if s.user.ID == "" { // nothing was known of it but that a record names it
		s.user = got.user
		m.mu.Lock()
		m.users[s.user.ID]++
		m.mu.Unlock()
	}
	s.unheard = s.unheard || s.node != got.node && mutant != "resumed-unheard"
	s.node, s.rev = got.node, got.rev
	if s.stale = got.epoch < s.epoch; !s.stale { // it never goes back: a resume may have come when nothing seemed to be stored
		s.epoch, s.nonce = got.epoch, got.nonce
	}
	return old, why
}

// facts returns what the rules may know of the session.
func (s *session) facts() lease.Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return lease.Session{User: s.user.ID, Name: s.user.Name, Over: s.over, Left: s.pulse.Left, Here: s.here}
}

// endSession ends all that a session holds and waits for, and forgets it.
func (m *Manager) endSession(ctx context.Context, s *session, why Reason) error {
	s.mu.Lock()
	s.over, s.since, s.pulse.Left = true, time.Now(), true // what fails now, the sweep does
	var names []string
	for name := range s.in {
		names = append(names, name)
	}
	s.mu.Unlock()
	var errs []error
	for _, name := range names {
		a := m.do(ctx, name, &op{event: lease.Event{Kind: lease.End, Session: s.id, Reason: why}, session: s, ends: true})
		errs = append(errs, a.err)
	}
	select {
	case s.record <- struct{}{}: // not only if it can be had at once: nobody shall come back to what was ended
		m.forgetHeld(s)
		<-s.record
	case <-ctx.Done():
	}
	return errors.Join(errs...)
}

// sessionSwap is a swap of a session's record that goes in the group of a resource's. A nil one is none.
type sessionSwap struct {
	s    *session
	op   store.Op
	node string // of a claim: the node that makes it
}

// begin prepares the swap of the session's record that o needs, and holds the record until release. It
// returns nil if none is needed after all, and an error if o is not to be done.
func (s *session) begin(m *Manager, o *op) (*sessionSwap, error) {
	if !o.claims && !o.ends {
		return nil, nil
	}
	s.record <- struct{}{}
	swap := &sessionSwap{s: s}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.claimed; o.claims && c != nil && s.rev == 0 && !s.here && !m.ear.alone {
		s.mu.Unlock()
		err := c.settle(m, s)
		s.mu.Lock()
		if err != nil {
			swap.unlock()
			return nil, err
		}
	}
	switch {
	case o.ends && (!s.over || m.find(s.id) != s) && mutant != "late-expiry":
		swap.unlock()
		return nil, ErrSessionOver // it came back; or it was forgotten, and what there is of it now came later
	case o.claims && s.over:
		swap.unlock()
		return nil, ErrSessionOver
	case o.claims && s.rev != 0, o.ends && s.rev == 0:
		swap.unlock()
		return nil, nil
	}
	if o.claims {
		s.node = m.nodeID()
		swap.node = s.node
	}
	// For an end the same is written again: a resume that read the older revision fails.
	swap.op = store.Op{Key: s.key(), Expect: s.rev, Data: s.encode()}
	return swap, nil
}

// claim is the write of a session's first record that had an unknown outcome: it went with the swap of a resource's record at a revision.
type claim struct {
	key string
	rev int64
	at  time.Time
}

// settle does not let a session's first record be made twice. If the resource's record is not as it was, the write was done or never will be;
// and if the session's is missing then, it may have been made: the session came back to another node, which ended it, and nobody could tell a
// second record from that of a session in force. So the page begins another session.
func (c claim) settle(m *Manager, s *session) error {
	ctx, cancel := context.WithTimeout(m.ctx, m.cfg.StoreTimeout)
	defer cancel()
	rec, err := m.st.Get(ctx, c.key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if rec.Rev == c.rev && time.Since(c.at) < m.cfg.Rules.Keep {
		return nil
	}
	if err := m.reread(ctx, s); err != nil {
		return err
	}
	s.mu.Lock()
	there, conn := s.rev != 0, s.conn
	if !there && !s.over {
		s.over, s.since = true, time.Now()
	}
	s.mu.Unlock()
	if there {
		return nil
	}
	if conn != nil {
		conn.end(ErrSessionOver)
	}
	return ErrSessionOver
}

func (w *sessionSwap) unlock() { <-w.s.record }

func (w *sessionSwap) needed() bool { return w != nil }

func (w *sessionSwap) release() {
	if w != nil {
		w.unlock()
	}
}

// stale reads the record again, after a swap of it failed that went with one of a resource's record.
func (w *sessionSwap) stale(ctx context.Context, m *Manager, why error, with store.Op) {
	if w != nil {
		w.s.mu.Lock()
		if w.node != "" && errors.Is(why, store.ErrUnknown) && w.s.claimed == nil {
			w.s.claimed = &claim{with.Key, with.Expect, time.Now()}
		}
		w.s.mu.Unlock()
		_ = m.reread(ctx, w.s) // if that fails too, so does the next swap
	}
}

// commit takes up the revision of the record.
func (w *sessionSwap) commit(m *Manager, rev int64) {
	if w == nil {
		return
	}
	s := w.s
	s.mu.Lock()
	s.rev = rev
	if w.node != "" {
		s.node = w.node
	}
	conn, reborn := s.conn, w.node != "" && w.node != m.nodeID()
	s.mu.Unlock()
	switch {
	case !reborn: // if it comes to that now, recheck sees that there is a record
	case s.here:
		m.task(func() { m.rehome(s) })
	case conn != nil:
		conn.end(ErrSessionOver) // what was stored is in the care of a life that is over
	}
}
