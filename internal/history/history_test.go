package history

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/anishathalye/porcupine"
)

const doc = "article/1"

// tale is a history that is made by hand. Times are in seconds.
type tale struct {
	lines []Line
	op    int64
}

func at(s float64) int64 { return int64(s * 1e9) }

func (t *tale) add(s float64, l Line) { l.T = at(s); t.lines = append(t.lines, l) }

// ask adds a request with its answer, half a tenth of a second later; no code: there is none.
func (t *tale) ask(s float64, client, name string, l Line, code string, snaps ...Snap) {
	t.op++
	l.Kind, l.Name, l.Client, l.User, l.Op, l.Resource = Call, name, client, client, t.op, doc
	l.Session = "s" + client
	l.Conn, l.Port = int64(client[0]), int(client[0])
	if name == "hello" || name == "bye" {
		l.Resource = ""
	}
	if name == "hello" && l.Text != "resume" {
		l.Session, l.Text = "", "begin"
	}
	t.add(s, l)
	if code == "" {
		return
	}
	l.Kind, l.Code, l.Session, l.Text = Return, code, "s"+client, ""
	if len(snaps) > 0 && name == "hello" {
		l.Snaps = snaps
	} else if len(snaps) > 0 {
		l.Snap = &snaps[0]
	}
	t.add(s+0.05, l)
}

func (t *tale) heard(s float64, client string) {
	t.add(s, Line{Kind: Heard, Client: client, Session: "s" + client, Sent: at(s - 1), Until: at(s - 1 + 8)})
}

func (t *tale) push(s float64, client string, snap Snap) {
	t.add(s, Line{Kind: Push, Client: client, Session: "s" + client, Conn: int64(client[0]), Snap: &snap})
}

func (t *tale) entry(s float64, rev int64, ended, granted *Side) {
	if ended != nil && ended.Over == 0 {
		ended.Over = at(s) / 1000
	}
	t.lines = append(t.lines, Line{Kind: Entry, Resource: doc, Change: &Change{Rev: rev, At: at(s) / 1000, Ended: ended, Granted: granted}})
}

func held(rev int64, by string) Snap { return Snap{Resource: doc, Rev: rev, State: "held", Holder: by} }

func mine(s Snap, state string, n int64) Snap {
	s.Mine = state
	if state == "waiting" {
		s.Position = int(n)
	} else {
		s.Fence = n
	}
	return s
}

