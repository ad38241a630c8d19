package editlock

import (
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/store"
)

// resource is what this node knows of one resource, and the queue of what is to be done to it. One goroutine at
// a time owns it: that goroutine alone steps the state and swaps the record.
type resource struct {
	m    *Manager
	name string

	mu    sync.Mutex
	ops   []*op
	owned bool // an owner goroutine runs
	gone  bool // it is no longer in the Manager's map: look it up again
	state lease.State
	rev   int64
	conns map[*Conn]struct{} // that are told about it
	timer *time.Timer        // for what becomes due by time alone
	heard *store.Record      // what another node has written since; nil: nothing is known

	// Of the owner.
	known     bool      // state is what the store had when this node last looked, wrote, or heard of it
	sure      bool      // and it was read in this turn
	seen      bool      // state was known at any time
	none      int64     // where rev is 0: there was no record at this revision of the store
	untold    bool      // another node has changed it, and nobody here was told yet
	failed    bool      // the last turn could not be done: the next one by time alone waits a little
	unsettled bool      // a swap of ours may still land: a further swap has to settle it
	stood     time.Time // when the last history entry was made that stands for its span
	news      time.Time // of the first change of which the crowd has not been told; zero: it knows all
}

// resource returns the one of that name, a new one if need be.
func (m *Manager) resource(name string) *resource {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.resources[name]
	if r == nil {
		r = &resource{m: m, name: name, conns: map[*Conn]struct{}{}}
		m.resources[name] = r
	}
	return r
}

// own does what is pending until nothing is.
func (r *resource) own() {
	defer r.m.tasks.Done()
	for {
		for r.step() {
		}
		if r.idle() {
			return
		}
	}
}

// step does one turn of what is pending, and reports whether there was anything.
func (r *resource) step() bool {
	r.mu.Lock()
	ops := r.ops
	r.ops = nil
	r.mu.Unlock()
	if len(ops) == 0 {
		return false
	}
	var left []*op
	if r.contain("turn", func() { left = r.turn(ops) }) {
		// Nobody knows how far it came. A further swap settles what may have been under way, and who asked may ask again.
		r.known, r.unsettled, r.failed = false, true, true
		for _, o := range ops {
			if !o.replied {
				o.reply(r, answer{err: fmt.Errorf("%w: a fault in this program; its log has it", ErrUnknownOutcome)})
			}
		}
	}
	if len(left) > 0 {
		r.mu.Lock()
		r.ops = append(left, r.ops...)
		r.mu.Unlock()
	}
	r.mu.Lock()
	behind := r.behind()
	r.mu.Unlock()
	if !r.news.IsZero() && time.Since(r.news) >= crowdAfter && !behind {
		r.contain("crowd", r.crowd)
	}
	return true
}

// contain does f and reports whether it panicked. A fault in the handling of one event must cost no more than that
// event: an owner that is gone would leave the resource to nobody for ever.
func (r *resource) contain(what string, f func()) (panicked bool) {
	defer func() {
		if v := recover(); v != nil {
			panicked = true
			r.m.observer.Panicked()
			r.m.log.Error("a panic was contained", "in", what, "resource", r.name, "panic", v, "stack", string(debug.Stack()))
		}
	}()
	f()
	return false
}

// idle ends the ownership if nothing is left to do, and reports whether it did.
func (r *resource) idle() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ops) > 0 {
		return false
	}
	r.rest()
	return true
}

// rest ends the ownership, sets the timer for what becomes due, and lets the resource be forgotten if
// nobody needs it. r.mu is held.
func (r *resource) rest() {
	r.owned = false
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
	var next time.Time
	if r.contain("next", func() { next = r.m.cfg.Rules.Next(r.state, r.m.know) }) {
		r.failed, next = true, time.Now()
	}
	if mutant == "timers-forgotten" || !r.concerns() {
		next = time.Time{}
	}
	again := time.Now().Add(time.Second)
	if r.unsettled || r.untold || r.failed && !next.IsZero() && next.Before(again) {
		next = again
	}
	crowd := r.news.Add(crowdAfter)
	if r.behind() && crowd.Before(again) {
		crowd = again
	}
	if !r.news.IsZero() && (next.IsZero() || crowd.Before(next)) {
		next = crowd
	}
	if !next.IsZero() && r.m.ctx.Err() == nil {
		r.timer = time.AfterFunc(time.Until(next), func() { r.m.post(r.name, &op{}) })
		return
	}
	r.forget()
}

// behind reports whether what is known here may be older than what another node has done since. It is not told to the crowd any more: one of
// them may have come to this node after that. r.mu is held.
func (r *resource) behind() bool {
	return !r.m.ear.alone && (!r.known || r.heard != nil && r.heard.Rev > r.rev)
}

// concerns reports whether what becomes due by time alone is for this node to do: somebody here is told about the resource, or
// one that it names is not in the care of another node that lives. r.mu is held.
func (r *resource) concerns() bool {
	if r.m.ear.alone || len(r.conns) > 0 {
		return true
	}
	for id := range r.state.Names {
		if s := r.m.find(id); s == nil || !r.m.inCare(s) {
			return true
		}
	}
	return false
}

// forget takes the resource out of the map if nobody needs it. r.mu is held.
func (r *resource) forget() {
	if len(r.conns) > 0 || len(r.ops) > 0 || r.owned || r.timer != nil || r.gone {
		return
	}
	r.gone = true
	r.m.mu.Lock() // always after r.mu, never before it
	delete(r.m.resources, r.name)
	r.m.mu.Unlock()
}
