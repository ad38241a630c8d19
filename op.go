package editlock

import (
	"context"
	"errors"
	"slices"

	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/store"
)

// op is an event on its way to a resource.
type op struct {
	event   lease.Event
	session *session // of the event; may be nil
	conn    *Conn    // to which the answer goes, if any: it gets no push of its own
	claims  bool     // the session's record has to exist: make it in the same group if there is none
	ends    bool     // only if the session is really over: its record is swapped in the same group
	tries   int
	maybe   bool            // a swap of it had an unknown outcome
	done    chan answer     // buffered
	ctx     context.Context // of who waits for it, for the trace alone; nil: nobody
	replied bool
}

// answer is what became of an op.
type answer struct {
	snapshot Snapshot
	answer   lease.Answer
	err      error
}

// do hands an op to the resource and waits for its answer. If ctx ends first the op may still be done.
//
// The caller owns the resource until its op is done, if nobody does: to hand it to another goroutine and back would
// cost a hand-over more than all the rest of it but the disk.
func (m *Manager) do(ctx context.Context, name string, o *op) answer {
	o.done, o.ctx = make(chan answer, 1), ctx
	if r := m.enqueue(name, o); r != nil {
		for len(o.done) == 0 && ctx.Err() == nil && r.step() {
		}
		if r.idle() {
			m.tasks.Done()
		} else {
			go r.own()
		}
	}
	select {
	case a := <-o.done:
		return a
	case <-ctx.Done():
		return answer{err: context.Cause(ctx)}
	}
}

// post hands an op to the resource. Nobody waits for it.
func (m *Manager) post(name string, o *op) {
	if r := m.enqueue(name, o); r != nil {
		go r.own()
	}
}

// enqueue puts an op into the resource's queue. If nobody owns the resource, the caller does from now on, as a task
// of the Manager, and gets it; otherwise nil.
func (m *Manager) enqueue(name string, o *op) *resource {
	for {
		r := m.resource(name)
		r.mu.Lock()
		if r.gone {
			r.mu.Unlock()
			continue
		}
		r.ops = append(r.ops, o)
		start := !r.owned
		r.owned = true
		r.mu.Unlock()
		if !start {
			return nil
		}
		if m.enter() {
			return r
		}
		r.mu.Lock()
		ops := r.ops
		r.owned, r.ops = false, nil
		r.mu.Unlock()
		for _, o := range ops {
			o.reply(r, answer{err: ErrClosed})
		}
		return nil
	}
}

// errNoRecord says of a session that its record was found missing just now.
var errNoRecord = errors.New("editlock: the session has no record any more")

// current returns an error if a newer connection of the session has replaced that of the op since: what is late changes
// nothing. Where other nodes write too, this may not be known yet: then it also returns the demand that the session's
// record is still what this node knows. swap is what becomes of that record with the op, nil if it is left alone.
func (o *op) current(m *Manager, swap *sessionSwap) ([]store.Op, error) {
	if o.conn == nil {
		return nil, nil
	}
	s := o.session
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.epoch > o.conn.epoch:
		return nil, ErrReplaced
	case m.find(s.id) != s:
		return nil, ErrSessionOver // it was forgotten, and may have come back elsewhere
	case m.ear.alone || mutant == "late-elsewhere" || swap != nil:
		return nil, nil
	case s.rev == 0 && o.claims:
		return nil, errNoRecord
	case s.rev == 0:
		return nil, nil
	}
	return []store.Op{{Key: s.key(), Expect: s.rev, Keep: true}}, nil
}

// awaited reports whether somebody waits for what became of one of these.
func awaited(ops []*op) bool {
	return slices.ContainsFunc(ops, func(o *op) bool { return o.done != nil && (o.session != nil || o.event.Kind != lease.Look) })
}

// reply ends an op. It is called once for each.
func (o *op) reply(r *resource, a answer) {
	o.replied = true
	if o.claims {
		o.conn.asked(r)
	}
	if o.done != nil {
		o.done <- a
	}
}
