package lease

import (
	"fmt"
	"testing"
	"time"
)

// Rules that the stories and walks pass by without noticing. Each protects against a small mistake that scripts/mutate made, and that
// no other test saw.

// Of the pongs that nobody acknowledged the last 32 are remembered, neither more nor fewer.
func TestBeliefRemembersSomePongs(t *testing.T) {
	at := func(s int) Clocks {
		d := time.Duration(s) * time.Second
		return Clocks{Mono: d, Wall: d}
	}
	b := Believe(at(0), time.Hour, time.Minute)
	for ping := range int64(maxUnacked + 1) {
		b = b.Ponged(ping+1, at(int(ping)+1))
	}
	if len(b.unacked) != maxUnacked {
		t.Errorf("%d pongs are remembered", len(b.unacked))
	}
	if got := b.Acked(1, at(100)); got.from != at(0) {
		t.Error("the oldest pong is remembered as well")
	}
	if got := b.Acked(2, at(100)); got.from != at(2) {
		t.Error("the second is not remembered")
	}
}

// A node vouches for nothing before it has renewed and polled once, whatever its clock says.
func TestVouchesForNothingAtFirst(t *testing.T) {
	soon := time.Time{}.Add(time.Second) // a clock that begins with the machine
	for _, c := range [][2]time.Time{{soon, {}}, {{}, soon}, {{}, {}}} {
		if DefaultLiveness().Vouches(soon, c[0], c[1]) {
			t.Errorf("renewed at %v, polled at %v", c[0], c[1])
		}
	}
}

// Of a count whose marks are too many to be stored the first and the newest are: from the first count the old sessions, from the newest those
// that have just begun.
func TestStoredMarksSpanTheCount(t *testing.T) {
	own, named := Silences{}, map[string]bool{}
	for i := range maxStored {
		s := Silence{Life: 1, Millis: 500_000}
		for j := range int64(maxMarks) {
			s.Marks = append(s.Marks, Mark{Rev: 1 + j, Millis: 4000 * j})
		}
		id := fmt.Sprint(i)
		own[id], named[id] = s, true
	}
	for id, s := range own.Stored(named) {
		whole := own[id].Marks
		if n := len(s.Marks); n < 2 || s.Marks[0] != whole[0] || s.Marks[n-1] != whole[len(whole)-1] {
			t.Fatalf("of %d marks these are stored: %v", len(whole), s.Marks)
		}
	}
}

// A node whose record is seen for the first time has not been seen to change: until now it was missing.
func TestAppearingIsNoChange(t *testing.T) {
	l := DefaultLiveness()
	counts := l.Count(nil, map[string]int64{"x": 0}, 1, 0)
	if counts = l.Count(counts, map[string]int64{"x": 5}, 2, time.Second); counts["x"].Changed {
		t.Error("it was missing, and counts as one that was seen to live")
	}
	if counts = l.Count(counts, map[string]int64{"x": 6}, 3, time.Second); !counts["x"].Changed {
		t.Error("it was seen to live")
	}
	if counts = l.Count(counts, map[string]int64{"x": 0}, 4, time.Second); !counts["x"].Changed {
		t.Error("once seen to live, always")
	}
}

// A mark is set whenever a stride has been counted since the last one.
func TestMarksAreAStrideApart(t *testing.T) {
	l := DefaultLiveness()
	counts := l.Count(nil, map[string]int64{"x": 5}, 1, 0)
	for rev := int64(2); rev < 6; rev++ {
		counts = l.Count(counts, map[string]int64{"x": 5}, rev, l.Stride)
	}
	if n := len(counts["x"].Marks); n != 5 {
		t.Errorf("%d marks after 4 strides: %v", n, counts["x"].Marks)
	}
}

// A starting node takes up every count that still stands, whichever others in the same record do not.
func TestTakeUpPassesByWhatIsOver(t *testing.T) {
	view, record := map[string]int64{}, NodeRecord{Silences: Silences{}}
	for i := range int64(40) {
		id := fmt.Sprint(i)
		view[id] = 7
		record.Silences[id] = Silence{Life: 7 + i%2, Millis: 1000, Marks: []Mark{{Rev: 1}}}
	}
	if got := DefaultLiveness().TakeUp(view, map[string]NodeRecord{"a": record}); len(got) != 20 {
		t.Errorf("%d of the 20 counts that stand were taken up", len(got))
	}
}

// A state is empty when nobody holds and nobody waits.
func TestEmpty(t *testing.T) {
	hold, place := Hold{Session: "a"}, Waiter{Session: "b", Ticket: 1}
	for _, c := range []struct {
		s    State
		want bool
	}{
		{State{}, true}, {State{Version: "7"}, true}, {State{Holds: []Hold{hold}}, false}, {State{Queue: []Waiter{place}}, false},
		{State{Holds: []Hold{hold}, Queue: []Waiter{place}}, false},
	} {
		if c.s.Empty() != c.want {
			t.Errorf("%+v: empty is %t", c.s, !c.want)
		}
	}
}

// When a lock became free is noted once, and not again by what comes later; while somebody holds it is left alone. Else a record would
// never grow old enough to be deleted, or would be written at every look.
func TestFreedIsNotedOnce(t *testing.T) {
	know := func(string) Session { return Session{User: "u"} }
	s, _ := Default().Step(State{}, Event{Kind: Acquire, Session: "a"}, know, epoch)
	s = s.At(5)
	if s, _ = Default().Step(s, Event{Kind: Look}, know, epoch.Add(time.Second)); !s.Freed.IsZero() {
		t.Errorf("it is held, and was freed at %v", s.Freed)
	}
	s, _ = Default().Step(s, Event{Kind: Release, Session: "a", Fence: 5}, know, epoch.Add(time.Minute))
	for _, e := range []Event{{Kind: Look}, {Kind: Cancel, Session: "b"}, {Kind: Release, Session: "a", Fence: 5}, {Kind: Resume, Session: "a"}} {
		if s, _ = Default().Step(s, e, know, epoch.Add(time.Hour)); !s.Freed.Equal(epoch.Add(time.Minute)) {
			t.Errorf("%s: it was freed at %v", e.Kind, s.Freed)
		}
	}
}

// Without a fence nobody names a hold, not even one whose fence is not yet known because it was granted in the same swap.
func TestNoFenceNamesNoHold(t *testing.T) {
	know := func(string) Session { return Session{User: "u"} }
	granted, _ := Default().Step(State{}, Event{Kind: Acquire, Session: "a"}, know, epoch)
	for _, kind := range []Kind{Release, Confirm, Changed, Force} {
		s, out := Default().Step(granted, Event{Kind: kind, Session: "a", Version: "2"}, know, epoch)
		if out.Change != nil || len(s.Holds) != 1 || s.Holds[0].Confirmed || s.Version != "" {
			t.Errorf("%s without a fence: %+v, %+v", kind, s, out)
		}
	}
}

// The largest fence that every language can count exactly is one; the next is none.
func TestLargestFence(t *testing.T) {
	for fence, good := range map[int64]bool{0: true, 1: true, maxFence: true, maxFence + 1: false, -1: false} {
		if err := Check(State{Holds: []Hold{{Session: "a", Fence: fence}}}); (err == nil) != good {
			t.Errorf("fence %d: %v", fence, err)
		}
	}
}
