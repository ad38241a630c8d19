package demo

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The faults that a visitor can cause, as the buttons name them.
const (
	faultKill      = "kill"
	faultCut       = "cut"
	faultClose     = "close"
	faultReload    = "reload"
	faultDuplicate = "duplicate"
	faultMalformed = "malformed"
	faultStale     = "stale"
)

// A fault is what a visitor did to one side, and how that side stood then.
type fault struct {
	kind     string
	at       time.Time
	who      string // whose page it befell; empty: no page was open
	cutOff   bool   // that page had no network already
	holder   string // who held; it befell them, if a page of theirs was open
	absent   bool   // the holder was not there any more, though a page of theirs may have been open
	fence    int64
	version  int64
	restored bool // the network, since
	counts   counts
	starts   int // of the server
}

// A telling is a sentence on what became of a fault.
type telling struct {
	Tone string `json:"tone"` // quiet, busy, good, bad
	Text string `json:"text"`
}

// A scene is what is known of one side at one moment.
type scene struct {
	facts
	tabs   []tab
	up     bool
	starts int
	down   time.Duration // how long the last restart took
	empty  time.Duration // nobody is there, for
	double bool
	ttl    time.Duration
	ping   time.Duration // the usual design finds a silent connection within these two
	pong   time.Duration
}

func (s scene) phaseOf(person string) string {
	best := ""
	for _, t := range s.tabs {
		if t.Person == person && (best == "" || t.here()) {
			best = t.Phase
		}
	}
	return best
}

// ended finds the history entry in which the holding with that fence ended.
func (s scene) ended(fence int64) *change {
	i := slices.IndexFunc(s.Changes, func(c change) bool { return fence != 0 && c.Ended == fence })
	if i < 0 {
		return nil
	}
	return &s.Changes[i]
}

// grantedAfter finds who was let in next.
func (s scene) grantedAfter(fence int64) *change {
	i := slices.IndexFunc(s.Changes, func(c change) bool { return c.Granted > fence })
	if i < 0 {
		return nil
	}
	return &s.Changes[i]
}

// tellEditlock says what healed the fault, and why, from editlock's history.
func tellEditlock(f fault, s scene) telling {
	if t, other := tellOther(f, s); other {
		return t
	}
	same := f.holder != "" && s.Holder == f.holder && s.Fence == f.fence && !s.Lapsed
	back := same && s.phaseOf(f.holder) == phaseEditing
	switch f.kind {
	case faultStale:
		if r := s.Refused; r != nil && r.At.After(f.at) {
			return telling{"good", fmt.Sprintf("%s’s late save carried fence %s; %s. It was refused with 409, "+
				"in the transaction of the write. The newer text stands, and nothing that %s typed is thrown away.", r.Name, short(r.Fence), s.since(r), r.Name)}
		}
		return telling{"busy", "A save is held up on its way while the lock changes hands twice …"}
	case faultDuplicate:
		if same {
			return telling{"good", fmt.Sprintf("The copy is a session of its own. It was told that %s edits in another tab, and it waits; closing either never frees the other’s lock.", f.holder)}
		}
	case faultKill:
		switch {
		case !s.up:
			return telling{"busy", "The server was killed, with no chance to clean up. It is being started again …"}
		case f.holder == "":
			return telling{"good", "The server was killed and is back. Nobody held the article, and nobody does."}
		case s.starts > f.starts && back:
			return telling{"good", fmt.Sprintf("The server was killed and was back after %s. %s’s page took its session up again: the same fence, %s. Nobody else was let in, and whoever waits kept their place.",
				seconds(s.down), f.holder, short(f.fence))}
		case same:
			return telling{"busy", fmt.Sprintf("The server is back, with every lock as it was. Pages return within 4 s; one that does not return loses its lock in 50 s at most, for the outage was ours and not %s’s.", f.holder)}
		}
	}
	if back {
		return tellKept(f, s)
	}
	if same {
		return tellEnding(f, s)
	}
	return tellEnded(f, s)
}

