package lease

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A record keeps what newer versions put into it, through every step. Faults: N9
func TestUnknownMembersAreKept(t *testing.T) {
	const data = `{"v":1,"holds":[{"session":"a","user":"u","fence":3,"since":"2026-11-23T14:00:00Z","confirmed":true,"of_hold":{"x":1}}],` +
		`"queue":[{"n":1,"s":"b","t":1,"of_waiter":[2]}],"ticket":1,"of_state":"three"}`
	s, err := Decode([]byte(data), 5, State{}, epoch)
	if err != nil {
		t.Fatal(err)
	}
	know := func(string) Session { return Session{User: "u"} }
	for _, e := range []Event{
		{Kind: Acquire, Session: "c"}, {Kind: Cancel, Session: "c"}, {Kind: Changed, Version: "9"}, {Kind: Look},
	} {
		s, _ = Default().Step(s, e, know, epoch)
	}
	again, err := Encode(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, member := range []string{`"of_hold":{"x":1}`, `"of_waiter":[2]`, `"of_state":"three"`} {
		if !strings.Contains(string(again), member) {
			t.Errorf("%s is lost: %s", member, again)
		}
	}
}

// A record of newer rules is not written by these, since it cannot be read. Faults: N9
func TestNewerRules(t *testing.T) {
	if _, err := Decode([]byte(`{"v":2,"holds":[]}`), 5, State{}, epoch); !errors.Is(err, ErrNewer) {
		t.Errorf("got %v", err)
	}
}

func TestDamagedRecords(t *testing.T) {
	for name, data := range map[string]string{
		"no JSON":                  `{"v":1`,
		"a member twice":           `{"v":1,"ticket":1,"ticket":2}`,
		"two holders":              `{"v":1,"holds":[{"session":"a","fence":1},{"session":"b","fence":2}]}`,
		"the whole and a part":     `{"v":1,"holds":[{"session":"a","fence":1},{"session":"b","fence":2,"part":"title"}]}`,
		"no session holds":         `{"v":1,"holds":[{"fence":1}]}`,
		"a fence twice":            `{"v":1,"holds":[{"session":"a","fence":1,"part":"x"},{"session":"b","fence":1,"part":"y"}]}`,
		"a fence below 0":          `{"v":1,"holds":[{"session":"a","fence":-1}]}`,
		"a fence above 2^53":       `{"v":1,"holds":[{"session":"a","fence":9007199254740992}]}`,
		"lapsed, not confirmed":    `{"v":1,"holds":[{"session":"a","fence":1,"lapsed":true}]}`,
		"over, not lapsed":         `{"v":1,"holds":[{"session":"a","fence":1,"confirmed":true,"over":"2026-11-23T14:00:00Z"}]}`,
		"lapse rev, not lapsed":    `{"v":1,"holds":[{"session":"a","fence":1,"confirmed":true,"lapserev":4}]}`,
		"holds and waits":          `{"v":1,"holds":[{"session":"a","fence":1}],"queue":[{"n":1,"s":"a","t":1}],"ticket":1}`,
		"waits twice":              `{"v":1,"queue":[{"n":1,"s":"a","t":1},{"n":2,"s":"a","t":1}],"ticket":2}`,
		"nobody waits":             `{"v":1,"queue":[{"n":1,"t":1}],"ticket":1}`,
		"out of order":             `{"v":1,"queue":[{"n":2,"s":"a","t":1},{"n":1,"s":"b","t":1}],"ticket":2}`,
		"two have one ticket":      `{"v":1,"queue":[{"n":1,"s":"a","t":1},{"n":1,"s":"b","t":1}],"ticket":2}`,
		"a ticket never given out": `{"v":1,"queue":[{"n":2,"s":"a","t":1}],"ticket":1}`,
		"a confirmed ticket":       `{"v":1,"holds":[{"session":"a","fence":1,"confirmed":true,"ticket":1}],"ticket":1}`,
		"a hold's ticket too high": `{"v":1,"holds":[{"session":"a","fence":1,"ticket":2}],"ticket":1}`,
		"a hold's and a waiter's":  `{"v":1,"holds":[{"session":"a","fence":1,"ticket":1}],"queue":[{"n":1,"s":"b","t":1}],"ticket":1}`,
		"two holds, one ticket":    `{"v":1,"holds":[{"session":"a","fence":1,"ticket":1,"part":"x"},{"session":"b","fence":2,"ticket":1,"part":"y"}],"ticket":1}`,
	} {
		if s, err := Decode([]byte(data), 9, State{}, epoch); err == nil {
			t.Errorf("%s: read as %+v", name, s)
		}
	}
}

// What waiting is counted from: a revision that was known keeps its first sight, through any number of
// later revisions; another one begins anew.
func TestFirstSight(t *testing.T) {
	at := func(s int) time.Time { return epoch.Add(time.Duration(s) * time.Second) }
	read := func(data string, rev int64, prev State, now time.Time) Hold {
		t.Helper()
		s, err := Decode([]byte(data), rev, prev, now)
		if err != nil {
			t.Fatal(err)
		}
		return s.Holds[0]
	}
	const granted = `{"v":1,"holds":[{"session":"a","user":"u","since":"2026-11-23T14:00:00Z"%s}]}`
	first := read(fmt.Sprintf(granted, ""), 5, State{}, at(0))
	if first.Fence != 5 || !first.Seen.Equal(at(0)) || !first.LapseSeen.IsZero() {
		t.Errorf("first read as %+v", first)
	}
	known := State{Holds: []Hold{first}}
	if h := read(fmt.Sprintf(granted, `,"fence":5`), 6, known, at(7)); !h.Seen.Equal(at(0)) {
		t.Errorf("a later revision set the clock back: %+v", h)
	}
	if h := read(fmt.Sprintf(granted, ""), 7, known, at(7)); !h.Seen.Equal(at(7)) {
		t.Errorf("another grant to the same session has the first one's clock: %+v", h)
	}
	if h := read(fmt.Sprintf(granted, `,"fence":5,"confirmed":true`), 6, State{}, at(7)); !h.Seen.IsZero() {
		t.Errorf("a grant that was confirmed before it was read has a first sight: %+v", h)
	}
	if h := read(fmt.Sprintf(granted, `,"fence":5,"confirmed":true`), 6, known, at(7)); !h.Seen.Equal(at(0)) {
		t.Errorf("a confirmation set the clock back: %+v", h)
	}
	const lapsed = `,"fence":5,"confirmed":true,"lapsed":true,"over":"2026-11-23T14:00:00Z"`
	h := read(fmt.Sprintf(granted, lapsed), 8, known, at(9))
	if h.LapseRev != 8 || !h.LapseSeen.Equal(at(9)) || !h.Seen.Equal(at(0)) {
		t.Errorf("a lapse read as %+v", h)
	}
	known = State{Holds: []Hold{h}}
	if h = read(fmt.Sprintf(granted, lapsed+`,"lapserev":8`), 9, known, at(12)); !h.LapseSeen.Equal(at(9)) {
		t.Errorf("a later revision set the pause back: %+v", h)
	}
	if h = read(fmt.Sprintf(granted, lapsed+`,"lapserev":10`), 10, known, at(12)); !h.LapseSeen.Equal(at(12)) {
		t.Errorf("another lapse has the first one's clock: %+v", h)
	}
}

// A waiter costs 64 bytes at most, and no names make a record larger than 64 KiB.
func TestSizes(t *testing.T) {
	id := func(n int) string { return fmt.Sprintf("%022d", n) }
	one := State{Queue: []Waiter{{Ticket: 9_999_999, Session: id(1), Since: epoch.Unix(), Absent: true}}, Ticket: 9_999_999}
	two := one
	two.Queue = append(two.Queue, one.Queue[0])
	a, err1 := Encode(one)
	b, err2 := Encode(two)
	if n := len(b) - len(a); n > 64 || err1 != nil || err2 != nil {
		t.Errorf("a waiter costs %d bytes: %s", n, b)
	}

	rough := strings.Repeat(`"`, 300)
	part := func(n int) string { return fmt.Sprintf("%02d%s", n, strings.Repeat(`"`, MaxPart-2)) }
	facts := func(string) Session {
		return Session{User: rough[:MaxText], Name: strings.Repeat("\x01", 100) + rough}
	}
	r, s, rev := Default(), State{}, int64(1<<52)
	step := func(e Event) Outcome {
		var out Outcome
		s, out = r.Step(s, e, facts, epoch)
		if rev++; out.Change != nil {
			s = s.At(rev)
		}
		return out
	}
	for n := range 400 {
		step(Event{Kind: Acquire, Session: id(n), Part: part(n % 30)})
	}
	if len(s.Holds) != maxHolds || len(s.Queue) < r.Queue {
		t.Fatalf("%d hold, %d wait", len(s.Holds), len(s.Queue))
	}
	step(Event{Kind: Changed, Version: rough[:MaxText]})
	for i := range s.Holds { // none confirms: all are put back into the queue, and as many are let in
		s.Holds[i].Seen = epoch.Add(-time.Hour)
	}
	for range 100 {
		if step(Event{Kind: Look}).Change == nil {
			break
		}
	}
	if err := Check(s); err != nil {
		t.Fatal(err)
	}
	s.Ticket = 9_999_999
	if data, err := Encode(s); err != nil || len(data) > 64<<10 {
		t.Errorf("%d hold, %d wait, %d bytes: %v", len(s.Holds), len(s.Queue), len(data), err)
	} else {
		t.Logf("%d hold, %d wait, %d bytes", len(s.Holds), len(s.Queue), len(data))
	}
}
