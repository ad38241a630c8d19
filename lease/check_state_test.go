package lease

import (
	"fmt"
	"slices"
	"time"
)

// settled: nobody who is there waits for what is free, or is kept from it by time that has run out.
func settled(r Rules, s State, know func(string) Session, now time.Time) error {
	if len(s.Holds) >= maxHolds {
		return nil
	}
	for i, w := range s.Queue {
		k := know(w.Session)
		if bool(w.Absent) || k.Over || k.Left {
			continue
		}
		blocked := slices.ContainsFunc(s.Holds, func(h Hold) bool {
			ripe := !h.Confirmed && now.Sub(h.Seen) >= r.Confirm || h.Lapsed && now.Sub(h.LapseSeen) >= r.Reclaim
			return conflict(h.Part, w.Part) && !ripe
		}) || slices.ContainsFunc(s.Queue[:i], func(v Waiter) bool {
			k := know(v.Session)
			return conflict(v.Part, w.Part) && !bool(v.Absent) && !k.Over && !k.Left
		})
		if !blocked {
			return fmt.Errorf("session %s waits for what is free", w.Session)
		}
		if i == 0 && len(s.Holds) == 1 && s.Holds[0].Lapsed && now.Sub(s.Holds[0].LapseSeen) >= r.Pause {
			return fmt.Errorf("session %s waits for a holder whose pause is over", w.Session)
		}
	}
	return nil
}

// same reports whether two states are, down to the moments from which they are counted.
func same(a, b State) bool {
	return a.Ticket == b.Ticket && a.Version == b.Version && a.Freed.Equal(b.Freed) &&
		slices.EqualFunc(a.Holds, b.Holds, func(h, g Hold) bool {
			return h.Part == g.Part && h.Session == g.Session && h.User == g.User && h.Name == g.Name &&
				h.Fence == g.Fence && h.Since.Equal(g.Since) && h.Confirmed == g.Confirmed && h.Ticket == g.Ticket &&
				h.Lapsed == g.Lapsed && h.Over.Equal(g.Over) && h.LapseRev == g.LapseRev &&
				h.Seen.Equal(g.Seen) && h.LapseSeen.Equal(g.LapseSeen)
		}) &&
		slices.EqualFunc(a.Queue, b.Queue, func(w, v Waiter) bool {
			return w.Ticket == v.Ticket && w.Session == v.Session && w.Part == v.Part && w.Since == v.Since && w.Absent == v.Absent
		})
}

// effect: an event that fits does what it is for.
func (t transition) effect() error {
	if !t.fits() {
		return nil
	}
	h := t.after.HoldOf(t.e.Session, t.e.Part)
	n, w := t.after.Place(t.e.Session, t.e.Part)
	places := slices.ContainsFunc(t.after.Queue, func(w Waiter) bool { return w.Session == t.e.Session })
	own := func(state func(Hold) bool) bool {
		return slices.ContainsFunc(t.after.Holds, func(h Hold) bool { return h.Session == t.e.Session && state(h) })
	}
	ok := true
	switch t.e.Kind {
	case Acquire:
		ok = t.out.Answer != Stale && t.out.Answer != Done && (n == 0 || !bool(w.Absent))
		if len(t.before.Holds)+len(t.before.Queue) == 0 {
			ok = t.out.Answer == Granted
		}
	case Confirm:
		ok = h != nil && h.Fence == t.e.Fence && h.Confirmed && t.out.Answer == Done
	case Release:
		ok = h == nil || h.Fence != t.e.Fence
		if t.e.Version != "" {
			ok = ok && t.after.Version == version(t.e.Version)
		}
	case Cancel:
		before := t.before.HoldOf(t.e.Session, t.e.Part)
		ok = n == 0 && (h == nil || before != nil && before.Confirmed)
	case Lapse:
		ok = !places && !own(func(h Hold) bool { return h.Confirmed && !h.Lapsed }) &&
			own(func(h Hold) bool { return !h.Confirmed }) == t.out.More
	case Resume:
		ok = !own(func(h Hold) bool { return h.Lapsed })
	case End:
		ok = !places && own(func(Hold) bool { return true }) == t.out.More
	case Changed:
		ok = t.after.Version == version(t.e.Version)
	case Force:
		ok = !slices.ContainsFunc(t.after.Holds, func(h Hold) bool { return h.Fence == t.e.Fence })
	}
	if !ok {
		return fmt.Errorf("a %s that fits did not do what it is for: answer %s", t.e.Kind, answers[t.out.Answer])
	}
	return nil
}
