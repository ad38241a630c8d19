package lease

import (
	"strings"
	"testing"
	"time"
)

// Each time limit ends something at its very moment, and not before.
func TestMoments(t *testing.T) {
	const ms = time.Millisecond
	t.Run("a grant is confirmed or passes on", func(t *testing.T) {
		b := newBench(t, "a", "b")
		b.do(Event{Kind: Acquire, Session: "a"})
		b.do(Event{Kind: Acquire, Session: "b"})
		if next := b.r.Next(b.s, b.know); !next.Equal(epoch.Add(b.r.Confirm)) {
			t.Errorf("next is %v", next)
		}
		b.after(b.r.Confirm - ms)
		if b.do(Event{Kind: Look}); b.holder() != "a" {
			t.Error("passed on too early")
		}
		b.after(ms)
		if b.do(Event{Kind: Look}); b.holder() != "b" {
			t.Error("did not pass on")
		}
	})
	t.Run("the pause after an expiry", func(t *testing.T) {
		b := newBench(t, "a", "b")
		b.do(Event{Kind: Acquire, Session: "a"})
		b.do(Event{Kind: Confirm, Session: "a", Fence: b.s.Holds[0].Fence})
		b.do(Event{Kind: Acquire, Session: "b"})
		deadline := b.now
		b.after(2 * time.Second) // the sweep was slow: the pause runs from the deadline
		b.facts["a"] = Session{Over: true}
		b.do(Event{Kind: Lapse, Session: "a", Over: deadline})
		if next := b.r.Next(b.s, b.know); !next.Equal(deadline.Add(b.r.Pause)) {
			t.Errorf("next is %v", next)
		}
		b.after(time.Second - ms)
		if b.do(Event{Kind: Look}); b.holder() != "a" {
			t.Error("given on too early")
		}
		b.after(ms)
		if b.do(Event{Kind: Look}); b.holder() != "b" || b.out.Change.Ended.Reason != Expired || !b.out.Change.Ended.Over.Equal(deadline) {
			t.Errorf("%s holds, change %+v", b.holder(), b.out.Change)
		}
	})
	t.Run("a lapsed lock is kept", func(t *testing.T) {
		b := newBench(t, "a")
		b.do(Event{Kind: Acquire, Session: "a"})
		b.do(Event{Kind: Confirm, Session: "a", Fence: b.s.Holds[0].Fence})
		b.over("a")
		if next := b.r.Next(b.s, b.know); !next.Equal(epoch.Add(b.r.Reclaim)) {
			t.Errorf("next is %v", next)
		}
		b.after(b.r.Reclaim - ms)
		if b.do(Event{Kind: Look}); b.holder() != "a" {
			t.Error("ended too early")
		}
		b.after(ms)
		if b.do(Event{Kind: Look}); b.holder() != "" || !b.s.Freed.Equal(b.now) {
			t.Errorf("%s holds, freed %v", b.holder(), b.s.Freed)
		}
		b.after(b.r.Keep - ms)
		if b.r.Stale(b.s, b.now) {
			t.Error("deleted too early")
		}
		b.after(ms)
		if !b.r.Stale(b.s, b.now) {
			t.Error("never deleted")
		}
	})
}

// After an outage all waiting begins anew, and is never shortened.
func TestAfresh(t *testing.T) {
	at := func(s int) time.Time { return epoch.Add(time.Duration(s) * time.Second) }
	s := State{Holds: []Hold{
		{Part: "a", Fence: 1, Seen: at(1)},
		{Part: "b", Fence: 2, Seen: at(1), Lapsed: true, LapseSeen: at(2)},
		{Part: "c", Fence: 3, Seen: at(9), Lapsed: true, LapseSeen: at(9)},
	}}
	before := s.clone()
	got := s.Afresh(at(5))
	if !same(s, before) {
		t.Error("it changes the state that it was given")
	}
	for i, want := range []Hold{{Seen: at(5)}, {Seen: at(5), LapseSeen: at(5)}, {Seen: at(9), LapseSeen: at(9)}} {
		if h := got.Holds[i]; !h.Seen.Equal(want.Seen) || !h.LapseSeen.Equal(want.LapseSeen) {
			t.Errorf("%s: seen %v, lapse seen %v", h.Part, h.Seen, h.LapseSeen)
		}
	}
}

