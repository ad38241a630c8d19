package editlock

import (
	"context"
	"errors"
	"time"

	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/store"
)

// Observer is told what happens, so that it can be counted and traced; package metrics has one. A nil function is not called.
// They are called from several goroutines, in the midst of the work and some with locks held: they must return at once, must not
// call the Manager, and must not panic. What they are told names no resource, user or session.
type Observer struct {
	// Asked is called for every acquire that was answered.
	Asked func(AskOutcome)
	// Granted is called for every grant, once it is stored. waited is how long its session was in the queue, by wall clocks and to the
	// second; queued says whether it was.
	Granted func(queued bool, waited time.Duration)
	// Ended is called for every holding that ended, once that is stored, with how long it was held by wall clocks.
	Ended func(why Reason, held time.Duration)
	// Lapsed is called when the time of a holder is over. It ends only when somebody asks, or much later.
	Lapsed func()
	// Resumed is called for every attempt to come back to a session.
	Resumed func(ResumeOutcome)
	// SessionOver is called when the time of a session was over: because its page said so (left), or by its silence.
	SessionOver func(left bool)
	// Renewed is called when the node tried to renew its life in the store.
	Renewed func(error)
	// Gap is called when the node could not renew its life for so long that every session gets its time afresh.
	Gap func(time.Duration)
	// ClockJumped is called when the clock of the store, or of this machine, was set: by how much. No lock depends on it.
	ClockJumped func(by time.Duration)
	// Reborn is called when the node was taken for dead, and goes on under a new id.
	Reborn func()
	// Panicked is called when a panic was contained.
	Panicked func()
	// Writing is called before something is written for a request whose context is ctx, and done after it. Several requests may
	// share what is written.
	Writing func(ctx context.Context) (done func(error))
}

// AskOutcome is the answer to an acquire.
type AskOutcome string

// The answers to an acquire.
const (
	AskGranted   AskOutcome = "granted"
	AskQueued    AskOutcome = "queued"
	AskLocked    AskOutcome = "locked"     // it did not want to wait
	AskQueueFull AskOutcome = "queue_full" // too many wait
	AskAgain     AskOutcome = "again"      // it had the lock, or its place, already
	AskLate      AskOutcome = "late"       // its session is over
)

// ResumeOutcome is what became of an attempt to come back to a session.
type ResumeOutcome string

// What can become of it.
const (
	ResumeDone    ResumeOutcome = "resumed"
	ResumeBegun   ResumeOutcome = "begun" // nothing was known of the session: a new one has its place
	ResumeRefused ResumeOutcome = "refused"
	ResumeReused  ResumeOutcome = "reused" // the token was used before
	ResumeFailed  ResumeOutcome = "failed" // the store did not answer, or the caller went away
)

// withDefaults gives an Observer without nil functions, save Writing.
func (o *Observer) withDefaults() Observer {
	var full Observer
	if o != nil {
		full = *o
	}
	if full.Asked == nil {
		full.Asked = func(AskOutcome) {}
	}
	if full.Granted == nil {
		full.Granted = func(bool, time.Duration) {}
	}
	if full.Ended == nil {
		full.Ended = func(Reason, time.Duration) {}
	}
	if full.Lapsed == nil {
		full.Lapsed = func() {}
	}
	if full.Resumed == nil {
		full.Resumed = func(ResumeOutcome) {}
	}
	if full.SessionOver == nil {
		full.SessionOver = func(bool) {}
	}
	if full.Renewed == nil {
		full.Renewed = func(error) {}
	}
	if full.Gap == nil {
		full.Gap = func(time.Duration) {}
	}
	if full.ClockJumped == nil {
		full.ClockJumped = func(time.Duration) {}
	}
	if full.Reborn == nil {
		full.Reborn = func() {}
	}
	if full.Panicked == nil {
		full.Panicked = func() {}
	}
	return full
}

