package editlock

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/store"
)

const (
	sweepEvery = time.Second
	renewEvery = 2 * time.Second
	// renewTimeout is longer than that of other writes: a store that is merely slow must not silence a node.
	renewTimeout = 6 * time.Second
)

// node is the life of this Manager among those on the same store: docs/lease.md, decision 4.
type node struct {
	mu       sync.Mutex
	id       string
	rev      int64 // of its record
	record   lease.NodeRecord
	renewed  time.Time        // when the last confirmed renewal was sent
	polled   time.Time        // when the last confirmed look at the others, and at what they wrote, was sent
	outage   time.Time        // when the last outage of ours, or of the store, was over
	looked   time.Time        // when that look was complete; zero: the next one counts nothing
	others   map[string]other // what it saw
	silences lease.Silences
}

type other struct {
	rev    int64
	record lease.NodeRecord
}

func (m *Manager) nodeID() string {
	m.node.mu.Lock()
	defer m.node.mu.Unlock()
	return m.node.id
}

// vouches reports whether this node may acknowledge anything now.
func (m *Manager) vouches() bool {
	n := &m.node
	n.mu.Lock()
	defer n.mu.Unlock()
	return m.life.Vouches(time.Now(), n.renewed, n.polled)
}

// waitingFrom is the moment before which nothing that waits (for a confirmation, say) was counted: while
// the node does not vouch, and up to the end of its last outage, no page could have answered.
func (m *Manager) waitingFrom(now time.Time) time.Time {
	n := &m.node
	n.mu.Lock()
	defer n.mu.Unlock()
	if !m.life.Vouches(now, n.renewed, n.polled) {
		return now
	}
	return n.outage
}

// live renews the node's record, and from the same loop ends the sessions whose time is over: a node
// that cannot sweep cannot stay alive.
func (m *Manager) live() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	var renewed time.Time // the first renewal comes with the first tick: nothing is counted before it
	failing := false
	renew := func() {
		renewed = time.Now()
		err := m.renew()
		switch {
		case m.ctx.Err() != nil:
			return
		case err != nil && !failing:
			m.log.Error("the node cannot renew its life; nothing will be acknowledged until it can", "error", err)
		case err == nil && failing:
			m.log.Info("the node can renew its life again")
		}
		failing = err != nil
		m.observer.Renewed(err)
	}
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-tick.C:
		}
		// At every second tick, also if the one before came a little late.
		if failing || time.Since(renewed) > renewEvery-sweepEvery/2 {
			renew()
		}
		if m.sweep() && m.ctx.Err() == nil { // somebody's time is over, if the store was there all the time
			renew()
			m.sweep()
		}
	}
}

// renew swaps the node's record, looks at the others', and counts their silence.
func (m *Manager) renew() error {
	n := &m.node
	named := m.named()
	sent := time.Now()
	n.mu.Lock()
	id, rev, record, last := n.id, n.rev, n.record, n.renewed
	record.Silences = n.silences.Stored(named)
	n.mu.Unlock()
	data, err := encodeNode(record)
	if err != nil {
		return err
	}
	got, err := m.writeWithin(renewTimeout, store.Group{{Key: nodeKey + id, Expect: rev, Data: data}})
	if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrUnknown) {
		return m.recheck(id, err)
	} else if err != nil {
		return err
	}
	m.saw(got)
	now := time.Now()
	if m.life.Gap(last, now) {
		m.observer.Gap(now.Sub(last))
		m.log.Warn("there was no confirmed renewal for too long; every session gets its time afresh", "gap", now.Sub(last).Round(time.Second))
	}
	m.afresh(id, last, now)
	n.mu.Lock()
	n.rev, n.record, n.renewed = got, record, sent
	if m.life.Gap(last, now) {
		n.outage = now
	}
	n.mu.Unlock()

	ctx, cancel := context.WithTimeout(m.ctx, m.cfg.StoreTimeout)
	defer cancel()
	polled := time.Now()
	others, err := m.nodes(ctx)
	if err == nil {
		err = m.hear(ctx)
	}
	now = time.Now()
	if err != nil {
		n.mu.Lock()
		n.looked = time.Time{}
		n.mu.Unlock()
		return err
	}
	view := m.lives(others)
	n.mu.Lock()
	gap := m.life.Gap(n.polled, now)
	n.polled = polled
	n.mu.Unlock()
	ready := m.Ready() == nil // from now on, even if there was a gap
	n.mu.Lock()
	elapsed := time.Duration(0)
	if !n.looked.IsZero() && ready && !gap {
		elapsed = now.Sub(n.looked)
	}
	n.others, n.silences = others, m.life.Count(n.silences, view, got, elapsed)
	if n.looked = now; !ready {
		n.looked = time.Time{}
	}
	n.mu.Unlock()
	return nil
}