// good is a history in which Ana edits and releases, Ben is let in and falls silent, and Cas has it after him.
func good() *tale {
	t := &tale{}
	t.add(100, Line{Kind: Begin, Seed: 7, TTL: 10 * second})
	t.add(100, Line{Kind: Clock, Wall: at(100) / 1000})
	t.add(100, Line{Kind: Server, Name: "spawn"})
	t.add(101, Line{Kind: Server, Name: "ready"})
	for i, c := range []string{"a", "b", "c"} {
		t.ask(120+float64(i), c, "hello", Line{}, "ok")
		t.lines[len(t.lines)-1].Session = "s" + c
	}
	t.ask(125, "a", "acquire", Line{Wait: true}, "ok", mine(held(10, "a"), "granted", 10))
	t.ask(125.2, "a", "confirm", Line{Fence: 10}, "ok", mine(held(11, "a"), "held", 10))
	t.add(125.25, Line{Kind: Hold, Client: "a", Session: "sa", Resource: doc, Fence: 10, Until: at(128)})
	t.add(125.3, Line{Kind: App, Name: "load", Code: "ok", Client: "a", Resource: doc, Fence: 10})
	t.add(125.5, Line{Kind: App, Name: "save", Code: "ok", Client: "a", Resource: doc, Fence: 10, Base: 0, New: 1})
	t.ask(126, "b", "acquire", Line{Wait: true}, "ok", mine(held(12, "a"), "waiting", 1))
	t.ask(126.5, "c", "acquire", Line{Wait: true}, "ok", mine(held(13, "a"), "waiting", 2))
	for s := 127.0; s < 131; s += 2 {
		t.heard(s, "a")
		t.heard(s, "b")
	}
	for s := 127.0; s < 160; s += 2 {
		t.heard(s, "c")
	}
	t.add(131, Line{Kind: Unhold, Client: "a", Resource: doc, Fence: 10})
	t.ask(131, "a", "release", Line{Fence: 10}, "ok", held(20, "b"))
	t.push(131.1, "b", mine(held(20, "b"), "granted", 20))
	t.ask(131.2, "b", "confirm", Line{Fence: 20}, "ok", mine(held(21, "b"), "held", 20))
	t.add(131.25, Line{Kind: Hold, Client: "b", Session: "sb", Resource: doc, Fence: 20, Until: at(136)})
	t.add(131.3, Line{Kind: App, Name: "load", Code: "ok", Client: "b", Resource: doc, Fence: 20})
	t.add(131.5, Line{Kind: App, Name: "save", Code: "ok", Client: "b", Resource: doc, Fence: 20, Base: 1, New: 2})
	t.heard(133, "b")
	t.add(134, Line{Kind: Closed, Client: "b", Session: "sb", Conn: 'b'})
	t.add(133.5, Line{Kind: Port, Port: 'b'})
	t.push(146.6, "c", mine(held(30, "c"), "granted", 30))
	t.ask(146.7, "c", "confirm", Line{Fence: 30}, "ok", mine(held(31, "c"), "held", 30))
	t.ask(150, "c", "release", Line{Fence: 30}, "ok", Snap{Resource: doc, Rev: 40, State: "free"})
	t.add(190, Line{Kind: Calm})
	t.add(190, Line{Kind: Port, Port: 'a'})
	t.add(190, Line{Kind: Port, Port: 'c'})
	t.add(191, Line{Kind: Server, Name: "kill"})
	t.add(191, Line{Kind: Server, Name: "exit"})
	side := func(who string, fence int64, why string) *Side {
		return &Side{Session: "s" + who, User: who, Fence: fence, Reason: why}
	}
	t.entry(125.02, 10, nil, side("a", 10, ""))
	t.entry(131.02, 20, side("a", 10, "released"), side("b", 20, ""))
	expired := side("b", 20, "expired")
	expired.Over = at(143.5) / 1000
	t.entry(146.5, 30, expired, side("c", 30, ""))
	t.entry(150.02, 40, side("c", 30, "released"), nil)
	return t
}

// find returns the lines that match.
func (t *tale) find(match func(*Line) bool) []*Line {
	var found []*Line
	for i := range t.lines {
		if match(&t.lines[i]) {
			found = append(found, &t.lines[i])
		}
	}
	return found
}

func (t *tale) one(kind Kind, client, name string) *Line {
	found := t.find(func(l *Line) bool { return l.Kind == kind && l.Client == client && l.Name == name })
	if len(found) == 0 {
		panic(fmt.Sprint("there is no ", kind, client, name))
	}
	return found[0]
}

func (t *tale) change(rev int64) *Change {
	return t.find(func(l *Line) bool { return l.Kind == Entry && l.Change.Rev == rev })[0].Change
}

func (t *tale) drop(match func(*Line) bool) {
	t.lines = slices.DeleteFunc(t.lines, func(l Line) bool { return match(&l) })
}

func check(t *testing.T, lines []Line) (*Verdict, bool) {
	t.Helper()
	visual := false
	v, err := Check(lines, func(string, porcupine.LinearizationInfo) { visual = true })
	if err != nil {
		t.Fatal(err)
	}
	return v, visual
}

