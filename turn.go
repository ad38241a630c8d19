package editlock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/store"
)

// turn folds ops up to the first change of holder into one swap, and returns those that remain.
func (r *resource) turn(ops []*op) (left []*op) {
	m := r.m
	r.failed = false
	if err := r.load(); err != nil {
		r.fail(ops, err)
		return nil
	}
	now := time.Now()
	r.set(r.state.Afresh(m.waitingFrom(now)), r.rev)
	base, cur := r.state, r.state
	group := store.Group{{Key: lockKey + r.name, Expect: r.rev}}
	var (
		done   []*op
		outs   []lease.Outcome
		change *lease.Change
		swap   *sessionSwap
		stands bool // the history entry does
		keeps  []store.Op
	)
	defer func() { swap.release() }()
	for len(ops) > 0 && change == nil {
		o := ops[0]
		if len(keeps) > store.MaxGroup/2 || swap != nil && (o.claims || o.ends) {
			break // one session's record a swap
		}
		mine, err := o.session.begin(m, o)
		var keep []store.Op
		if err == nil { // only then is it known for good whether there is a record
			keep, err = o.current(m, mine)
		}
		if err != nil {
			mine.release()
			if errors.Is(err, errNoRecord) {
				continue // since a moment ago
			}
			o.reply(r, answer{err: err})
			ops = ops[1:]
			continue
		}
		if mine != nil {
			swap = mine
		}
		ops = ops[1:]
		keeps = append(keeps, keep...)
		next, out := m.cfg.Rules.Step(cur, o.event, m.know, now)
		cur, change = next, out.Change
		done, outs = append(done, o), append(outs, out)
	}
	if len(done) == 0 {
		return ops
	}

	stale := m.cfg.Rules.Stale(cur, now)
	if stale && r.rev == 0 && r.unsettled {
		// A swap of ours may still make the record. An empty one in its place fails it; the slow pass removes that.
		stale, cur.Freed = false, now.UTC().Round(0)
	}
	after, err := lease.Encode(cur)
	if err != nil {
		r.fail(done, err)
		return ops
	}
	if change == nil && !swap.needed() && !r.unsettled && !stale {
		if before, err := lease.Encode(base); err == nil && bytes.Equal(before, after) {
			if r.unsure(done) {
				return append(done, ops...)
			}
			r.answer(base, done, outs, nil)
			return ops
		}
	}

	group[0].Data, group[0].Due = after, r.due(cur, now)
	if stale {
		if r.rev == 0 {
			if r.unsure(done) {
				return append(done, ops...)
			}
			r.answer(base, done, outs, nil)
			return ops
		}
		group[0] = store.Op{Key: group[0].Key, Expect: r.rev, Delete: true}
	}
	if change != nil {
		stands = m.stands(r.stood, now)
		op, err := m.historyOp(r.name, change, now, stands)
		if err != nil {
			r.fail(done, err)
			return ops
		}
		if mutant != "no-history-of-expiry" || change.Ended == nil || change.Ended.Reason != lease.Expired {
			group = append(group, op)
		}
	}
	if swap.needed() {
		group = append(group, swap.op)
	}
	for _, op := range keeps {
		if !slices.ContainsFunc(group, func(g store.Op) bool { return g.Key == op.Key }) {
			group = append(group, op)
		}
	}
	if mutant == "told-first" {
		r.commit(cur, r.rev+1, false, change, done)
		r.tell(done, change, true)
		r.known = false
	}
	rev, err := m.writeFor(done, group)
	if mutant == "unknown-is-done" && errors.Is(err, store.ErrUnknown) || mutant == "grant-from-memory" && errors.Is(err, store.ErrUnavailable) {
		rev, err = r.rev+1, nil
	}
	switch {
	case err == nil:
		swap.commit(m, rev)
		if stands {
			r.stood = now
		}
		r.commit(cur, rev, group[0].Delete, change, done)
		r.tell(done, change, !sameView(base, cur))
		r.answer(base, done, outs, change)
		for i, out := range outs {
			if out.More {
				ops = append([]*op{{event: done[i].event, session: done[i].session, ends: done[i].ends}}, ops...)
			}
		}
		return ops
	case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrUnknown):
		// Read again and do it again: every event is idempotent, so what did land is found done.
		r.known = false
		if errors.Is(err, store.ErrUnknown) {
			r.unsettled = true
			for _, o := range done {
				o.maybe = true
			}
		}
		swap.stale(m.ctx, m, err, group[0])
		swap.release() // what is heard may have to wait for the session's record
		swap = nil
		_ = m.hear(m.ctx) // if that fails too, so does the next swap
		if errors.Is(err, store.ErrConflict) && !m.ear.alone {
			m.missed(done)
		}
		return append(r.again(done, err), ops...)
	default:
		r.fail(done, err)
		return ops
	}
}

// unsure reports whether those who wait have to wait on: nothing is to be written, so that nothing shows whether another node has
// changed the record since, and it has to be read.
func (r *resource) unsure(done []*op) bool {
	unsure := !r.sure && !r.m.ear.alone && awaited(done)
	if unsure {
		r.known = false
	}
	return unsure
}

// missed takes up what hear does not tell: that a session's record was deleted.
func (m *Manager) missed(ops []*op) {
	for _, o := range ops {
		if o.conn == nil || o.tries != 3 {
			continue // what hear tells is the rule
		}
		select {
		case o.session.record <- struct{}{}:
			_ = m.reread(m.ctx, o.session)
			<-o.session.record
		default: // whoever has it finds out
		}
	}
}