// recheck reads what became of the node's record after a renewal that did not go through as it should.
func (m *Manager) recheck(id string, why error) error {
	ctx, cancel := context.WithTimeout(m.ctx, m.cfg.StoreTimeout)
	defer cancel()
	rec, err := m.st.Get(ctx, nodeKey+id)
	if err == nil {
		r, err := lease.DecodeNode(rec.Data)
		if err != nil {
			return err
		}
		if r.Ended == 0 {
			// Nobody else writes a living node's record: a renewal of ours has landed after all. The next one settles it.
			m.node.mu.Lock()
			m.node.rev = rec.Rev
			m.node.mu.Unlock()
			return why
		}
	} else if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	// Others ended this node. Its sessions are theirs to end, or ours again once they resume here.
	m.observer.Reborn()
	m.log.Warn("this node was taken for dead; it goes on under a new id, and its sessions resume")
	for _, s := range m.all() { // before it vouches for anything again
		s.mu.Lock()
		conn, gone := s.conn, s.node == id && s.rev != 0 && !s.here
		s.mu.Unlock()
		if gone && conn != nil {
			conn.end(ErrSessionOver)
		}
	}
	if err := m.join(ctx); err != nil {
		return err
	}
	for _, s := range m.all() {
		s.mu.Lock()
		conn, own := s.conn, s.node == id
		if own && s.rev == 0 {
			s.node, conn = m.nodeID(), nil // nothing is stored of it: it is simply this node's
			s.pulse = m.life.Afresh(s.pulse, time.Now())
		}
		s.mu.Unlock()
		switch {
		case !own || conn == nil:
		case s.here:
			m.rehome(s)
		default:
			conn.end(ErrSessionOver)
		}
	}
	return nil
}

// afresh gives every session of this node the time that was not its fault, after a renewal that is confirmed at now and follows
// one that was sent at last.
func (m *Manager) afresh(id string, last, now time.Time) {
	if now.Sub(last) <= m.life.Stride {
		return
	}
	for _, s := range m.all() {
		s.mu.Lock()
		switch {
		case s.node != id:
		case m.life.Gap(last, now):
			s.pulse = m.life.Afresh(s.pulse, now)
		default:
			s.pulse = m.life.Spared(s.pulse, last, now)
		}
		s.mu.Unlock()
	}
}

