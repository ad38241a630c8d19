package lease

import (
	"bytes"
	"fmt"
	"time"
)

// swap folds messages up to the first change of holder into one write.
func (w *walk) swap(p *process, fold []message) error {
	now := p.now(w.clock)
	s := p.state
	lapsed := map[int64]time.Time{} // by fence
	for i := 0; i < len(fold); i++ {
		e := fold[i].e
		if e.Kind == Lapse {
			e.Over = p.now(fold[i].over)
		}
		w.steps++
		before := s.clone()
		after, out := w.rules.Step(s, e, w.know, now)
		w.note(e, out)
		if !same(before, s) {
			return fmt.Errorf("%s changed the state that it was given", e.Kind)
		}
		tr := transition{r: w.rules, w: p.w, before: before, e: e, know: w.know, now: now, after: after, out: out}
		if err := tr.judge(); err != nil {
			return fmt.Errorf("%s: %w\nbefore %+v\nafter  %+v\nchange %+v", e.Kind, err, before, after, out.Change)
		}
		if tr.fits() || e.Kind == Look {
			w.seen[e.Kind.String()+" in time"]++
		} else {
			w.seen[e.Kind.String()+" late"]++
		}
		for _, h := range after.Holds {
			if h.Lapsed && h.Session == e.Session && !before.HoldOf(h.Session, h.Part).Lapsed {
				lapsed[h.Fence] = e.Over
				if e.Over.Before(h.Seen) {
					lapsed[h.Fence] = now
				}
			}
		}
		s = after
		if out.Change != nil {
			if err := w.store(p, s, lapsed); err != nil {
				return err
			}
			if next := w.rules.Next(p.state, w.know); !next.IsZero() && !next.After(now) {
				w.seen["left for a look"]++
			}
			if out.More {
				w.seen["more"]++
				return w.swap(p, fold[i:i+1])
			}
			return nil
		}
		if out.More {
			return fmt.Errorf("%s wants more without a change", e.Kind)
		}
	}
	return w.store(p, s, lapsed)
}

func (w *walk) note(e Event, out Outcome) {
	w.seen[answers[out.Answer]]++
	w.log = append(w.log[max(0, len(w.log)-30):], entry{w.clock, e, out})
	c := out.Change
	if c == nil {
		return
	}
	if c.Ended != nil {
		w.seen[string(c.Ended.Reason)]++
	}
	if c.Granted != nil && w.know(c.Granted.Session).Here {
		w.seen["here"]++
	}
}

var answers = map[Answer]string{Done: "done", Granted: "granted", Queued: "queued", Locked: "locked", Stale: "stale", QueueFull: "queue full"}

// entry is a line of the log that a failure prints.
type entry struct {
	clock time.Duration
	e     Event
	out   Outcome
}

func (l entry) String() string {
	line := fmt.Sprintf("%v %s %+v -> %s", l.clock, l.e.Kind, l.e, answers[l.out.Answer])
	if c := l.out.Change; c != nil {
		line += fmt.Sprintf(", ended %+v, granted %+v", c.Ended, c.Granted)
	}
	return line
}

// store writes s, and checks that what a reader gets is the same.
func (w *walk) store(p *process, s State, lapsed map[int64]time.Time) error {
	data, err := Encode(s)
	if err != nil {
		return err
	}
	if bytes.Equal(data, w.data) || w.data == nil && same(s, p.state) {
		return nil
	}
	if len(data) > 64<<10 {
		return fmt.Errorf("a record of %d bytes", len(data))
	}
	now := p.now(w.clock)
	w.rev += int64(1 + w.IntN(3))
	for _, h := range s.Holds {
		if h.Fence == 0 {
			if w.rev <= w.fence {
				return fmt.Errorf("fence %d after %d", w.rev, w.fence)
			}
			w.fence = w.rev
		}
		if h.Lapsed && h.LapseRev == 0 {
			p.w.lapses[[2]int64{h.Fence, w.rev}] = lapsed[h.Fence]
		}
	}
	w.data, p.rev, p.state = data, w.rev, s.At(w.rev)
	p.w.saw(p.state, now)
	read, err := Decode(data, w.rev, p.state, now.Add(time.Hour))
	if err != nil {
		return err
	}
	if !same(read, p.state) {
		return fmt.Errorf("read back %+v, want %+v", read, p.state)
	}
	return nil
}

// sweep says of sessions that are over that they are, again until it is done.
func (w *walk) sweep(p *process) error {
	for id := range p.state.Names {
		if e, ok := w.fate[id]; ok && w.facts[id].Over {
			return w.swap(p, []message{{e, w.clock}})
		}
	}
	return nil
}

// settle looks until nothing is due, as whoever waits or watches does, and deletes a record that has long been free.
func (w *walk) settle(p *process) error {
	for i := 0; ; i++ {
		next := w.rules.Next(p.state, w.know)
		if next.IsZero() || next.After(p.now(w.clock)) {
			break
		}
		if i > 100 {
			return fmt.Errorf("something is always due")
		}
		if err := w.swap(p, []message{{}}); err != nil {
			return err
		}
	}
	now := p.now(w.clock)
	if err := settled(w.rules, p.state, w.know, now); err != nil {
		return err
	}
	if w.data != nil && w.rules.Stale(p.state, now) {
		w.rev++
		w.data, p.state, p.rev = nil, State{}, w.rev
		w.seen["deleted"]++
	}
	return nil
}