// since says who was let in between the hold of a refused save and the one that the article had seen.
func (s scene) since(r *refusedSave) string {
	var between []string
	for _, c := range s.Changes {
		switch {
		case c.Granted <= r.Fence || c.Granted > r.Seen:
		case c.Now != r.Name:
			if !slices.Contains(between, c.Now) {
				between = append(between, c.Now)
			}
		case len(between) > 0 && c.Granted == r.Seen:
			return fmt.Sprintf("since then %s edited, and %s came back with %s", strings.Join(between, " and "), r.Name, short(r.Seen))
		}
	}
	if len(between) == 0 {
		return fmt.Sprintf("the article had already seen %s", short(r.Seen))
	}
	return fmt.Sprintf("since then %s was let in, with %s", strings.Join(between, " and "), short(r.Seen))
}

// tellKept: the holder is there, with the lock it had.
func tellKept(f fault, s scene) telling {
	switch f.kind {
	case faultCut:
		if f.restored {
			return telling{"good", fmt.Sprintf("%s’s network came back before the lease ended: the same session, the same fence %s. A lost connection by itself gives nothing away.", f.holder, short(f.fence))}
		}
		return telling{"busy", fmt.Sprintf("%s’s network is gone, without a close. The page counts from the last answer it sent, and will stop believing before the lease of %s ends.", f.holder, seconds(s.ttl))}
	case faultReload:
		return telling{"good", fmt.Sprintf("%s’s page said goodbye and came back within the 5 s that a reload may take. It took up its session: the same lock, the same fence %s.", f.holder, short(f.fence))}
	case faultMalformed:
		return telling{"good", fmt.Sprintf("The server answered with an error and closed that one connection. No lock changed: %s goes on with the same fence %s.", f.holder, short(f.fence))}
	}
	return telling{"good", fmt.Sprintf("%s goes on with the same fence %s.", f.holder, short(f.fence))}
}

// tellEnding: the holding is still on record, its page is not there or not sure.
func tellEnding(f fault, s scene) telling {
	switch f.kind {
	case faultCut:
		return telling{"busy", fmt.Sprintf("%s’s page has had no answer for too long and no longer believes that it holds: one can type on there, not save. Its lease ends in a moment.", f.holder)}
	case faultClose:
		return telling{"busy", fmt.Sprintf("%s’s page said goodbye. Its lease was shortened to 5 s, in case it was only a reload.", f.holder)}
	case faultReload:
		return telling{"busy", fmt.Sprintf("%s’s page said goodbye, and has 5 s to come back.", f.holder)}
	case faultMalformed:
		return telling{"busy", fmt.Sprintf("The server answered with an error and closed that one connection. No lock changed; should %s not come back, its lease ends by itself.", f.holder)}
	}
	return telling{"busy", fmt.Sprintf("%s’s page is not there; its lease is running out.", f.holder)}
}

// tellEnded: the holding is over; the history says how.
func tellEnded(f fault, s scene) telling {
	var why string
	end := s.ended(f.fence)
	switch {
	case end == nil || end.Reason == "expired":
		switch f.kind {
		case faultCut, faultKill:
			why = fmt.Sprintf("%s’s page stopped answering; its lease ended after %s", f.holder, seconds(s.ttl))
		case faultMalformed:
			why = fmt.Sprintf("The server shut out %s’s page, and no other, for a message that is none; its lease ended after %s", f.holder, seconds(s.ttl))
		default:
			why = fmt.Sprintf("%s’s page was gone; its lease ended by itself", f.holder)
		}
	case end.Reason == "left":
		why = fmt.Sprintf("%s’s page said goodbye as it closed; after the 5 s that a reload may take its lease ended", f.holder)
	case end.Reason == "released":
		why = fmt.Sprintf("%s was done", f.holder)
	default:
		why = fmt.Sprintf("%s’s holding ended (%s)", f.holder, strings.ReplaceAll(end.Reason, "_", " "))
	}
	next := s.grantedAfter(f.fence)
	switch {
	case next == nil && s.Lapsed && len(s.Waiting) > 0:
		return telling{"busy", fmt.Sprintf("%s. After a pause of 3 s, for what may still be on its way, the next one is let in.", why)}
	case next == nil && s.Lapsed:
		return telling{"good", fmt.Sprintf("%s. Nobody waits: whoever asks first gets the article, and until then %s may take it back.", why, f.holder)}
	case next == nil:
		return telling{"good", why + ". Nobody waited, so the article is free."}
	}
	who := next.Now
	if who == f.holder {
		who += " again"
	}
	return telling{"good", fmt.Sprintf("%s and %s was let in, with the fresh text.", why, who)}
}