// A lapse that says a wrong time, or none, is counted from now, never from before the grant.
func TestLapseAtAWrongTime(t *testing.T) {
	for name, over := range map[string]time.Time{"none": {}, "before the grant": epoch.Add(-time.Minute), "in the future": epoch.Add(time.Minute)} {
		b := newBench(t, "a")
		b.do(Event{Kind: Acquire, Session: "a"})
		b.do(Event{Kind: Confirm, Session: "a", Fence: b.s.Holds[0].Fence})
		b.after(time.Second)
		b.facts["a"] = Session{Over: true}
		b.do(Event{Kind: Lapse, Session: "a", Over: over})
		if h := b.s.Holds[0]; !h.LapseSeen.Equal(b.now) || !h.Over.Equal(b.now) {
			t.Errorf("%s: counted from %v, over at %v, now %v", name, h.LapseSeen, h.Over, b.now)
		}
	}
}

// Where this process has first read a hold that was confirmed long before, a lapse is counted from when it really was, though that is
// before the reading; but not from no time at all.
func TestLapseOfAHoldThatWasReadLate(t *testing.T) {
	at := func(s int) time.Time { return epoch.Add(time.Duration(s) * time.Second) }
	data := []byte(`{"v":1,"holds":[{"session":"a","user":"u","since":"2026-11-23T14:00:00Z","fence":5,"confirmed":true}],"queue":[{"n":1,"s":"b","t":1}],"ticket":1}`)
	s, err := Decode(data, 6, State{}, at(60))
	if err != nil {
		t.Fatal(err)
	}
	know := func(id string) Session { return Session{User: id, Over: id == "a"} }
	lapse := func(over time.Time) (State, Outcome) {
		return Default().Step(s, Event{Kind: Lapse, Session: "a", Over: over}, know, at(60))
	}
	if got, _ := lapse(at(58)); !got.Holds[0].LapseSeen.Equal(at(58)) || !got.Holds[0].Over.Equal(at(58)) {
		t.Errorf("over at 58 s, and counted as %+v", got.Holds[0])
	}
	if got, out := lapse(at(57)); got.HoldOf("b", "") == nil || out.Change == nil || out.Change.Ended.Reason != Expired {
		t.Errorf("the pause is over, and it is %+v", got)
	}
	for _, over := range []time.Time{{}, at(61)} {
		if got, _ := lapse(over); !got.Holds[0].LapseSeen.Equal(at(60)) {
			t.Errorf("over at %v, and counted as %+v", over, got.Holds[0])
		}
	}
}

// A lapse of a session that has come back meanwhile, a confirmation, a request or a resume of one that is
// over, change nothing. Faults: B12, Q2
func TestTooLate(t *testing.T) {
	b := newBench(t, "a", "b")
	b.do(Event{Kind: Acquire, Session: "a"})
	b.do(Event{Kind: Confirm, Session: "a", Fence: b.s.Holds[0].Fence})
	b.do(Event{Kind: Lapse, Session: "a", Over: b.now})
	if b.s.Holds[0].Lapsed {
		t.Fatal("a session that is not over lapsed")
	}
	b.over("a")
	for _, k := range []Kind{Resume, Acquire} {
		if got := b.do(Event{Kind: k, Session: "a"}); got != Stale || !b.s.Holds[0].Lapsed {
			t.Errorf("%s of a session that is over: answer %v, lapsed %v", k, got, b.s.Holds[0].Lapsed)
		}
	}
	b.facts["b"] = Session{Left: true}
	if got := b.do(Event{Kind: Acquire, Session: "b"}); got != Stale || len(b.s.Queue) > 0 {
		t.Errorf("a page that was left asked: answer %v, %d wait", got, len(b.s.Queue))
	}
	for _, k := range []Kind{Acquire, Confirm, Resume, Release, Cancel, Lapse, End} {
		if b.do(Event{Kind: k}); len(b.s.Queue) > 0 || len(b.s.Holds) != 1 {
			t.Errorf("%s without a session", k)
		}
	}
}

// A page that was left keeps its place, and is skipped; an unconfirmed grant to it passes on.
func TestLeftWhileWaiting(t *testing.T) {
	b := newBench(t, "a", "b", "c")
	for _, id := range []string{"a", "b", "c"} {
		b.do(Event{Kind: Acquire, Session: id})
	}
	b.do(Event{Kind: Release, Session: "a", Fence: b.s.Holds[0].Fence})
	b.facts["b"] = Session{User: "u", Left: true}
	b.after(b.r.Confirm)
	b.do(Event{Kind: Look})
	if n, w := b.s.Place("b", ""); b.holder() != "c" || n != 1 || !bool(w.Absent) {
		t.Errorf("%s holds, b is number %d: %+v", b.holder(), n, w)
	}
	b.facts["b"] = Session{User: "u"}
	b.do(Event{Kind: Acquire, Session: "b"})
	b.do(Event{Kind: Cancel, Session: "c"})
	if b.holder() != "b" {
		t.Errorf("%s holds", b.holder())
	}
}

