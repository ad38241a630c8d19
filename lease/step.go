package lease

import (
	"slices"
	"time"
)

// Rules are the rules with their numbers. Use Default and change what is needed.
type Rules struct {
	Confirm time.Duration // a grant that is not confirmed for so long passes on
	Pause   time.Duration // between the end of an expired holder's time and the next grant
	Reclaim time.Duration // a lapsed lock that nobody asks for can be taken back for so long
	Keep    time.Duration // a free record is deleted so long after
	Queue   int           // waiters a resource
}

// Default returns the numbers of docs/spec.md.
func Default() Rules {
	return Rules{Confirm: 10 * time.Second, Pause: 3 * time.Second, Reclaim: 10 * time.Minute, Keep: 10 * time.Minute, Queue: 200}
}

// Step applies one event to a resource at time now and then does what has become due. know tells what this process
// knows of a session. Step is pure: it neither keeps nor changes anything but what it returns. If the
// state that it returns equals s there is nothing to store.
//
// now must carry the reading of the monotonic clock; stored times are its wall clock, in UTC.
func (r Rules) Step(s State, e Event, know func(session string) Session, now time.Time) (State, Outcome) {
	t := step{Rules: r, s: s.clone(), know: know, now: now}
	t.apply(e)
	t.settle()
	if e.Kind == Acquire && t.out.Answer == Done {
		switch {
		case t.s.HoldOf(e.Session, e.Part) != nil:
			t.out.Answer = Granted
		case e.NoWait:
			t.out.Answer = Locked // also if it waits since it asked otherwise: it keeps that place
		default:
			t.out.Answer = Queued
		}
	}
	if len(t.s.Holds) == 0 && len(s.Holds) > 0 {
		t.s.Freed = wall(now)
	}
	if len(t.s.Queue) == 0 && !slices.ContainsFunc(t.s.Holds, func(h Hold) bool { return h.Ticket > 0 }) {
		t.s.Ticket = 0 // a long one makes every waiter longer
	}
	return t.s, t.out
}

// Next returns when something becomes due in s without a further event, zero if never. A time that has
// passed means at once: a step makes one change of holder at most, and what it left is for the next Look. If Next is
// not after now, a Look at now changes s.
func (r Rules) Next(s State, know func(session string) Session) time.Time {
	var next time.Time
	sooner := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	t := step{Rules: r, s: s, know: know}
	if t.first() >= 0 {
		return time.Unix(0, 0)
	}
	for _, h := range s.Holds {
		switch {
		case !h.Confirmed && mutant == "absent-winner":
		case !h.Confirmed:
			sooner(h.Seen.Add(r.Confirm))
		case h.Lapsed && t.wanted(h):
			sooner(h.LapseSeen.Add(r.Pause))
		case h.Lapsed:
			sooner(h.LapseSeen.Add(r.Reclaim))
		}
	}
	return next
}

// Stale reports whether the record of s may be deleted at wall time now: it has long been free.
func (r Rules) Stale(s State, now time.Time) bool {
	return s.Empty() && now.Sub(s.Freed) >= r.Keep
}

// step is one run of Step.
type step struct {
	Rules
	s    State
	know func(string) Session
	now  time.Time
	out  Outcome
}

func (t *step) apply(e Event) {
	switch e.Kind {
	case Acquire, Confirm, Resume:
		if k := t.know(e.Session); e.Session == "" || k.Over || k.Left && e.Kind != Resume {
			t.out.Answer = Stale
			return
		}
	case Lapse:
		if !t.know(e.Session).Over && mutant != "late-expiry" {
			return // it has come back since
		}
	}
	switch e.Kind {
	case Acquire:
		t.acquire(e)
	case Confirm:
		h := t.mine(e)
		switch {
		case h == nil || h.Lapsed:
			t.out.Answer = Stale
		default:
			h.Confirmed, h.Ticket = true, 0
		}
	case Release:
		if h := t.mine(e); h != nil {
			if e.Version != "" {
				t.s.Version = version(e.Version)
			}
			t.end(*h, Released)
		}
	case Cancel:
		t.leave(func(w Waiter) bool { return w.Session == e.Session && w.Part == e.Part })
		if h := t.s.HoldOf(e.Session, e.Part); h != nil && (!h.Confirmed || mutant == "cancel-releases") {
			t.end(*h, Released)
		}
	case Lapse:
		t.lapse(e)
	case Resume:
		for i := range t.s.Holds {
			if h := &t.s.Holds[i]; h.Session == e.Session {
				h.takeBack()
			}
		}
	case End:
		t.leave(func(w Waiter) bool { return w.Session == e.Session })
		t.endFirst(e.Reason, func(h Hold) bool { return h.Session == e.Session })
	case Changed:
		if e.Session != "" && t.mine(e) == nil {
			t.out.Answer = Stale
			return
		}
		t.s.Version = version(e.Version)
		if t.s.Empty() {
			t.s.Freed = wall(t.now) // it is kept as long as after a hold, for those who come to ask
		}
	case Force:
		t.force(e)
	}
}

