package editlock

import (
	"context"
	"time"

	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/store"
)

// join makes the node's record under a new id, and takes up what others had counted.
func (m *Manager) join(ctx context.Context) error {
	others, err := m.nodes(ctx)
	if err != nil {
		return err
	}
	view := m.lives(others)
	records := map[string]lease.NodeRecord{}
	for id, o := range others {
		records[id] = o.record
	}
	now := time.Now()
	id := newID()
	silences := m.life.TakeUp(view, records)
	record := lease.NodeRecord{Started: now.UTC().Round(0), Silences: silences.Stored(m.named())}
	data, err := encodeNode(record)
	if err != nil {
		return err
	}
	rev, err := m.write(store.Group{{Key: nodeKey + id, Data: data}})
	if err != nil {
		return storeError(err)
	}
	m.saw(rev)
	n := &m.node
	n.mu.Lock()
	n.id, n.rev, n.record, n.others, n.silences = id, rev, record, others, silences
	n.renewed, n.polled, n.looked = now, now, time.Time{}
	n.outage = now // whatever was before, no page could answer this node then
	n.mu.Unlock()
	return nil
}

// rehome is the resume of a session of this process, after its node got a new id. If somebody has ended it
// meanwhile, it is over.
func (m *Manager) rehome(s *session) {
	s.record <- struct{}{}
	defer func() { <-s.record }()
	s.mu.Lock()
	s.node = m.nodeID()
	op := store.Op{Key: s.key(), Expect: s.rev, Data: s.encode()}
	conn := s.conn
	s.mu.Unlock()
	rev, err := m.write(store.Group{op})
	s.mu.Lock()
	if s.rev = rev; err != nil {
		s.over, s.since, s.rev, s.pulse.Left = true, time.Now(), op.Expect, true
	}
	s.mu.Unlock()
	if err != nil && conn != nil {
		conn.end(ErrSessionOver)
	}
}

// encodeNode encodes a node's record, without what it counted if it would be too large with it: to be alive matters
// more, and others count themselves.
func encodeNode(r lease.NodeRecord) ([]byte, error) {
	data, err := lease.EncodeNode(r)
	if err == nil && len(data) > store.MaxData {
		r.Silences = nil
		data, err = lease.EncodeNode(r)
	}
	return data, err
}

// leave deletes the node's record at the end of its life, unless a later node needs it: to count its silence, if
// the record of a session names it, or to take up what it had counted. Nothing may be written in its name any more.
func (m *Manager) leave() {
	n := &m.node
	n.mu.Lock()
	id, rev, counts := n.id, n.rev, len(n.record.Silences)
	n.mu.Unlock()
	if counts > 0 {
		return
	}
	for _, s := range m.all() {
		s.mu.Lock()
		names := s.node == id && s.rev != 0
		s.mu.Unlock()
		if names {
			return
		}
	}
	if _, err := m.write(store.Group{{Key: nodeKey + id, Expect: rev, Delete: true}}); err != nil {
		m.log.Debug("the record of this node is left for others to delete", "error", err)
	}
}

// nodes reads the records of all nodes.
func (m *Manager) nodes(ctx context.Context) (map[string]other, error) {
	m.node.mu.Lock()
	before := m.node.others
	m.node.mu.Unlock()
	others := make(map[string]other, len(before))
	err := m.each(ctx, nodeKey, func(rec store.Record) error {
		id := rec.Key[len(nodeKey):]
		o, known := before[id]
		if !known || o.rev != rec.Rev {
			r, err := lease.DecodeNode(rec.Data)
			if err != nil {
				return err
			}
			o = other{rec.Rev, r}
		}
		others[id] = o
		return nil
	})
	return others, err
}

// lives returns the life of every node but this one that has a record or that a session names.
func (m *Manager) lives(others map[string]other) map[string]int64 {
	self := m.nodeID()
	view := map[string]int64{}
	for id := range m.named() {
		view[id] = 0
	}
	for id, o := range others {
		if id != self {
			view[id] = o.record.Life(o.rev)
		}
	}
	return view
}

// named returns the other nodes that a session names.
func (m *Manager) named() map[string]bool {
	self := m.nodeID()
	named := map[string]bool{}
	for _, s := range m.all() {
		s.mu.Lock()
		if s.node != self {
			named[s.node] = true
		}
		s.mu.Unlock()
	}
	return named
}