func TestGoodHistory(t *testing.T) {
	g := good()
	v, _ := check(t, g.lines)
	if len(v.Accusations) > 0 {
		t.Errorf("%s\n%s", v, Story(g.lines, doc, 0, never))
	}
	for what, n := range map[string]int{"grants": 3, "ended expired": 1, "silent holders given up in time": 1, "hand-overs at once": 1,
		"beliefs that ended before the lock was lost": 1, "places in a queue": 2} {
		if v.Counts[what] != n {
			t.Errorf("%s: %d, want %d", what, v.Counts[what], n)
		}
	}
	if lacks := v.Void(map[string]int{"grants": 3, "faults": 1}); len(lacks) != 1 || !strings.Contains(lacks[0], "faults") {
		t.Errorf("it lacks %q", lacks)
	}
}

// Each check is seen to fail: a history that breaks one promise is accused of that.
func TestBadHistories(t *testing.T) {
	for _, c := range []struct {
		name    string
		promise string
		spoil   func(*tale)
	}{
		{"two hold at once", "S1", func(g *tale) {
			g.one(Push, "b", "").T = at(130)
			g.one(Push, "b", "").Snap.Rev = 20
		}},
		{"an answer from the past", "S1", func(g *tale) {
			g.ask(140, "c", "watch", Line{}, "ok", mine(held(13, "a"), "waiting", 2))
		}},
		{"a free one is seen between two holders", "S8", func(g *tale) {
			g.ask(140, "c", "watch", Line{}, "ok", Snap{Resource: doc, Rev: 22, State: "free"})
		}},
		{"a confirmation of a lock that is well is refused", "S1", func(g *tale) {
			g.ask(127, "a", "confirm", Line{Fence: 10}, "stale_fence")
		}},
		{"a grant that nobody asked for", "S1", func(g *tale) {
			g.drop(func(l *Line) bool { return l.Client == "c" && l.Name == "acquire" })
		}},
		{"a fence goes back", "S2", func(g *tale) { g.change(40).Granted = &Side{Session: "sa", User: "a", Fence: 15} }},
		{"an end without an entry", "S8", func(g *tale) { g.change(30).Ended = nil }},
		{"a change without an entry", "S8", func(g *tale) { g.drop(func(l *Line) bool { return l.Kind == Entry && l.Change.Rev == 20 }) }},
		{"two entries for one change", "S8", func(g *tale) {
			g.entry(151, 41, &Side{Session: "sc", User: "c", Fence: 30, Reason: "released"}, nil)
		}},
		{"the history names another", "S8", func(g *tale) { g.change(20).Granted.Session = "sx" }},
		{"a release that nobody asked for", "S4", func(g *tale) { g.drop(func(l *Line) bool { return l.Client == "a" && l.Name == "release" }) }},
		{"expired too soon", "S4", func(g *tale) { g.heard(146, "b") }},
		{"unconfirmed too soon", "S4", func(g *tale) {
			g.drop(func(l *Line) bool { return l.Client == "b" && l.Name == "confirm" })
			g.change(30).Ended.Reason = "unconfirmed"
			g.heard(141, "b")
			g.change(30).At = at(138) / 1000
		}},
		{"confirmed, and lost as unconfirmed", "S7", func(g *tale) { g.change(30).Ended.Reason = "unconfirmed" }},
		{"a version is forgotten", "S7", func(g *tale) {
			g.one(Return, "b", "acquire").Snap.Version = "5"
			g.one(Return, "c", "confirm").Snap.Version = "4"
		}},
		{"belief outlives the lock", "S5", func(g *tale) {
			g.find(func(l *Line) bool { return l.Kind == Hold && l.Client == "b" })[0].Until = at(147)
		}},
		{"a late release does something", "S4", func(g *tale) { // its session has a newer connection since
			op := g.one(Return, "a", "release").Op
			g.drop(func(l *Line) bool { return l.Kind == Return && l.Op == op })
			g.op++
			g.add(132, Line{Kind: Call, Name: "hello", Text: "resume", Client: "a", User: "a", Session: "sa", Conn: 199, Port: 199, Op: g.op})
			g.add(132.05, Line{Kind: Return, Name: "hello", Code: "ok", Resumed: true, Client: "a", User: "a", Session: "sa", Conn: 199, Op: g.op})
			g.change(20).At = at(135) / 1000
		}},
		{"an older connection does something", "S6", func(g *tale) {
			g.op++
			g.add(127, Line{Kind: Call, Name: "hello", Text: "resume", Client: "a", User: "a", Session: "sa", Conn: 199, Port: 199, Op: g.op})
			g.add(127.05, Line{Kind: Return, Name: "hello", Code: "ok", Resumed: true, Client: "a", User: "a", Session: "sa", Conn: 199, Op: g.op,
				Snaps: []Snap{mine(held(13, "a"), "held", 10)}})
		}},
		{"silent, and not replaced", "L1", func(g *tale) {
			for _, l := range g.find(func(l *Line) bool { return l.Client == "c" && l.T > at(146) && l.Kind != Heard }) {
				l.T += at(10)
			}
			g.change(30).At = at(156.5) / 1000
			g.change(40).At = at(160.02) / 1000
		}},
		{"silent, and still held", "L1", func(g *tale) {
			g.change(30).At, g.change(40).At = at(170)/1000, at(172)/1000
			for _, l := range g.find(func(l *Line) bool { return l.Client == "c" && l.T > at(146) && l.Kind != Heard }) {
				l.T += at(23.5)
			}
			g.ask(165, "a", "watch", Line{}, "ok", held(22, "b"))
		}},
		{"free, and somebody waits", "L2", func(g *tale) {
			g.push(151, "a", mine(Snap{Resource: doc, Rev: 40, State: "free"}, "waiting", 1))
		}},
		{"the next in line is told late", "L2", func(g *tale) {
			for _, l := range g.find(func(l *Line) bool { return l.Client == "b" && l.T > at(131) && l.T < at(133) }) {
				l.T += at(8)
			}
			g.find(func(l *Line) bool { return l.Kind == Port && l.Port == 'b' })[0].T = at(141)
			g.one(Closed, "b", "").T = at(141)
		}},
		{"who came later is let in first", "L3", func(g *tale) {
			g.change(20).Granted = &Side{Session: "sd", User: "d", Fence: 20}
			g.change(30).Ended = &Side{Session: "sd", User: "d", Fence: 20, Reason: "left"}
			g.drop(func(l *Line) bool { return l.Client == "b" && l.T > at(131) })
			g.push(132, "b", mine(held(21, "d"), "waiting", 1))
			g.ask(123, "d", "hello", Line{}, "ok")
			g.ask(128, "d", "acquire", Line{Wait: true}, "ok", mine(held(14, "a"), "waiting", 3))
			g.ask(132, "d", "bye", Line{}, "ok")
		}},
		{"a place is lost by a break", "L3", func(g *tale) {
			g.op++
			g.add(129, Line{Kind: Call, Name: "hello", Text: "resume", Client: "b", User: "b", Conn: 198, Port: 198, Op: g.op})
			g.add(129.05, Line{Kind: Return, Name: "hello", Code: "ok", Resumed: true, Client: "b", User: "b", Session: "sb", Conn: 198, Op: g.op})
		}},
		{"a session is refused its own token", "L3", func(g *tale) {
			g.op++
			g.add(129, Line{Kind: Call, Name: "hello", Text: "resume", Client: "b", User: "b", Conn: 198, Port: 198, Op: g.op})
			g.add(129.05, Line{Kind: Return, Name: "hello", Code: "resume_reused", Client: "b", User: "b", Conn: 198, Op: g.op})
		}},
		{"a resume takes more than one try", "L4", func(g *tale) {
			g.op++
			g.add(129, Line{Kind: Call, Name: "hello", Text: "resume", Client: "b", User: "b", Conn: 198, Port: 198, Op: g.op})
			g.add(129.05, Line{Kind: Return, Name: "hello", Code: "unavailable", Client: "b", User: "b", Conn: 198, Op: g.op})
		}},
		{"an outage counts against a holder", "S9", func(g *tale) {
			g.drop(func(l *Line) bool { return l.Kind == Server && l.Name != "spawn" && l.T > at(102) })
			g.add(135, Line{Kind: Server, Name: "kill"})
			g.add(135, Line{Kind: Server, Name: "exit"})
			g.add(139, Line{Kind: Server, Name: "spawn"})
			g.add(140, Line{Kind: Server, Name: "ready"})
			g.add(135, Line{Kind: Fault, Name: "kill -9", Text: "server", Until: at(139)})
		}},
		{"a stopped server counts against a holder", "S9", func(g *tale) {
			g.add(136, Line{Kind: Server, Name: "stop"})
			g.add(142, Line{Kind: Server, Name: "cont"})
			g.add(136, Line{Kind: Fault, Name: "stop", Text: "server", Until: at(142)})
		}},
		{"a lock token outlives its lock", "S3", func(g *tale) {
			g.find(func(l *Line) bool { return l.Kind == Heard && l.Client == "b" })[0].Locks = []Lock{{doc, 20, 148}}
		}},
		{"an older holder saves after a newer one's load", "S3", func(g *tale) {
			g.add(131.4, Line{Kind: App, Name: "save", Code: "ok", Client: "a", Resource: doc, Fence: 10, Base: 1, New: 2})
		}},
		{"a save is lost", "nothing is lost", func(g *tale) {
			g.find(func(l *Line) bool { return l.Kind == App && l.Client == "b" && l.Name == "save" })[0].Base = 0
		}},
		{"a copied resume token is taken", "B11", func(g *tale) {
			g.op++
			g.add(129, Line{Kind: Call, Name: "reuse", Text: "reuse", Client: "b", User: "b", Conn: 198, Port: 198, Op: g.op})
			g.add(129.05, Line{Kind: Return, Name: "reuse", Code: "ok", Resumed: true, Client: "b", User: "b", Session: "sb", Conn: 198, Op: g.op})
		}},
		{"a server ends by itself", "the server", func(g *tale) {
			g.drop(func(l *Line) bool { return l.Kind == Server && l.Name == "kill" })
		}},
		{"a resource is stuck", "nothing is stuck", func(g *tale) { g.add(190, Line{Kind: Stuck, Resource: doc}) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := good()
			c.spoil(g)
			slices.SortStableFunc(g.lines, func(a, b Line) int { return int(min(1, max(-1, when(a)-when(b)))) })
			v, _ := check(t, g.lines)
			if !slices.ContainsFunc(v.Accusations, func(a Accusation) bool { return strings.HasPrefix(a.Promise, c.promise) }) {
				t.Errorf("it is not accused of %s:\n%s", c.promise, v)
			}
		})
	}
}

// when is where a line belongs among the others: ends of connections and what is read at the end come last.
func when(l Line) int64 {
	if l.Kind == Entry || l.Kind == Port {
		return never
	}
	return l.T
}

// What is not linearizable is shown.
func TestVisual(t *testing.T) {
	g := good()
	g.ask(127, "a", "confirm", Line{Fence: 10}, "stale_fence")
	if _, visual := check(t, g.lines); !visual {
		t.Error("porcupine's account was not given")
	}
}

// A history is read as it was written, but for a last line that was cut short.
func TestRead(t *testing.T) {
	var b bytes.Buffer
	g := good()
	for _, l := range g.lines {
		if err := json.NewEncoder(&b).Encode(l); err != nil {
			t.Fatal(err)
		}
	}
	b.WriteString(`{"k":"ca`)
	lines, err := Read(&b)
	if err != nil || len(lines) != len(g.lines) {
		t.Fatalf("%d lines of %d: %v", len(lines), len(g.lines), err)
	}
	if v, _ := check(t, lines); len(v.Accusations) > 0 {
		t.Error(v)
	}
	if _, err := Read(strings.NewReader("{}\nnonsense\n{}\n")); err == nil {
		t.Error("nonsense in the middle was read")
	}
}