// mine returns the hold that e names by session, part and fence, or nil: what is late changes nothing.
func (t *step) mine(e Event) *Hold {
	h := t.s.HoldOf(e.Session, e.Part)
	if mutant == "release-by-anyone" && e.Kind == Release && len(t.s.Holds) > 0 {
		return &t.s.Holds[0]
	}
	if h == nil || e.Fence <= 0 || h.Fence != e.Fence && mutant != "old-fence" {
		return nil
	}
	return h
}

// force ends a hold by the decision of an administrator. The fence says which: a second one finds it gone, and must not hit
// whoever came after.
func (t *step) force(e Event) {
	i := slices.IndexFunc(t.s.Holds, func(h Hold) bool { return h.Part == e.Part && h.Fence == e.Fence })
	if i < 0 || e.Fence <= 0 {
		return
	}
	t.end(t.s.Holds[i], Forced)
	ended := t.change().Ended
	ended.By, ended.ByName, ended.Text = e.User, DisplayName(e.Name), DisplayName(e.Text)
}

func (t *step) acquire(e Event) {
	if h := t.s.HoldOf(e.Session, e.Part); h != nil {
		if h.Confirmed || t.due(*h) == "" {
			h.takeBack()
			return
		}
		t.end(*h, Unconfirmed) // and so it asks again
	}
	if e.Move && t.move(e) {
		return
	}
	if n, _ := t.s.Place(e.Session, e.Part); n > 0 {
		t.s.Queue[n-1].Absent = false
		return
	}
	w := Waiter{Ticket: t.s.Ticket + 1, Session: e.Session, Part: e.Part, Since: t.now.Unix()}
	t.s.Queue = append(t.s.Queue, w)
	full := len(t.s.Queue) > t.Queue
	if !full && !e.NoWait {
		t.s.Ticket++
		return
	}
	// It does not want to wait, or cannot: it stands at the end only to see whether it is let in. A queue of
	// people who are not there must not shut out the one who is.
	t.settle()
	t.leave(func(w Waiter) bool { return w.Session == e.Session && w.Part == e.Part })
	if h := t.s.HoldOf(e.Session, e.Part); h != nil {
		h.Ticket = 0
	} else if !e.NoWait {
		t.out.Answer = QueueFull
	}
}

// move hands the lock from another session of the same user to the one that asks. It never widens it:
// who holds a part does not get the whole past those who wait for it.
func (t *step) move(e Event) bool {
	from := slices.IndexFunc(t.s.Holds, func(h Hold) bool { return h.Part == e.Part && h.User == e.User })
	if from < 0 || e.User == "" {
		return false
	}
	n, w := t.s.Place(e.Session, e.Part)
	switch {
	case n > 0: // and keeps its place, should it not confirm
		t.s.Queue = slices.Delete(t.s.Queue, n-1, n)
	case e.NoWait:
		w = Waiter{Session: e.Session, Part: e.Part}
	default:
		t.s.Ticket++
		w = Waiter{Ticket: t.s.Ticket, Session: e.Session, Part: e.Part}
	}
	t.end(t.s.Holds[from], HandedOver)
	t.grant(w)
	return true
}

func (t *step) lapse(e Event) {
	t.leave(func(w Waiter) bool { return w.Session == e.Session })
	for i := range t.s.Holds {
		h := &t.s.Holds[i]
		if h.Session == e.Session && h.Confirmed && !h.Lapsed {
			over := e.Over
			if over.IsZero() || over.After(t.now) || over.Before(h.Seen) {
				over = t.now // it speaks of an earlier silence, or of none
			}
			h.Lapsed, h.Over, h.LapseSeen = true, wall(over), over
		}
	}
	// What was never confirmed is not worth keeping for a session that has gone.
	t.endFirst(Unconfirmed, func(h Hold) bool { return h.Session == e.Session && !h.Confirmed })
}

// endFirst ends the first hold that match accepts, and asks for another step if there are more.
func (t *step) endFirst(why Reason, match func(Hold) bool) {
	if i := slices.IndexFunc(t.s.Holds, match); i >= 0 {
		t.end(t.s.Holds[i], why)
		t.out.More = slices.ContainsFunc(t.s.Holds, match)
	}
}