// observe tells of ops that were done to a record that was in the state base before.
func (r *resource) observe(base lease.State, done []*op, outs []lease.Outcome, change *lease.Change) {
	if r.m.cfg.Observer == nil {
		return
	}
	o := &r.m.observer
	for i, d := range done {
		switch d.event.Kind {
		case lease.Acquire:
			o.Asked(asked(base, d, outs[i]))
		case lease.Lapse:
			if h := base.HoldOf(d.event.Session, ""); h != nil && h.Confirmed && !h.Lapsed {
				if now := r.state.HoldOf(d.event.Session, ""); now != nil && now.Lapsed {
					o.Lapsed()
				}
			}
		}
	}
	if change == nil {
		return
	}
	if e := change.Ended; e != nil {
		o.Ended(e.Reason, max(0, e.Over.Sub(e.Since)))
	}
	if g := change.Granted; g != nil {
		place, w := base.Place(g.Session, g.Part)
		waited := time.Duration(0)
		if place > 0 {
			waited = max(0, change.At.Sub(time.Unix(w.Since, 0)))
		}
		o.Granted(place > 0, waited)
	}
}

func asked(base lease.State, o *op, out lease.Outcome) AskOutcome {
	place, w := base.Place(o.event.Session, o.event.Part)
	had := base.HoldOf(o.event.Session, o.event.Part) != nil && (out.Change == nil || out.Change.Granted == nil)
	switch {
	case out.Answer == lease.Stale:
		return AskLate
	case out.Answer == lease.Granted && had, out.Answer == lease.Queued && place > 0 && !bool(w.Absent):
		return AskAgain
	case out.Answer == lease.Granted:
		return AskGranted
	case out.Answer == lease.Locked:
		return AskLocked
	case out.Answer == lease.QueueFull:
		return AskQueueFull
	}
	return AskQueued
}

// resumed tells of an attempt to come back.
func (m *Manager) resumed(conn *Conn, err error) {
	how := ResumeFailed
	switch {
	case err == nil && conn.resumed:
		how = ResumeDone
	case err == nil:
		how = ResumeBegun
	case errors.Is(err, ErrResumeReused):
		how = ResumeReused
	case errors.Is(err, ErrResumeRefused), errors.Is(err, ErrTooManySessions):
		how = ResumeRefused
	}
	m.observer.Resumed(how)
}

// writing tells that something is written for a request. The caller calls what it returns after it.
func (m *Manager) writing(ctx context.Context) (done func(error)) {
	if m.observer.Writing == nil || ctx == nil {
		return func(error) {}
	}
	return m.observer.Writing(ctx)
}

// writeFor applies a group for all who wait for ops.
func (m *Manager) writeFor(ops []*op, g store.Group) (int64, error) {
	if m.observer.Writing == nil {
		return m.write(g)
	}
	var done []func(error)
	for _, o := range ops {
		done = append(done, m.writing(o.ctx))
	}
	rev, err := m.write(g)
	for _, end := range done {
		end(err)
	}
	return rev, err
}

// Stats are the counts of one moment.
type Stats struct {
	Sessions     int // that may come back, or are here
	Connected    int // of these, with a connection or in this process
	Held         int // resources with a holder, confirmed or not, whose time is not over
	Lapsed       int // resources whose holder's time is over, and which nobody has asked for
	Waiting      int // places in all queues
	LongestQueue int
	Vouches      bool // this node may acknowledge: it proved itself alive in the store lately
	Draining     bool
}

// Stats counts. It looks at every session: it is for a scrape every few seconds, not for every request.
func (m *Manager) Stats() Stats {
	m.mu.Lock()
	st := Stats{Sessions: len(m.sessions), Draining: m.draining}
	m.mu.Unlock()
	st.Vouches = m.vouches()
	queues := map[string]int{}
	for _, s := range m.all() {
		s.mu.Lock()
		if s.conn != nil {
			st.Connected++
		}
		for name, how := range s.in {
			switch how {
			case holds:
				st.Held++
			case lapsed:
				st.Lapsed++
			default:
				st.Waiting++
				queues[name]++
				st.LongestQueue = max(st.LongestQueue, queues[name])
			}
		}
		s.mu.Unlock()
	}
	return st
}
