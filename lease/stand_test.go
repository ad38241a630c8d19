package lease

import (
	"strings"
	"testing"
	"time"
)

// bench steps a state by hand: each step is judged, and stored at the next revision.
type bench struct {
	t     *testing.T
	r     Rules
	s     State
	rev   int64
	now   time.Time
	facts map[string]Session
	out   Outcome
}

func newBench(t *testing.T, sessions ...string) *bench {
	b := &bench{t: t, r: Default(), rev: 100, now: epoch, facts: map[string]Session{}}
	for _, id := range sessions {
		b.facts[id] = Session{User: "user of " + id, Name: strings.ToUpper(id)}
	}
	return b
}

func (b *bench) know(id string) Session {
	if k, ok := b.facts[id]; ok {
		return k
	}
	return Session{Over: true}
}

func (b *bench) do(e Event) Answer {
	b.t.Helper()
	w := newWitness()
	for _, h := range b.s.Holds {
		w.grants[h.Fence], w.lapses[[2]int64{h.Fence, h.LapseRev}] = h.Seen, h.LapseSeen
	}
	before := b.s.clone()
	b.s, b.out = b.r.Step(b.s, e, b.know, b.now)
	tr := transition{r: b.r, w: w, before: before, e: e, know: b.know, now: b.now, after: b.s, out: b.out}
	if err := tr.judge(); err != nil {
		b.t.Fatalf("%s: %v", e.Kind, err)
	}
	b.rev++
	b.s = b.s.At(b.rev)
	return b.out.Answer
}

func (b *bench) after(d time.Duration) { b.now = b.now.Add(d) }

func (b *bench) over(id string) {
	k := b.facts[id]
	k.Over = true
	b.facts[id] = k
	b.do(Event{Kind: Lapse, Session: id, Over: b.now})
}

// holds returns who holds, as "session#fence".
func (b *bench) holder() string {
	if len(b.s.Holds) == 0 {
		return ""
	}
	return b.s.Holds[0].Session
}
