package lease

import (
	"fmt"
	"slices"
	"time"
)

// transition is one step, to be judged.
type transition struct {
	r      Rules
	w      witness
	before State
	e      Event
	know   func(string) Session
	now    time.Time
	after  State
	out    Outcome
}

// judge returns an error for the first promise that the step breaks. It compares the states before and
// after, and shares as little as it can with Step.
func (t transition) judge() error {
	if err := Check(t.after); err != nil {
		return err
	}
	for _, f := range []func() error{t.holders, t.kept, t.waiters, t.answer, t.late, t.effect, t.due} {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

func (t transition) ended() (ended []Hold) {
	for _, h := range t.before.Holds {
		if g := t.after.HoldOf(h.Session, h.Part); g == nil || g.Fence != h.Fence {
			ended = append(ended, h)
		}
	}
	return ended
}

func (t transition) granted() (granted []Hold) {
	for _, h := range t.after.Holds {
		if h.Fence == 0 {
			granted = append(granted, h)
		}
	}
	return granted
}

func (t transition) there(id string) bool {
	k := t.know(id)
	return !k.Over && !k.Left
}

// holders: S1, S4, S8. At most one holding ends and one begins, each for a reason that is due, and the
// change that is recorded tells it.
func (t transition) holders() error {
	ended, granted := t.ended(), t.granted()
	if len(ended) > 1 || len(granted) > 1 {
		return fmt.Errorf("%d holdings ended and %d began in one step", len(ended), len(granted))
	}
	c := t.out.Change
	if c == nil {
		if len(ended)+len(granted) > 0 {
			return fmt.Errorf("a change of holder is not recorded")
		}
		return nil
	}
	if (c.Ended != nil) != (len(ended) == 1) || (c.Granted != nil) != (len(granted) == 1) || c.Ended == nil && c.Granted == nil {
		return fmt.Errorf("the change that is recorded is not what happened: %+v", c)
	}
	if !c.At.Equal(wall(t.now)) {
		return fmt.Errorf("the change is recorded at %v", c.At)
	}
	if len(granted) == 1 {
		h := granted[0]
		k := t.know(h.Session)
		want := Holding{Part: h.Part, Session: h.Session, User: k.User, Name: DisplayName(k.Name), Since: wall(t.now)}
		if *c.Granted != want || h.User != k.User || !h.Since.Equal(want.Since) {
			return fmt.Errorf("recorded grant %+v, want %+v", *c.Granted, want)
		}
		if !t.there(h.Session) {
			return fmt.Errorf("session %s is granted, but not there", h.Session)
		}
		if h.Confirmed != k.Here || h.Lapsed {
			return fmt.Errorf("grant to session %s: confirmed %v, lapsed %v", h.Session, h.Confirmed, h.Lapsed)
		}
	}
	if len(ended) == 0 {
		return nil
	}
	h := ended[0]
	want := Holding{
		Part: h.Part, Session: h.Session, User: h.User, Name: h.Name, Fence: h.Fence, Since: h.Since,
		Reason: c.Ended.Reason, Over: wall(t.now),
	}
	if want.Reason == Expired {
		want.Over = wall(t.lapsed(h))
	}
	if t.e.Kind == Force && want.Reason == Forced {
		want.By, want.ByName, want.Text = t.e.User, t.e.Name, t.e.Text
	}
	if *c.Ended != want {
		return fmt.Errorf("recorded end %+v, want %+v", *c.Ended, want)
	}
	if !t.justified(h, c.Ended.Reason) {
		return fmt.Errorf("the holding %d of session %s ended as %s, which is not due", h.Fence, h.Session, c.Ended.Reason)
	}
	return nil
}

func (t transition) justified(h Hold, why Reason) bool {
	own := t.e.Session == h.Session
	switch why {
	case Released:
		return own && t.e.Part == h.Part && (t.e.Kind == Release && t.e.Fence == h.Fence || t.e.Kind == Cancel && !h.Confirmed)
	case HandedOver:
		g := t.granted()
		return t.e.Kind == Acquire && t.e.Move && h.User == t.e.User && t.e.Part == h.Part && g[0].Session == t.e.Session && g[0].Part == h.Part
	case Unconfirmed:
		return !h.Confirmed && (t.now.Sub(t.w.grants[h.Fence]) >= t.r.Confirm || own && t.e.Kind == Lapse && t.know(h.Session).Over)
	case Expired:
		since := t.now.Sub(t.w.lapses[[2]int64{h.Fence, h.LapseRev}])
		if h.LapseRev == 0 {
			since = t.now.Sub(t.lapsed(h)) // of this very swap
		}
		return (h.Lapsed || own && t.e.Kind == Lapse && t.know(h.Session).Over) && (since >= t.r.Reclaim || since >= t.r.Pause && t.wanted(h.Part))
	case Forced:
		if t.e.Kind == Force {
			return t.e.Part == h.Part && t.e.Fence == h.Fence
		}
		fallthrough
	default:
		return own && t.e.Kind == End && t.e.Reason == why
	}
}

// lapsed returns when the time of h was over.
func (t transition) lapsed(h Hold) time.Time {
	switch {
	case h.Lapsed:
		return h.Over
	case t.e.Over.IsZero() || t.e.Over.After(t.now) || t.e.Over.Before(h.Seen):
		return t.now
	}
	return t.e.Over
}

// wanted: somebody who is there asked, waited, or waits or holds now, for what part excludes.
func (t transition) wanted(part string) bool {
	if t.e.Kind == Acquire && conflict(t.e.Part, part) && t.there(t.e.Session) {
		return true
	}
	for _, w := range slices.Concat(t.before.Queue, t.after.Queue) {
		if conflict(w.Part, part) && !bool(w.Absent) && t.there(w.Session) {
			return true
		}
	}
	return slices.ContainsFunc(t.granted(), func(h Hold) bool { return conflict(h.Part, part) })
}

// kept: what goes on holding changes by its own session's acts and time alone.
func (t transition) kept() error {
	for _, h := range t.before.Holds {
		g := t.after.HoldOf(h.Session, h.Part)
		if g == nil || g.Fence != h.Fence {
			continue
		}
		own := t.e.Session == h.Session
		fits := own && t.e.Part == h.Part
		over := t.know(h.Session).Over
		switch {
		case g.Confirmed && !h.Confirmed && !(fits && t.e.Kind == Confirm && t.e.Fence == h.Fence && !over):
			return fmt.Errorf("hold %d is confirmed by %s", h.Fence, t.e.Kind)
		case !g.Confirmed && h.Confirmed:
			return fmt.Errorf("hold %d is not confirmed any more", h.Fence)
		case g.Lapsed && !h.Lapsed && !(own && t.e.Kind == Lapse && over):
			return fmt.Errorf("hold %d lapsed by %s", h.Fence, t.e.Kind)
		case !g.Lapsed && h.Lapsed && !(own && !over && (t.e.Kind == Resume || fits && t.e.Kind == Acquire)):
			return fmt.Errorf("hold %d is taken back by %s", h.Fence, t.e.Kind)
		case !g.Seen.Equal(h.Seen) || g.Lapsed == h.Lapsed && !g.LapseSeen.Equal(h.LapseSeen):
			return fmt.Errorf("hold %d is counted from another moment", h.Fence)
		case g.User != h.User || !g.Since.Equal(h.Since):
			return fmt.Errorf("hold %d is another's", h.Fence)
		}
	}
	if t.after.Version != t.before.Version {
		mine := t.before.HoldOf(t.e.Session, t.e.Part)
		app := t.e.Kind == Changed && t.e.Session == ""
		if !app && !(mine != nil && mine.Fence == t.e.Fence && (t.e.Kind == Release || t.e.Kind == Changed)) {
			return fmt.Errorf("the version changed by %s", t.e.Kind)
		}
	}
	return nil
}

type place struct{ session, part string }

// waiters: numbers are given out afresh when nobody has one, the order is kept, nobody is overtaken, and a place is lost by the session's own act or end alone.
func (t transition) waiters() error {
	before := map[place]Waiter{}
	for _, w := range t.before.Queue {
		before[place{w.Session, w.Part}] = w
	}
	if t.after.Ticket > 0 && len(t.after.Queue) == 0 && !slices.ContainsFunc(t.after.Holds, func(h Hold) bool { return h.Ticket > 0 }) {
		return fmt.Errorf("ticket %d, which nobody has", t.after.Ticket)
	}
	granted := map[place]bool{}
	for _, h := range t.granted() {
		granted[place{h.Session, h.Part}] = true
	}
	own := func(w Waiter) bool { return w.Session == t.e.Session }
	after := map[place]bool{}
	for _, w := range t.after.Queue {
		p := place{w.Session, w.Part}
		after[p] = true
		v, old := before[p]
		asks := own(w) && t.e.Kind == Acquire && t.e.Part == w.Part && t.there(w.Session)
		switch {
		case old && v.Ticket != w.Ticket:
			return fmt.Errorf("session %s changed its place", w.Session)
		case old && v.Absent != w.Absent && !(asks && !bool(w.Absent)):
			return fmt.Errorf("session %s is absent: %v, by %s", w.Session, w.Absent, t.e.Kind)
		case old:
		case t.passedOn(w.Session, w.Part) && t.before.HoldOf(w.Session, w.Part).Ticket == w.Ticket:
			if bool(w.Absent) == asks || t.know(w.Session).Over {
				return fmt.Errorf("session %s did not confirm; it asks: %v, absent: %v", w.Session, asks, w.Absent)
			}
		case !asks || t.e.NoWait:
			return fmt.Errorf("session %s is in the queue by %s", w.Session, t.e.Kind)
		case len(t.before.Queue) >= t.r.Queue:
			return fmt.Errorf("session %s is in a full queue", w.Session)
		}
	}
	for p, w := range before {
		cancelled := t.e.Kind == Cancel && own(w) && t.e.Part == w.Part
		gone := own(w) && (t.e.Kind == End || t.e.Kind == Lapse && t.know(w.Session).Over)
		if !after[p] && !granted[p] && !cancelled && !gone {
			return fmt.Errorf("session %s lost its place by %s", p.session, t.e.Kind)
		}
	}
	for _, h := range t.before.Holds { // a grant that passed on
		p := place{h.Session, h.Part}
		if h.Ticket > 0 && t.passedOn(h.Session, h.Part) && !t.know(h.Session).Over && !after[p] && !granted[p] {
			return fmt.Errorf("session %s lost its place, since it did not confirm", h.Session)
		}
	}
	for p := range granted {
		w, waited := before[p]
		if t.passedOn(p.session, p.part) {
			w, waited = Waiter{Ticket: t.before.HoldOf(p.session, p.part).Ticket}, true
		}
		if t.e.Kind == Acquire && t.e.Session == p.session && t.e.Move && t.e.Part == p.part {
			continue
		}
		for _, v := range t.after.Queue {
			if (!waited || v.Ticket < w.Ticket) && conflict(v.Part, p.part) && !bool(v.Absent) && t.there(v.Session) {
				return fmt.Errorf("session %s is let in before session %s", p.session, v.Session)
			}
		}
	}
	return nil
}

// passedOn: a grant to the session was not confirmed, and has ended so.
func (t transition) passedOn(session, part string) bool {
	c := t.out.Change
	return c != nil && c.Ended != nil && c.Ended.Reason == Unconfirmed && c.Ended.Session == session && c.Ended.Part == part
}

// answer: what the session is told is so.
func (t transition) answer() error {
	h := t.after.HoldOf(t.e.Session, t.e.Part)
	n, _ := t.after.Place(t.e.Session, t.e.Part)
	full := len(t.before.Queue) >= t.r.Queue
	ok := true
	switch t.out.Answer {
	case Granted:
		ok = t.e.Kind == Acquire && h != nil && !h.Lapsed
	case Queued:
		ok = t.e.Kind == Acquire && !t.e.NoWait && n > 0
	case Locked:
		ok = t.e.Kind == Acquire && t.e.NoWait && h == nil && t.taken()
	case QueueFull:
		ok = t.e.Kind == Acquire && !t.e.NoWait && full && n == 0 && h == nil && t.taken()
	case Stale:
		ok = t.e.Kind == Acquire || t.e.Kind == Confirm || t.e.Kind == Changed || t.e.Kind == Resume
	case Done:
		ok = t.e.Kind != Acquire && !(t.e.Kind == Confirm && (h == nil || !h.Confirmed || h.Fence != t.e.Fence))
	}
	if !ok {
		return fmt.Errorf("the answer to %s is %v", t.e.Kind, t.out.Answer)
	}
	return nil
}

// taken: somebody who is there holds what the event asks for, or comes before, or has had this step's one grant.
func (t transition) taken() bool {
	return len(t.after.Holds) >= maxHolds || t.out.Change != nil && t.out.Change.Granted != nil ||
		slices.ContainsFunc(t.after.Holds, func(h Hold) bool { return conflict(h.Part, t.e.Part) }) ||
		slices.ContainsFunc(t.after.Queue, func(w Waiter) bool {
			return conflict(w.Part, t.e.Part) && !bool(w.Absent) && t.there(w.Session)
		})
}

// late: S6. An event that does not fit changes no more than the passing of time would.
func (t transition) late() error {
	if t.fits() {
		return nil
	}
	s, out := t.r.Step(t.before, Event{Kind: Look}, t.know, t.now)
	if !same(s, t.after) || (out.Change == nil) != (t.out.Change == nil) {
		return fmt.Errorf("a late %s changed something", t.e.Kind)
	}
	return nil
}

func (t transition) fits() bool {
	h := t.before.HoldOf(t.e.Session, t.e.Part)
	n, _ := t.before.Place(t.e.Session, t.e.Part)
	k := t.know(t.e.Session)
	mine := h != nil && h.Fence == t.e.Fence
	named := false
	for id := range t.before.Names {
		named = named || id == t.e.Session
	}
	switch t.e.Kind {
	case Acquire:
		return !k.Over && !k.Left
	case Confirm:
		return mine && !h.Confirmed && !k.Over && !k.Left
	case Release:
		return mine
	case Cancel:
		return n > 0 || h != nil && !h.Confirmed
	case Lapse:
		return named && k.Over
	case Resume:
		return !k.Over && slices.ContainsFunc(t.before.Holds, func(h Hold) bool { return h.Session == t.e.Session && h.Lapsed })
	case End:
		return named
	case Changed:
		return t.e.Session == "" || mine
	case Force:
		return slices.ContainsFunc(t.before.Holds, func(h Hold) bool { return h.Part == t.e.Part && h.Fence == t.e.Fence })
	}
	return false
}

// due: Next is right about what is left, and Look does it.
func (t transition) due() error {
	if len(t.granted()) > 0 {
		return nil // the revision is not known yet
	}
	next := t.r.Next(t.after, t.know)
	s, out := t.r.Step(t.after, Event{Kind: Look}, t.know, t.now)
	changed := out.Change != nil || !same(s, t.after)
	if soon := !next.IsZero() && !next.After(t.now); soon != changed {
		return fmt.Errorf("next is %v (now %v), and a look changes something: %v", next, t.now, changed)
	}
	return nil
}
