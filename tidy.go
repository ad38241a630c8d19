package editlock

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/editlock/editlock/store"
)

const (
	tidyFirst = time.Second // soon: a process that never lives long has to tidy too
	tidyEvery = 10 * time.Second
	tidyBatch = 200                   // due records that are looked at in one go
	tidyPause = 50 * time.Millisecond // between two goes, for everybody else
	tidyAside = 64                    // of its writes are under way at a time
)

// tidy is the slow pass: it looks at the records that are due, and deletes what nobody needs any more.
func (m *Manager) tidy() {
	next := time.NewTimer(tidyFirst)
	defer next.Stop()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-next.C:
		}
		m.dropOthers()
		if err := errors.Join(m.tidyDue(), m.forgetNodes()); err != nil && m.ctx.Err() == nil {
			m.log.Warn("the slow pass failed; it comes again", "error", err)
		}
		next.Reset(tidyEvery)
	}
}

// tidyDue looks at all the records that are due, a batch at a time: free and lapsed ones are stepped, old
// history is deleted.
func (m *Manager) tidyDue() error {
	// What was looked at in this pass, and is due even so, must not keep the others from their turn.
	seen, stuck := map[string]int64{}, 0
	for {
		limit := tidyBatch + stuck
		recs, err := m.due(limit)
		if err != nil {
			return err
		}
		var todo []func() error
		again := make(map[string]int64, len(recs))
		for _, rec := range recs {
			again[rec.Key] = rec.Rev
			if rev, ok := seen[rec.Key]; !ok || rev != rec.Rev {
				todo = append(todo, func() error { return m.look(rec) })
			}
		}
		if err := aside(todo); err != nil || len(recs) < limit {
			return err
		}
		seen, stuck = again, len(recs)-len(todo)
		select {
		case <-m.ctx.Done():
			return nil
		case <-time.After(tidyPause):
		}
	}
}

func (m *Manager) due(limit int) ([]store.Record, error) {
	ctx, cancel := context.WithTimeout(m.ctx, m.cfg.StoreTimeout)
	defer cancel()
	now, err := m.st.Now(ctx)
	if err != nil {
		return nil, err
	}
	m.clock.look(m, now)
	return m.st.Due(ctx, now, limit)
}

// clock compares the wall clock of the store with the time that really passes. Used by the slow pass alone.
type clock struct {
	began time.Time
	ahead time.Duration // of the store's clock, when it was last looked at, before what the monotonic clock of this machine says
	known bool
}

// clockJump is more than an orderly correction of a clock makes between two looks.
const clockJump = 10 * time.Second

// look says so when the clock was set. Nothing that is held depends on it, but times that people read do, when history is forgotten,
// and whether access tokens are good.
func (c *clock) look(m *Manager, now time.Time) {
	if !c.known {
		c.began = time.Now()
	}
	ahead := now.Round(0).Sub(c.began.Round(0)) - time.Since(c.began)
	by := ahead - c.ahead
	if c.known && by.Abs() > clockJump {
		m.observer.ClockJumped(by)
		m.log.Error("the clock was set, of the store or of this machine, or the machine was asleep; locks do not depend on it, but times that people read and tokens do: have it synchronised", "by", by.Round(time.Second))
	}
	c.ahead, c.known = ahead, true
}

// look does what is due to a record.
func (m *Manager) look(rec store.Record) error {
	switch {
	case strings.HasPrefix(rec.Key, lockKey):
		ctx, cancel := context.WithTimeout(m.ctx, m.cfg.StoreTimeout)
		defer cancel()
		_ = m.do(ctx, rec.Key[len(lockKey):], &op{}) // what fails is still due
	case strings.HasPrefix(rec.Key, historyKey):
		return m.forgetHistory(rec)
	}
	return nil
}

// remove deletes a record, unless it has changed.
func (m *Manager) remove(key string, rev int64) error {
	_, err := m.write(store.Group{{Key: key, Expect: rev, Delete: true}})
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	return err
}

// forgetNodes deletes the records of nodes whose sessions are all gone. One that has no sessions here may still
// live: it is deleted only once it was silent for as long as would have ended its sessions. If it wakes even then, it
// goes on under a new id.
func (m *Manager) forgetNodes() error {
	named := m.named()
	n := &m.node
	n.mu.Lock()
	self, others, silences := n.id, maps.Clone(n.others), n.silences
	n.mu.Unlock()
	gone := map[string]other{}
	for id, o := range others {
		if id != self && !named[id] && m.life.Left(silences[id], 0, m.cfg.TTL) <= 0 {
			gone[id] = o
		}
	}
	if err := m.unclaimed(gone); err != nil {
		return err
	}
	var todo []func() error
	for id, o := range gone {
		todo = append(todo, func() error { return m.remove(nodeKey+id, o.rev) })
	}
	return aside(todo)
}

// unclaimed makes the sessions known that nodes have left behind though nobody's record names them, so that they are ended too,
// and takes these nodes out of gone.
func (m *Manager) unclaimed(gone map[string]other) error {
	if len(gone) == 0 || m.ear.alone { // alone, it knows them from its start
		return nil
	}
	ctx, cancel := context.WithTimeout(m.ctx, tidyEvery)
	defer cancel()
	named := map[string]bool{}
	err := m.each(ctx, sessionKey, func(rec store.Record) error {
		s, err := decodeSession(rec)
		if err != nil {
			return nil // it was said when it was read first
		}
		if _, left := gone[s.node]; left {
			m.known(s)
			named[s.node] = true
		}
		return nil
	})
	maps.DeleteFunc(gone, func(id string, _ other) bool { return named[id] })
	return err
}

// aside does everything, several at a time, so that they share their writes. It stops at what fails.
func aside(todo []func() error) error {
	ctx, fail := context.WithCancelCause(context.Background())
	defer fail(nil)
	var wg sync.WaitGroup
	turn := make(chan struct{}, tidyAside)
	for _, f := range todo {
		turn <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			if err := f(); err != nil {
				fail(err)
			}
			<-turn
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