// again returns the ops that may be tried once more; the others fail with err.
func (r *resource) again(ops []*op, err error) (again []*op) {
	wait := time.Duration(0)
	for _, o := range ops {
		if o.tries++; o.tries > 10 {
			r.fail([]*op{o}, err)
			continue
		}
		wait = time.Duration(o.tries-1) * time.Millisecond
		again = append(again, o)
	}
	if wait > 0 {
		pause := time.NewTimer(time.Duration(rand.Int64N(int64(wait))) + 1)
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-r.m.ctx.Done():
		}
	}
	return again
}

// load reads the record unless it is known, and tells what others have done to it.
func (r *resource) load() error {
	r.mu.Lock()
	heard := r.heard
	r.heard = nil
	r.mu.Unlock()
	r.sure = false
	if r.known && (heard == nil || heard.Rev <= r.rev) {
		return nil
	}
	r.untold = r.untold || heard != nil
	if !r.known {
		heard = nil // there may be something newer still
	}
	ctx, cancel := context.WithTimeout(r.m.ctx, r.m.cfg.StoreTimeout)
	defer cancel()
	none := r.m.newest() // a record that is made later than it is found missing has a higher revision
	state, rev, err := r.read(ctx, heard)
	if err == nil {
		err = r.m.recordedAll(ctx, state)
	}
	if err != nil {
		r.known = false
		r.untold = r.untold && errors.Is(storeError(err), ErrUnavailable) // what cannot be read is not asked for again and again
		return err
	}
	before := r.state
	r.m.index(r.name, rev, state, slices.Collect(state.Names)...) // first: whoever finds the revision known relies on it
	r.set(state, rev)
	r.none = none
	r.sure = heard == nil
	if r.untold && !r.seen && r.news.IsZero() {
		r.news = time.Now() // nobody knows here what it looked like before
	}
	if r.seen || r.untold {
		r.heed(ctx, before)
	}
	r.known, r.seen, r.untold = true, true, false
	return nil
}

// read decodes the record that was heard of, or reads it from the store.
func (r *resource) read(ctx context.Context, heard *store.Record) (lease.State, int64, error) {
	if heard == nil {
		rec, err := r.m.st.Get(ctx, lockKey+r.name)
		if errors.Is(err, store.ErrNotFound) {
			return lease.State{}, 0, nil
		} else if err != nil {
			return lease.State{}, 0, err
		}
		heard = &rec
	}
	state, err := lease.Decode(heard.Data, heard.Rev, r.state, time.Now())
	if err != nil {
		r.m.log.Error("a record cannot be read; nobody gets this lock until it can", "resource", r.name, "error", err)
	}
	return state, heard.Rev, err
}

func (r *resource) set(s lease.State, rev int64) {
	r.mu.Lock()
	r.state, r.rev = s, rev
	r.mu.Unlock()
}

// due is when the slow pass should look at the record.
func (r *resource) due(s lease.State, now time.Time) time.Time {
	rules := r.m.cfg.Rules
	if s.Empty() {
		return now.Add(rules.Keep).UTC().Round(0)
	}
	for _, h := range s.Holds {
		if h.Lapsed {
			return h.Over.Add(rules.Reclaim).UTC().Round(0)
		}
	}
	return time.Time{}
}

// commit takes up what was stored.
func (r *resource) commit(cur lease.State, rev int64, deleted bool, change *lease.Change, done []*op) {
	r.unsettled = false
	cur = cur.At(rev)
	seen := time.Now()
	for i := range cur.Holds {
		if cur.Holds[i].Fence == rev {
			cur.Holds[i].Seen = seen
		}
	}
	r.m.saw(rev)
	wrote := rev
	if deleted {
		cur, rev, r.none = lease.State{}, 0, rev
	}
	r.set(cur, rev)
	named := make([]string, 0, 4) // who may have come or gone
	for _, o := range done {
		if o.session != nil {
			named = append(named, o.session.id)
		}
	}
	if change != nil && change.Ended != nil {
		named = append(named, change.Ended.Session)
	}
	if change != nil && change.Granted != nil {
		change.Granted.Fence = rev
		named = append(named, change.Granted.Session)
	}
	r.m.index(r.name, wrote, cur, named...)
}

// fail answers ops with an error.
func (r *resource) fail(ops []*op, err error) {
	r.failed = true
	if errors.Is(err, store.ErrRevision) {
		r.m.log.Error("the store would have repeated a fence; nothing was written", "resource", r.name, "error", err)
	}
	r.known = r.known && !errors.Is(err, store.ErrUnknown)
	for _, o := range ops {
		told := storeError(err)
		if o.maybe && !errors.Is(told, ErrUnknownOutcome) {
			told = fmt.Errorf("%w (%w)", ErrUnknownOutcome, err)
		}
		o.reply(r, answer{err: told})
	}
}

// answer tells those who asked. base is what held before.
func (r *resource) answer(base lease.State, done []*op, outs []lease.Outcome, change *lease.Change) {
	r.observe(base, done, outs, change)
	if change != nil && change.Ended != nil && change.Ended.Reason == Forced {
		r.m.log.Info("a hold was ended by an administrator", "resource", r.name, "fence", change.Ended.Fence, "by", change.Ended.By, "why", change.Ended.Text)
	}
	for i, o := range done {
		a := answer{answer: outs[i].Answer}
		if o.session != nil && o.done != nil {
			a.snapshot = r.snapshot(o.session, change)
		}
		o.reply(r, a)
	}
}