// A grant that is out of time when its page asks again is made anew, in its old place.
func TestAskingAgainTooLate(t *testing.T) {
	b := newBench(t, "a", "b")
	b.do(Event{Kind: Acquire, Session: "a"})
	first := b.s.Holds[0].Fence
	b.do(Event{Kind: Acquire, Session: "b"})
	b.after(time.Minute)
	if got := b.do(Event{Kind: Acquire, Session: "a"}); got != Granted || b.holder() != "a" || b.s.Holds[0].Fence <= first {
		t.Errorf("answer %v, holds %+v", got, b.s.Holds)
	}
	if !b.s.Holds[0].Seen.Equal(b.now) {
		t.Error("the second grant has the first one's clock")
	}
}

// A move is for the same part alone, and keeps or gives a place that is the mover's.
func TestMove(t *testing.T) {
	b := newBench(t, "a", "b", "c")
	same := func(ids ...string) {
		for _, id := range ids {
			b.facts[id] = Session{User: "ana", Name: "Ana"}
		}
	}
	same("a", "c")
	b.do(Event{Kind: Acquire, Session: "a", Part: "title"})
	b.do(Event{Kind: Acquire, Session: "b"})
	if got := b.do(Event{Kind: Acquire, Session: "c", User: "ana", Move: true}); got != Queued {
		t.Errorf("a move from a part to the whole: %v", got)
	}
	if got := b.do(Event{Kind: Acquire, Session: "c", User: "ana", Part: "title", Move: true}); got != Granted {
		t.Errorf("a move of a part: %v", got)
	}
	if b.out.Change.Ended.Reason != HandedOver || b.out.Change.Ended.Session != "a" || b.out.Change.Granted.Session != "c" {
		t.Errorf("recorded as %+v", b.out.Change)
	}
	if got := b.do(Event{Kind: Acquire, Session: "a", User: "", Part: "title", Move: true}); got != Queued {
		t.Errorf("a move by nobody: %v", got)
	}
	if n, _ := b.s.Place("a", "title"); n != 3 {
		t.Errorf("a is number %d", n)
	}
	b.do(Event{Kind: Acquire, Session: "a", User: "ana", Part: "title", Move: true})
	b.after(b.r.Confirm)
	b.do(Event{Kind: Look})
	if n, w := b.s.Place("a", "title"); n != 3 && n != 2 || !bool(w.Absent) {
		t.Errorf("who moved it here and did not confirm is number %d: %+v", n, w)
	}
	// Without waiting: no place is made of it.
	b = newBench(t)
	same("a", "c")
	b.do(Event{Kind: Acquire, Session: "a", NoWait: true})
	b.do(Event{Kind: Acquire, Session: "c", User: "ana", Move: true, NoWait: true})
	b.after(b.r.Confirm)
	b.do(Event{Kind: Look})
	if !b.s.Empty() || b.s.Ticket != 0 {
		t.Errorf("left: %+v", b.s)
	}
}

// Who does not want to wait gets no place, but keeps one that it has, and the first of a free lock.
func TestWithoutWaiting(t *testing.T) {
	b := newBench(t, "a", "b", "c")
	b.do(Event{Kind: Acquire, Session: "a"})
	if got := b.do(Event{Kind: Acquire, Session: "b", NoWait: true}); got != Locked || len(b.s.Queue) != 0 {
		t.Errorf("answer %v, %d wait", got, len(b.s.Queue))
	}
	b.do(Event{Kind: Acquire, Session: "b"})
	if got := b.do(Event{Kind: Acquire, Session: "b", NoWait: true}); got != Locked || len(b.s.Queue) != 1 {
		t.Errorf("one who waits already: answer %v, %d wait", got, len(b.s.Queue))
	}
	b.do(Event{Kind: Confirm, Session: "a", Fence: b.s.Holds[0].Fence})
	b.do(Event{Kind: Cancel, Session: "b"})
	b.over("a")
	if got := b.do(Event{Kind: Acquire, Session: "b", NoWait: true}); got != Locked {
		t.Errorf("in the pause: answer %v", got)
	}
	b.after(b.r.Pause)
	if got := b.do(Event{Kind: Acquire, Session: "b", NoWait: true}); got != Granted || b.holder() != "b" {
		t.Errorf("after the pause: answer %v", got)
	}
}