// sweep ends the sessions whose time is over: of this node by their silence, of others by their node's. Silence counts up to
// the last confirmed renewal, since nobody could come back while the store was down. It reports whether another renewal would
// end somebody.
func (m *Manager) sweep() (more bool) {
	now := time.Now()
	n := &m.node
	n.mu.Lock()
	self, others, silences := n.id, n.others, n.silences
	vouches := m.life.Vouches(now, n.renewed, n.polled)
	renewed := n.renewed
	n.mu.Unlock()
	m.doubt(now, renewed)
	if !vouches {
		return false // our own outage does not count against anybody
	}
	m.reconcile(now)
	ended := map[string]bool{}
	for _, s := range m.all() {
		s.mu.Lock()
		node, over, rev := s.node, s.over, s.rev
		mine, before, left := node == self, s.over, s.pulse.Left
		switch {
		case mutant == "one-try" && over:
			over = false
		case over || s.here || s.asks != nil: // one of this process ends by its Close only
		case mine && (s.pulse.Over(renewed) || mutant == "silence-in-outage" && s.pulse.Over(now)):
			s.over, s.since, over = true, s.pulse.Deadline, true
		case mine:
			more = more || s.pulse.Over(now)
			if s.stale {
				m.task(func() { m.restate(s) })
			}
		default:
			silence, counted := silences[node]
			if !counted || m.life.Left(silence, rev, m.cfg.TTL) > 0 {
				break
			}
			// No pause follows: the holder's own belief ended long ago.
			s.over, s.since, over = true, now.Add(-m.cfg.Rules.Pause), true
		}
		s.mu.Unlock()
		if !over {
			continue
		}
		// One that was over before, because its record is gone, is no reason to end a node that lives.
		if o, ok := others[node]; ok && !before && !mine && o.record.Ended == 0 && !ended[node] {
			if err := m.endNode(node, o); err != nil {
				m.log.Warn("could not end a silent node; trying again", "node", node, "error", err)
				s.mu.Lock()
				s.over = false
				s.mu.Unlock()
				continue
			}
			ended[node] = true
		}
		if !before {
			m.observer.SessionOver(left)
		}
		m.finish(s)
	}
	return more
}

// endNode marks a silent node as ended, which stops it, before the first of its sessions is ended.
func (m *Manager) endNode(id string, o other) error {
	data, err := encodeNode(o.record.End(o.rev))
	if err != nil {
		return err
	}
	rev, err := m.write(store.Group{{Key: nodeKey + id, Expect: o.rev, Data: data}})
	if err != nil {
		return err
	}
	m.saw(rev)
	m.node.mu.Lock()
	if m.node.others != nil {
		m.node.others[id] = other{rev, o.record.End(o.rev)}
	}
	m.node.mu.Unlock()
	return nil
}

// finish posts the end of a session that is over to all that it holds or waits for, again each time until
// it is done, and forgets it when nothing is left.
func (m *Manager) finish(s *session) {
	s.mu.Lock()
	if !s.over {
		s.mu.Unlock()
		return // it was resumed meanwhile
	}
	kind, reason := lease.Lapse, lease.Reason("")
	if s.pulse.Left {
		kind, reason = lease.End, lease.Left
	}
	since, conn := s.since, s.conn
	var names []string
	for name, how := range s.in {
		if how != lapsed || kind == lease.End {
			names = append(names, name)
		}
	}
	empty := len(s.in) == 0
	s.mu.Unlock()
	if conn != nil {
		conn.end(ErrSessionOver)
	}
	for _, name := range names {
		m.post(name, &op{
			event:   lease.Event{Kind: kind, Session: s.id, Reason: reason, Over: since},
			session: s, ends: true,
		})
	}
	if empty {
		m.task(func() { m.forget(s) }) // beside the loop, which must not wait for the store but to renew
	}
}

// forget removes a session that is over and that no record names, and its own record.
func (m *Manager) forget(s *session) {
	select {
	case s.record <- struct{}{}:
		m.forgetHeld(s)
		<-s.record
	default:
		// Its record is being swapped; the next sweep comes by.
	}
}

// forgetHeld is forget for who has the session's record.
func (m *Manager) forgetHeld(s *session) {
	s.mu.Lock()
	idle := s.over && len(s.in) == 0 && s.asks == nil
	rev := s.rev
	s.mu.Unlock()
	if !idle {
		return
	}
	if rev != 0 {
		_, err := m.write(store.Group{{Key: s.key(), Expect: rev, Delete: true}})
		if errors.Is(err, store.ErrConflict) {
			_ = m.reread(m.ctx, s)
			return
		} else if err != nil {
			return // the next sweep tries again
		}
	}
	m.drop(s)
}