// tellUsual says how the usual design came through.
func tellUsual(f fault, s scene) telling {
	switch {
	case f.kind == faultStale && s.Overwritten > f.counts.Overwritten:
		return telling{"bad", fmt.Sprintf("%s’s late save passed the check, for locked_by says %s again. It replaced a newer text that its author never saw.", f.holder, f.holder)}
	case f.kind == faultStale:
		return telling{"busy", "A save is held up on its way while the article changes hands twice …"}
	case s.double:
		return telling{"bad", doubleText(s)}
	case s.Holder != "" && s.empty > 0:
		if f.kind == faultCut && !f.absent && s.empty < s.ping+s.pong {
			return telling{"busy", fmt.Sprintf("locked_by says %s. The server learns of the lost network by a ping that is not answered.", s.Holder)}
		}
		return telling{"bad", fmt.Sprintf("locked_by still says %s. %s is not there, and nothing in this design will ever clear it.", s.Holder, s.Holder)}
	case s.Holder == "" && s.empty > time.Second:
		return telling{"bad", "The article is free, and a page says: You are waiting. Its user is not in the table any more, so nobody will ever call it."}
	case !s.up:
		return telling{"busy", "The server was killed. No clean-up ran. It is being started again …"}
	case f.idle() != "":
		return telling{"quiet", f.idle()}
	case f.beside() && f.kind != faultCut:
		return telling{"quiet", f.befell()}
	case f.holder == "":
		return telling{"quiet", "Nobody held the article at that moment."}
	case f.kind == faultCut && !f.restored && (f.beside() || s.Holder == f.holder):
		return telling{"busy", fmt.Sprintf("%s’s network is gone, without a close. The server learns of it by a ping that is not answered, within %s; the page is told nothing.", f.who, seconds(s.ping+s.pong))}
	case f.kind == faultCut && f.beside():
		return telling{"quiet", f.befell()}
	case s.Holder == f.holder && s.phaseOf(f.holder) == phaseEditing:
		return telling{"quiet", fmt.Sprintf("%s goes on editing.", f.holder)}
	case s.Holder != "" && s.Holder != f.holder:
		return telling{"quiet", fmt.Sprintf("The disconnect handler ran, and %s was let in.", s.Holder)}
	case s.Holder == "":
		return telling{"quiet", "The disconnect handler ran, and the article is free."}
	}
	return telling{"busy", "…"}
}

func doubleText(s scene) string {
	var names []string
	for _, t := range s.tabs {
		if t.Phase == phaseEditing {
			names = append(names, t.Person)
		}
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) == 1 {
		return fmt.Sprintf("Two tabs of %s both say: You are editing. The row knows only the user.", names[0])
	}
	return fmt.Sprintf("The pages of %s both say: You are editing.", strings.Join(names, " and "))
}

// short shows the end of a fence, which is what tells one from the next.
func short(fence int64) string { return fmt.Sprintf("…%05d", fence%100_000) }

func seconds(d time.Duration) string {
	if d < 10*time.Second && d%time.Second != 0 {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}