// A queue that is full of people who are not there shuts nobody out of a free lock.
func TestFullQueueOfTheAbsent(t *testing.T) {
	b := newBench(t, "a", "b", "c", "d")
	b.r.Queue = 2
	for _, id := range []string{"a", "b", "c"} {
		b.do(Event{Kind: Acquire, Session: id})
	}
	if got := b.do(Event{Kind: Acquire, Session: "d"}); got != QueueFull {
		t.Errorf("a full queue: answer %v", got)
	}
	b.do(Event{Kind: Release, Session: "a", Fence: b.s.Holds[0].Fence})
	for range 2 { // b and c do not react
		b.after(b.r.Confirm)
		b.do(Event{Kind: Look})
	}
	if b.holder() != "" || len(b.s.Queue) != 2 {
		t.Fatalf("%s holds, %d wait", b.holder(), len(b.s.Queue))
	}
	if got := b.do(Event{Kind: Acquire, Session: "d"}); got != Granted || b.holder() != "d" || len(b.s.Queue) != 2 {
		t.Errorf("a queue of the absent: answer %v, %s holds, %d wait", got, b.holder(), len(b.s.Queue))
	}
}

// What one step cannot do is due at once, and each step does some of it.
func TestOneChangeAStep(t *testing.T) {
	b := newBench(t, "a", "b", "c", "d")
	b.do(Event{Kind: Acquire, Session: "a"})
	for _, id := range []string{"b", "c", "d"} {
		b.do(Event{Kind: Acquire, Session: id, Part: "part " + id})
	}
	b.do(Event{Kind: Release, Session: "a", Fence: b.s.Holds[0].Fence})
	for n := 1; n <= 3; n++ {
		if len(b.s.Holds) != n {
			t.Fatalf("%d hold after %d steps", len(b.s.Holds), n)
		}
		if soon := !b.r.Next(b.s, b.know).After(b.now); soon != (n < 3) {
			t.Errorf("after %d steps: due at once: %v", n, soon)
		}
		b.do(Event{Kind: Look})
	}
	// A session that ends with several holds ends them one by one.
	b.do(Event{Kind: Acquire, Session: "b", Part: "another"})
	if b.do(Event{Kind: End, Session: "b", Reason: Forced}); !b.out.More || len(b.s.Holds) != 3 {
		t.Errorf("more: %v, %d hold", b.out.More, len(b.s.Holds))
	}
	if b.do(Event{Kind: End, Session: "b", Reason: Forced}); b.out.More || len(b.s.Holds) != 2 {
		t.Errorf("more: %v, %d hold", b.out.More, len(b.s.Holds))
	}
}

// A program in this process holds at once; a version is kept whole or not at all; a name is cut.
func TestGrantHere(t *testing.T) {
	b := newBench(t)
	b.facts["a"] = Session{User: "u", Name: strings.Repeat("é", 200) + "\x07", Here: true}
	b.do(Event{Kind: Acquire, Session: "a"})
	h := b.s.Holds[0]
	if !h.Confirmed || h.Ticket != 0 || h.Name != strings.Repeat("é", MaxText/2) {
		t.Errorf("held as %+v", h)
	}
	if DisplayName("a\x07\xff") != "a \uFFFD" {
		t.Errorf("a name with a bell became %q", DisplayName("a\x07\xff"))
	}
	for v, want := range map[string]string{"18": "18", strings.Repeat("x", MaxText): strings.Repeat("x", MaxText), strings.Repeat("x", MaxText+1): "", "\xff": ""} {
		if b.do(Event{Kind: Changed, Session: "a", Fence: h.Fence, Version: v}); b.s.Version != want {
			t.Errorf("version %q became %q", v, b.s.Version)
		}
	}
}

// A save of a free article is noted, and the note forgotten in time.
func TestChangedWhileFree(t *testing.T) {
	b := newBench(t)
	b.do(Event{Kind: Changed, Version: "7"})
	if b.s.Version != "7" || b.r.Stale(b.s, b.now) || !b.r.Stale(b.s, b.now.Add(b.r.Keep)) {
		t.Errorf("noted as %+v", b.s)
	}
	b.after(b.r.Keep)
	if b.do(Event{Kind: Changed, Version: "8"}); b.s.Version != "8" || b.r.Stale(b.s, b.now) {
		t.Errorf("a later save is forgotten at once: %+v", b.s)
	}
}
