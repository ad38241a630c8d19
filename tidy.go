package editlock

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/editlock/editlock/store"
)

// tidy is the slow pass: it looks at records that are due, a few at a time, and deletes old history.
func (m *Manager) tidy() {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-tick.C:
		}
		if err := m.tidyOnce(); err != nil && m.ctx.Err() == nil {
			m.log.Warn("the slow pass failed; it comes again", "error", err)
		}
	}
}

// tidyBatch is how many due records the slow pass looks at in one go.
const tidyBatch = 200

// tidyOnce looks at the records that are due: free and lapsed ones are stepped, old history is deleted,
// and so are ended nodes that no session names any more.
func (m *Manager) tidyOnce() error {
	ctx, cancel := context.WithTimeout(m.ctx, m.cfg.StoreTimeout)
	defer cancel()
	now, err := m.st.Now(ctx)
	if err != nil {
		return err
	}
	recs, err := m.st.Due(ctx, now, tidyBatch)
	if err != nil {
		return err
	}
	for _, rec := range recs {
		switch {
		case strings.HasPrefix(rec.Key, lockKey):
			m.post(rec.Key[len(lockKey):], &op{})
		case strings.HasPrefix(rec.Key, historyKey):
			if _, err := m.write(store.Group{{Key: rec.Key, Expect: rec.Rev, Delete: true}}); err != nil && !errors.Is(err, store.ErrConflict) {
				return err
			}
		}
	}
	return m.forgetNodes()
}

// forgetNodes deletes the records of ended nodes whose sessions are all gone.
func (m *Manager) forgetNodes() error {
	named := map[string]bool{}
	for _, s := range m.all() {
		s.mu.Lock()
		named[s.node] = true
		s.mu.Unlock()
	}
	m.node.mu.Lock()
	self, others, silences := m.node.id, m.node.others, m.node.silences
	m.node.mu.Unlock()
	for id, o := range others {
		// One that has no sessions here may still live: it is deleted only once it counts as ended.
		silent := m.life.Left(silences[id], 0, m.cfg.TTL) <= 0
		if id == self || named[id] || !silent {
			continue
		}
		if _, err := m.write(store.Group{{Key: nodeKey + id, Expect: o.rev, Delete: true}}); err != nil && !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return nil
}