// settle does what is due: it ends at most one holding, and makes at most one grant, and neither if
// the step has made a change already, other than to grant what an ending has freed.
func (t *step) settle() {
	if t.out.Change == nil {
		for _, h := range t.s.Holds {
			if why := t.due(h); why != "" {
				t.end(h, why)
				break
			}
		}
	}
	if t.out.Change != nil && t.out.Change.Granted != nil {
		return
	}
	if i := t.first(); i >= 0 {
		w := t.s.Queue[i]
		t.s.Queue = slices.Delete(t.s.Queue, i, i+1)
		t.grant(w)
	}
}

// first returns the index of the first waiter that may hold now, or -1.
func (t *step) first() int {
	if len(t.s.Holds) >= maxHolds {
		return -1
	}
	for i := range t.s.Queue {
		if t.grantable(i, nil) {
			return i
		}
	}
	return -1
}

// due returns why h ends now by time alone, or "".
func (t *step) due(h Hold) Reason {
	switch {
	case mutant == "absent-winner" && !h.Confirmed:
		return ""
	case !h.Confirmed && !t.now.Before(h.Seen.Add(t.Confirm)):
		return Unconfirmed
	case h.Lapsed && !t.now.Before(h.LapseSeen.Add(t.Reclaim)):
		return Expired
	case h.Lapsed && !t.now.Before(h.LapseSeen.Add(t.Pause)) && t.wanted(h):
		return Expired
	}
	return ""
}

// wanted reports whether a waiter who is there would be let in, or come nearer, if h were gone.
func (t *step) wanted(h Hold) bool {
	for i := range t.s.Queue {
		if conflict(t.s.Queue[i].Part, h.Part) && t.grantable(i, func(g Hold) bool { return g.Lapsed }) {
			return true
		}
	}
	return false
}

// grantable reports whether the waiter at i may hold now: it is there, nobody who holds excludes it
// (except holds that ignore accepts), and nobody before it in the queue who is there does.
func (t *step) grantable(i int, ignore func(Hold) bool) bool {
	w := t.s.Queue[i]
	if !t.there(w) {
		return false
	}
	for _, h := range t.s.Holds {
		if conflict(h.Part, w.Part) && (ignore == nil || !ignore(h)) {
			return false
		}
	}
	if mutant == "last-first" {
		return i == len(t.s.Queue)-1
	}
	for _, v := range t.s.Queue[:i] {
		if conflict(v.Part, w.Part) && t.there(v) {
			return false
		}
	}
	return true
}

func (t *step) there(w Waiter) bool {
	k := t.know(w.Session)
	return !bool(w.Absent) && !k.Over && !k.Left || mutant == "ghost-heir"
}

func (t *step) grant(w Waiter) {
	k := t.know(w.Session)
	h := Hold{
		Part: w.Part, Session: w.Session, User: k.User, Name: DisplayName(k.Name),
		Since: wall(t.now), Confirmed: k.Here, Seen: t.now,
	}
	if !k.Here {
		h.Ticket = w.Ticket
	}
	if mutant == "fence-by-user" {
		h.Fence = 1 + int64(len(k.User))
	}
	t.s.Holds = append(t.s.Holds, h)
	t.change().Granted = holding(h)
}

// end removes h, records why, and gives an unconfirmed one its place in the queue back, as absent.
func (t *step) end(h Hold, why Reason) {
	t.s.Holds = slices.DeleteFunc(t.s.Holds, func(g Hold) bool { return g.Session == h.Session && g.Part == h.Part })
	ended := holding(h)
	ended.Reason, ended.Over = why, wall(t.now)
	if why == Expired && h.Lapsed {
		ended.Over = h.Over
	}
	t.change().Ended = ended
	if why == Unconfirmed && h.Ticket > 0 && !t.know(h.Session).Over {
		w := Waiter{Ticket: h.Ticket, Session: h.Session, Part: h.Part, Since: h.Since.Unix(), Absent: true}
		i, _ := slices.BinarySearchFunc(t.s.Queue, w, func(a, b Waiter) int { return int(a.Ticket - b.Ticket) })
		t.s.Queue = slices.Insert(t.s.Queue, i, w)
	}
}

func (t *step) change() *Change {
	if t.out.Change == nil {
		t.out.Change = &Change{At: wall(t.now)}
	}
	return t.out.Change
}

func (t *step) leave(who func(Waiter) bool) {
	t.s.Queue = slices.DeleteFunc(t.s.Queue, who)
}

func holding(h Hold) *Holding {
	return &Holding{Part: h.Part, Session: h.Session, User: h.User, Name: h.Name, Fence: h.Fence, Since: h.Since}
}
